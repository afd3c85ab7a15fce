"""ImageNet is counted and checked before training; the order of reading is a function."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from experiments import ranks as processes
from experiments.errors import UserError
from experiments.ranks import Place
from experiments.tasks.imagenet import loader
from experiments.tasks.imagenet.data import (
    ARCHIVES,
    STANDIN,
    Size,
    Subset,
    load_imagenet,
    resolve_imagenet,
)
from experiments.tasks.imagenet.files import FolderPictures, class_folders, read_folder
from experiments.tasks.imagenet.hub import load as load_hub
from experiments.tasks.imagenet.loader import (
    CutPictures,
    Cutting,
    Loader,
    PixelBatch,
    TestOrder,
    TrainingOrder,
)
from experiments.tasks.imagenet.pixels import decode
from experiments.tasks.imagenet.sizes import STANDIN_TEST, STANDIN_TRAIN
from experiments.tasks.imagenet.standin import standin_folder
from tests.experiments.conftest import ROOT, environment

CPU = torch.device("cpu")
SMALL = Size(classes=3, train=12, test=6)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with an ImageNet of 3 classes, 4 training and 2 test pictures each."""
    rng = np.random.Generator(np.random.PCG64(0))
    for split, count in (("train", 4), ("val", 2)):
        for name in ("n01", "n02", "n03"):
            folder = tmp_path / "data" / "imagenet" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (50, 60, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.JPEG", quality=90)
    return tmp_path / "data"


def load(data: Path, **options: Any) -> Any:
    return load_imagenet(data, **{"dataset": "real", "expected": SMALL, **options})


def truncate(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-500])
    return path


def test_a_folder_is_read_as_torchvision_numbers_it(data: Path) -> None:
    from torchvision.datasets import ImageFolder

    found = load(data)
    reference = ImageFolder(str(data / "imagenet" / "train"))
    names = [found.train.name(index) for index in range(len(found.train.labels))]
    assert list(zip(names, found.train.labels.tolist(), strict=True)) == reference.samples
    assert (found.classes, found.skipped) == (3, 0)
    assert "RADAM_DATA/imagenet:" in found.origin
    assert "12 to train on, 6 to test on, 3 classes" in found.origin


def test_a_part_is_the_first_of_each_class(data: Path) -> None:
    found = load(data, part=Subset(classes=2, train_per_class=3, test_per_class=1))
    assert found.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.test.labels.tolist() == [0, 1]
    assert found.train.name(0).endswith("train/n01/0.JPEG")


def test_nothing_there_is_the_standin_unless_real_was_asked_for(tmp_path: Path) -> None:
    found = resolve_imagenet("auto", "folder", tmp_path)
    assert found.dataset == "standin"
    assert str(tmp_path) in found.reason
    with pytest.raises(UserError, match="RADAM_DATA"):
        resolve_imagenet("real", "folder", tmp_path)


def test_published_counts_are_asked_for(data: Path) -> None:
    assert resolve_imagenet("auto", "folder", data).dataset == "real"
    with pytest.raises(UserError, match="3 class folders and val/ 3, expected 1,000"):
        load(data, expected=None)


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("train/n02/3.JPEG", r"train: 11 pictures of 3 classes, expected 12; class number 1"),
        ("val/n03/0.JPEG", r"val: 5 pictures of 3 classes, expected 6; class number 2"),
        ("val/n02", r"3 class folders and val/ 2, expected 3 in both; n02 is in one"),
    ],
)
def test_what_is_missing_is_named(remove: str, message: str, data: Path) -> None:
    path = data / "imagenet" / remove
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=message):
        load(data)


def test_a_class_with_too_few_for_the_part_is_refused(data: Path) -> None:
    (data / "imagenet/train/n01/0.JPEG").unlink()
    with pytest.raises(UserError, match="7 pictures of 2 classes, expected 8; class number 0"):
        load(data, part=Subset(classes=2, train_per_class=4))


def test_a_truncated_picture_is_named_or_left_out(data: Path) -> None:
    path = truncate(data / "imagenet/train/n02/1.JPEG")
    with pytest.raises(UserError, match=r"n02/1.JPEG: damaged.*task.damaged=skip"):
        load(data)
    found = load(data, damaged="skip")
    assert found.skipped == 1
    assert "1 damaged left out" in found.origin
    assert f"RADAM_DATA/{path.relative_to(data)}" in found.origin
    names = [found.train.name(index) for index in range(len(found.train.labels))]
    assert str(path) not in names
    assert len(names) == 11
    assert found.train.labels.tolist() == [0] * 4 + [1] * 3 + [2] * 4


def test_damage_inside_a_picture_is_found_by_skip_and_named_by_training(data: Path) -> None:
    path = data / "imagenet/val/n01/0.JPEG"
    content = bytearray(path.read_bytes())
    content[2:40] = bytes(38)  # the markers are gone; both ends look well
    path.write_bytes(content)
    assert load(data, damaged="skip").skipped == 1
    found = load(data)
    loader = Loader(CutPictures(found.test, Cutting(1, 32, 36)), TestOrder(6, 4), 1, CPU)
    with pytest.raises(UserError, match=r"^\S+n01/0.JPEG: damaged \(.*skip$"):
        list(loader)


def zeros_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) * 2 // 3
    content[middle : middle + 300] = bytes(300)
    path.write_bytes(content)


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.JPEG")


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "no picture": lambda path: path.write_bytes(b"<html>not found</html>"),
    "cut short": truncate,
    "zeros in the middle": zeros_in_the_middle,
    "a link to nothing": dangle,
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damage_is_left_out_and_counted_by_skip(
    damage: str, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = data / "imagenet/train/n01/0.JPEG"
    assert load(data, damaged="skip").skipped == 0
    DAMAGE[damage](path)
    found = load(data, damaged="skip")
    assert found.skipped == 1
    assert "n01/0.JPEG" in found.origin
    for index in range(len(found.train.labels)):  # and no other complains when it is trained on
        decode(found.train.read(index))
    assert "JPEG" not in capfd.readouterr().err


def test_the_check_is_remembered_until_a_picture_changes(data: Path) -> None:
    load(data)
    kept = list((data.parent / "cache" / "radam").iterdir())
    assert len(kept) == 2
    load(data)
    assert list((data.parent / "cache" / "radam").iterdir()) == kept
    truncate(data / "imagenet/train/n01/0.JPEG")
    with pytest.raises(UserError, match="damaged"):
        load(data)


def test_broken_archives_are_an_error_and_not_the_standin(tmp_path: Path) -> None:
    for name in ARCHIVES:
        (tmp_path / name).write_bytes(b"not an archive")
    assert resolve_imagenet("auto", "folder", tmp_path).dataset == "real"
    with pytest.raises(UserError, match="archives could not be unpacked"):
        load_imagenet(tmp_path, dataset="real")


def test_the_standin_is_whole_and_in_the_same_layout(tmp_path: Path) -> None:
    found = load_imagenet(tmp_path, dataset="standin")
    assert len(found.train.labels) == STANDIN.train == 1_433
    assert len(found.test.labels) == STANDIN.test == 364
    assert tuple(torch.bincount(found.train.labels).tolist()) == STANDIN_TRAIN
    assert tuple(torch.bincount(found.test.labels).tolist()) == STANDIN_TEST
    assert found.origin.startswith("STAND-IN")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.JPEG")}
    standin_folder(tmp_path)
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.JPEG")}
    assert not list(tmp_path.glob(".imagenet-standin-*"))


def test_hugging_faces_table_has_the_same_pictures(data: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    for split, ours in (("train", "train"), ("validation", "val")):
        root = data / "imagenet" / ours
        pictures = read_folder(root, class_folders(root), None)
        rows = {
            "image": [
                {"bytes": bytes(pictures.read(i).numpy()), "path": f"{i}.JPEG"}
                for i in range(len(pictures.labels))
            ],
            "label": pictures.labels.tolist(),
        }
        table = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    train, test = load_hub(2, 3, None, name=str(tmp_path / "hub"))
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels.tolist() == [0, 0, 1, 1]
    reference = load(data, part=Subset(2, 3, None)).train
    for index in range(6):
        assert torch.equal(train.read(index), reference.read(index))


def test_hugging_face_out_of_reach_says_what_to_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(UserError, match=r"accept its terms at .*imagenet-1k.*HF_TOKEN"):
        load_hub(None, None, None, name="/no/such/folder")


# The order of reading.


@dataclass(frozen=True, eq=False)
class Watched(FolderPictures):
    """Pictures that remember which of them were read."""

    seen: list[int] = field(default_factory=list)

    def read(self, index: int) -> Tensor:
        self.seen.append(index)
        return super().read(index)


@pytest.fixture
def watched(data: Path) -> Watched:
    root = data / "imagenet" / "train"
    plain = read_folder(root, class_folders(root), None)
    return Watched(plain.root, plain.paths, plain.labels)


def batches(
    pictures: FolderPictures, epoch: int, skip: int = 0, workers: int = 0, seed: int = 1
) -> list[PixelBatch]:
    order = TrainingOrder(seed, len(pictures.labels), 5)
    order.epoch, order.skip = epoch, skip
    return list(Loader(CutPictures(pictures, Cutting(seed, 32, 36)), order, workers, CPU))


def same(a: list[PixelBatch], b: list[PixelBatch]) -> bool:
    pairs = zip(a, b, strict=True)
    return all(torch.equal(x, y) for one, other in pairs for x, y in zip(one, other, strict=True))


def test_an_epoch_reads_every_picture_once_in_an_order_of_its_own(watched: Watched) -> None:
    first = batches(watched, epoch=0)
    order = watched.seen[:]
    assert sorted(order) == list(range(12))
    assert [len(batch.labels) for batch in first] == [5, 5, 2]
    assert torch.cat([batch.labels for batch in first]).tolist() == watched.labels[order].tolist()
    watched.seen.clear()
    assert same(first, batches(watched, epoch=0))
    assert watched.seen == order
    watched.seen.clear()
    batches(watched, epoch=1)
    assert watched.seen != order
    watched.seen.clear()
    batches(watched, epoch=0, seed=2)
    assert watched.seen != order


@pytest.mark.parametrize("skip", [1, 2, 3])
def test_going_on_in_mid_epoch_reads_nothing_that_was_seen(watched: Watched, skip: int) -> None:
    whole = batches(watched, epoch=3)
    order = watched.seen[:]
    watched.seen.clear()
    assert same(batches(watched, epoch=3, skip=skip), whole[skip:])
    assert watched.seen == order[5 * skip :]


def test_workers_read_the_same(watched: Watched) -> None:
    assert same(batches(watched, epoch=2, workers=2), batches(watched, epoch=2))


def test_pixels_are_bytes_and_channels_last(watched: Watched) -> None:
    batch = batches(watched, epoch=0)[0]
    assert batch.pixels.dtype == torch.uint8
    assert batch.pixels.shape == (5, 3, 32, 32)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)


def test_processes_together_read_what_one_reads(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = batches(watched, epoch=4)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(processes, "_place", Place(rank, 2))
        parts.append(batches(watched, epoch=4))
    for one, *shares in zip(whole, *parts, strict=True):
        joined = [torch.cat(columns) for columns in zip(*shares, strict=True)]
        assert all(torch.equal(a, b) for a, b in zip(one, joined, strict=True))


def test_a_worker_that_does_not_answer_is_given_up(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "SILENCE_SECONDS", 3.0)
    root = data / "imagenet" / "train"
    pictures = read_folder(root, class_folders(root), None)
    cut = CutPictures(pictures, Cutting(1, 32, 36))
    others = multiprocessing.active_children()
    reading = iter(Loader(cut, TrainingOrder(1, 12, 1), 1, CPU))
    next(reading)
    (worker,) = set(multiprocessing.active_children()) - set(others)
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(RuntimeError, match="handed over nothing"):
        list(reading)


def test_workers_end_with_a_process_that_stops_in_mid_epoch(data: Path) -> None:
    script = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from tests.experiments.tasks.imagenet.test_data import *\n"
        "pictures = read_folder(Path(sys.argv[1]), ['n01', 'n02', 'n03'], None)\n"
        "cut = CutPictures(pictures, Cutting(1, 32, 36))\n"
        "reading = iter(Loader(cut, TrainingOrder(1, 12, 2), 2, CPU))\n"
        "print(len(next(reading).labels), flush=True)\n"
        "sys.exit(3)\n"  # `reading` is alive still
    )
    command = [sys.executable, "-c", script, str(data / "imagenet" / "train")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (3, "2\n"), done.stderr
