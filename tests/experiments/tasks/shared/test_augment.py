"""Whole-batch cropping, flipping and normalisation against torchvision's, image by image."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch._subclasses.fake_tensor import FakeTensorMode
from torchvision import transforms
from torchvision.transforms import functional as tv

from experiments.tasks.shared.augment import Normalise, crop_and_flip, pad, plan_epoch

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2 * 9 * 9, 3, 32, 32), dtype=torch.uint8, generator=generator)


def every_crop():
    """Each image at an offset of its own, with and without the flip."""
    top, left, flip = torch.meshgrid(
        torch.arange(9), torch.arange(9), torch.arange(2), indexing="ij"
    )
    return torch.arange(2 * 9 * 9), top.flatten(), left.flatten(), flip.flatten().bool()


def test_every_crop_and_flip_equals_torchvisions(pixels):
    images, top, left, flip = every_crop()
    before = pixels.clone()
    inputs = Normalise(MEAN, STD)(crop_and_flip(pad(pixels), images, top, left, flip))
    assert inputs.dtype == torch.float32
    assert torch.equal(pixels, before)
    for i in range(len(pixels)):
        image = tv.pad(tv.to_pil_image(pixels[i]), 4)
        image = tv.crop(image, int(top[i]), int(left[i]), 32, 32)
        image = tv.hflip(image) if flip[i] else image
        assert torch.equal(inputs[i], tv.normalize(tv.to_tensor(image), MEAN, STD)), i


def test_the_border_is_black_before_normalisation(pixels):
    black = (0 - torch.tensor(MEAN)) / torch.tensor(STD)
    n = len(pixels)
    corner = torch.zeros(n, dtype=torch.int64)
    crops = crop_and_flip(pad(pixels), torch.arange(n), corner, corner, corner.bool())
    inputs = Normalise(MEAN, STD)(crops)
    assert torch.equal(inputs[:, :, :4, :], black[:, None, None].expand(n, 3, 4, 32))
    assert torch.equal(inputs[:, :, :, :4], black[:, None, None].expand(n, 3, 32, 4))


def test_other_sizes_and_layouts(pixels):
    wide = pixels[:, :2, :20, :].contiguous(memory_format=torch.channels_last)
    expected = crop_and_flip(pad(wide.contiguous()), *every_crop())
    assert expected.shape == wide.shape
    assert torch.equal(crop_and_flip(pad(wide), *every_crop()), expected)


def test_images_are_chosen_in_any_order_and_more_than_once(pixels):
    images = torch.tensor([5, 0, 5, 161])
    _, top, left, flip = (column[:4] for column in every_crop())
    found = crop_and_flip(pad(pixels), images, top, left, flip)
    expected = crop_and_flip(pad(pixels[images]), torch.arange(4), top, left, flip)
    assert torch.equal(found, expected)


def test_no_value_is_read_back_and_no_shape_depends_on_one():
    with FakeTensorMode():  # raises where an operation needs a value
        index, flip = torch.zeros(8, dtype=torch.int64), torch.zeros(8, dtype=torch.bool)
        pixels = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
        inputs = Normalise(MEAN, STD)(crop_and_flip(pad(pixels), index, index, index, flip))
        assert inputs.shape == (8, 3, 32, 32)


def test_a_plan_follows_from_seed_and_epoch_alone():
    torch.manual_seed(1)
    one = plan_epoch(seed=3, epoch=7, n=1000)
    torch.manual_seed(2)
    again = plan_epoch(seed=3, epoch=7, n=1000)
    for name in ("order", "top", "left", "flip"):
        assert torch.equal(getattr(one, name), getattr(again, name))
    for seed, epoch in ((3, 8), (4, 7), (7, 3)):
        other = plan_epoch(seed, epoch, n=1000)
        assert not torch.equal(one.order, other.order)
        assert not torch.equal(one.top, other.top)


def test_the_order_is_a_permutation():
    order = plan_epoch(0, 0, 50_000).order
    assert torch.equal(order.sort().values, torch.arange(50_000))
    # No trace of the old order: the rank correlation with it is within 4 standard errors of 0.
    rank = np.corrcoef(order.numpy(), np.arange(50_000))[0, 1]
    assert abs(rank) < 4 / 50_000**0.5


def test_offsets_and_flips_have_torchvisions_distribution():
    n = 50_000
    plan = plan_epoch(seed=0, epoch=0, n=n)
    joint = np.zeros((9, 9, 2))
    np.add.at(joint, (plan.top.numpy(), plan.left.numpy(), plan.flip.long().numpy()), 1)
    # Uniform over all 162 crops: each marginal, and their independence.
    assert stats.chisquare(joint.flatten()).pvalue > 1e-3

    # The reference itself, run on an image whose pixels tell where they came from.
    torch.manual_seed(0)
    image = torch.arange(1, 32 * 32 + 1).view(1, 32, 32)
    reference = transforms.Compose(
        [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    )
    counts = np.zeros((9, 9, 2))
    for _ in range(4000):
        crop = reference(image)[0]
        centre = int(crop[16, 16])
        flipped = int(crop[16, 17]) < centre
        row, column = divmod(centre - 1, 32)
        shift = column - 15 if flipped else column - 16
        counts[row - 12, shift + 4, int(flipped)] += 1
    for axes in ((1, 2), (0, 2), (0, 1)):
        table = np.stack([counts.sum(axis=axes), joint.sum(axis=axes)])
        assert stats.chi2_contingency(table).pvalue > 1e-3


def test_successive_epochs_are_independent():
    one, two = plan_epoch(0, 0, 50_000), plan_epoch(0, 1, 50_000)
    table = np.zeros((9, 9))
    np.add.at(table, (one.top.numpy(), two.top.numpy()), 1)
    assert stats.chisquare(table.flatten()).pvalue > 1e-3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_the_gpu_sees_the_same_numbers(pixels):
    plan = plan_epoch(0, 0, len(pixels)).rows()
    crops = []
    for device in ("cpu", "cuda"):
        images, top, left, flip = plan.to(device)
        crops.append(crop_and_flip(pad(pixels.to(device)), images, top, left, flip.bool()))
    expected, found = crops
    assert torch.equal(found.cpu(), expected)
    torch.testing.assert_close(
        Normalise(MEAN, STD, "cuda")(found).cpu(), Normalise(MEAN, STD)(expected)
    )
