"""What a picture looks like to the network is what the reference pipeline would show."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import ks_2samp
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchvision import transforms

from experiments.tasks.imagenet.pixels import (
    AREA,
    RATIO,
    Damaged,
    Window,
    centre,
    cut,
    decode,
    ends_early,
    random_window,
)
from tests.experiments.conftest import ROOT

PACK = ROOT.parent / "shared" / "data" / "imagenette2-224-mini.tgz"


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> Tensor:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return as_bytes(file.getvalue())


def as_bytes(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def as_pillow_sees(content: Tensor) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content.numpy().tobytes())).convert("RGB"))


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.fromarray(image) for image in load_sample_images().images]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_decoding_is_pillows(mode: str, progressive: bool, photos: list[Image.Image]) -> None:
    content = encoded(photos[0].convert(mode), quality=88, progressive=progressive)
    assert not ends_early(content)
    assert np.array_equal(decode(content).permute(1, 2, 0).numpy(), as_pillow_sees(content))


def test_a_png_by_a_jpegs_name_is_decoded(photos: list[Image.Image]) -> None:
    content = encoded(photos[1], "PNG")
    assert np.array_equal(decode(content).permute(1, 2, 0).numpy(), np.asarray(photos[1]))


@pytest.mark.parametrize("kept", [0, 1, 20, 700, 0.5, -1, -2])
def test_what_ends_early_is_damaged(kept: float, photos: list[Image.Image]) -> None:
    whole = encoded(photos[0])
    part = whole[: int(len(whole) * kept)] if kept == 0.5 else whole[: int(kept)]
    assert ends_early(part)
    with pytest.raises(Damaged, match=r"\w"):
        decode(part)


def test_padding_after_the_end_is_no_damage(photos: list[Image.Image]) -> None:
    padded = torch.cat([encoded(photos[0]), torch.zeros(100, dtype=torch.uint8)])
    assert not ends_early(padded)


def differences(ours: Tensor, theirs: Image.Image) -> np.ndarray:
    return np.abs(ours.permute(1, 2, 0).numpy().astype(int) - np.asarray(theirs).astype(int))


def check_crops(content: Tensor, number: int) -> None:
    """Ours and the reference's transforms of one picture differ by rounding alone."""
    picture, image = decode(content), Image.fromarray(as_pillow_sees(content))
    w = random_window(1, 0, number, image.height, image.width)
    reference = transforms.functional.resized_crop(
        image, w.top, w.left, w.height, w.width, [224, 224]
    )
    test = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    if w.flip:
        reference = transforms.functional.hflip(reference)
    pairs = (cut(picture, w, 224), reference), (centre(picture, 256, 224), test(image))
    for ours, theirs in pairs:
        difference = differences(ours, theirs)
        assert difference.max() <= 1  # of 255
        assert difference.mean() < 0.15


def test_crops_are_the_references_within_one_level(photos: list[Image.Image]) -> None:
    for number, size in enumerate([(500, 375), (375, 500), (640, 427), (250, 231)]):
        check_crops(encoded(photos[number % 2].resize(size), quality=90), number)


@pytest.mark.skipif(not PACK.exists(), reason="no ../shared/data beside the checkout")
def test_crops_of_real_pictures_are_the_references(tmp_path: Path) -> None:
    with tarfile.open(PACK) as archive:
        names = [m for m in archive.getmembers() if m.name.endswith(".JPEG")]
        for number, member in enumerate(names[::35]):
            file = archive.extractfile(member)
            assert file is not None
            check_crops(as_bytes(file.read()), number)


@given(
    st.integers(0, 2**31),
    st.integers(0, 89),
    st.integers(0, 1_281_166),
    st.integers(1, 3000),
    st.integers(1, 3000),
)
def test_windows_lie_in_the_picture_and_are_functions(
    seed: int, epoch: int, index: int, height: int, width: int
) -> None:
    w = random_window(seed, epoch, index, height, width)
    assert w == random_window(seed, epoch, index, height, width)
    assert w.height >= 1
    assert w.width >= 1
    assert 0 <= w.top <= height - w.height
    assert 0 <= w.left <= width - w.width


def test_windows_are_distributed_as_torchvisions() -> None:
    height, width, n = 375, 500, 3000
    ours = [random_window(1, 0, index, height, width) for index in range(n)]
    torch.manual_seed(0)
    blank = torch.empty(3, height, width)
    draw = transforms.RandomResizedCrop.get_params
    theirs = [Window(*draw(blank, list(AREA), list(RATIO)), flip=False) for _ in range(n)]
    for of in (
        lambda w: w.height * w.width,
        lambda w: w.width / w.height,
        lambda w: w.top / (height - w.height + 1),
        lambda w: w.left / (width - w.width + 1),
    ):
        assert ks_2samp([of(w) for w in ours], [of(w) for w in theirs]).pvalue > 0.01
    assert abs(sum(w.flip for w in ours) / n - 0.5) < 0.04


@pytest.mark.parametrize(("height", "width"), [(10, 2000), (2000, 10)])
def test_a_picture_too_long_for_any_attempt_gives_its_middle(height: int, width: int) -> None:
    w = random_window(3, 0, 0, height, width)
    ours = (w.top, w.left, w.height, w.width)
    torch.manual_seed(0)
    draw = transforms.RandomResizedCrop.get_params
    assert ours == draw(torch.empty(3, height, width), list(AREA), list(RATIO))


def test_epochs_seeds_and_pictures_have_windows_of_their_own() -> None:
    windows = {
        random_window(seed, epoch, index, 375, 500)
        for seed in range(3)
        for epoch in range(3)
        for index in range(20)
    }
    assert len(windows) > 175
