"""Pictures a second of the ImageNet input pipeline alone, beside PyTorch's ImageNet example's.

``python -m benchmarks.imagenet_pipeline``: both read the same JPEGs from the same folder with as
many worker processes, in turns. The example's pipeline is ``ImageFolder`` with
``RandomResizedCrop(224)``, ``RandomHorizontalFlip``, ``ToTensor`` and ``Normalize`` in a
``DataLoader`` with batches of 256; ours is what a run uses: bytes, which the device normalises,
and a second time with that done here on the CPU. Also measured is decoding alone, the limit of
both. Beside pictures a second stands the CPU time of all processes, which other work on the
machine disturbs less.

The JPEGs are cut from the two photographs that come with scikit-learn: real content, of ImageNet's
sizes (500×375 or 375×500 for most) and bytes (about 110 kB on average). They lie in the page cache.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.machine import describe_machine
from experiments.tasks.imagenet.data import MEAN, STD
from experiments.tasks.imagenet.files import FolderPictures, class_folders, read_folder
from experiments.tasks.imagenet.loader import (
    CutPictures,
    Cutting,
    Loader,
    PixelBatch,
    TrainingOrder,
)
from experiments.tasks.imagenet.pixels import decode
from experiments.tasks.shared.augment import Normalise

BATCH = 256
CPU = torch.device("cpu")


def write_pictures(folder: Path, count: int) -> None:
    """``count`` JPEGs in ImageFolder layout, in four classes."""
    photos = [Image.fromarray(image) for image in load_sample_images().images]
    rng = random.Random(0)
    for number in range(count):
        photo = photos[number % 2]
        width, height = rng.choice([(500, 375)] * 6 + [(375, 500)] * 2 + [(500, 333), (400, 300)])
        part = rng.uniform(0.6, 1) * min(photo.width / width, photo.height / height)
        left = rng.uniform(0, photo.width - part * width)
        top = rng.uniform(0, photo.height - part * height)
        box = (left, top, left + part * width, top + part * height)
        picture = photo.resize((width, height), Image.Resampling.LANCZOS, box=box)
        path = folder / f"class{number % 4}" / f"{number}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=98)


def example(folder: Path, workers: int) -> Iterable[object]:
    """The training loader of PyTorch's ImageNet example."""
    steps = [
        transforms.RandomResizedCrop(224),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    images = ImageFolder(str(folder), transforms.Compose(steps))
    return DataLoader(images, BATCH, shuffle=True, num_workers=workers, persistent_workers=True)


def ours(pictures: FolderPictures, workers: int) -> Iterable[PixelBatch]:
    """The training loader of a run: bytes, as they go to the device."""
    order = TrainingOrder(1, len(pictures.labels), BATCH)
    return Loader(CutPictures(pictures, Cutting(1, 224, 256)), order, workers, CPU)


class Normalised:
    """The same with the normalisation, which is the device's work, done here."""

    def __init__(self, loader: Iterable[PixelBatch]) -> None:
        self.loader, self.normalise = loader, Normalise(MEAN, STD)

    def __iter__(self) -> Iterator[Tensor]:
        return (self.normalise(batch.pixels) for batch in self.loader)


class Decoding:
    """Nothing but decoding, on as many threads: what no pipeline that decodes can beat."""

    def __init__(self, pictures: FolderPictures, workers: int) -> None:
        self.pictures, self.workers = pictures, workers

    def __iter__(self) -> Iterator[None]:
        with ThreadPoolExecutor(self.workers) as pool:
            yield from pool.map(self._decode, range(len(self.pictures.labels)))

    def _decode(self, index: int) -> None:
        decode(self.pictures.read(index))


def epoch_of(loader: Iterable[object], pictures: int) -> tuple[float, float]:
    """Pictures a second of one epoch, workers being up, and CPU milliseconds a picture."""
    before, started = cpu_seconds(), time.perf_counter()
    for _ in loader:
        pass
    seconds, busy = time.perf_counter() - started, cpu_seconds() - before
    return pictures / seconds, 1000 * busy / pictures


def cpu_seconds() -> float:
    """What this process and its workers have used."""
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder, chosen.pictures)
        sizes = [path.stat().st_size for path in folder.rglob("*.JPEG")]
        pictures = read_folder(folder, class_folders(folder), None)
        print(describe_machine("cpu"))
        print(
            f"{len(sizes):,} JPEGs, {statistics.mean(sizes) / 1000:.0f} kB on average, "
            f"{chosen.workers} workers, batches of {BATCH}, median of {chosen.rounds} rounds"
        )
        plain = ours(pictures, chosen.workers)
        loaders: dict[str, Iterable[object]] = {
            "example": example(folder, chosen.workers),
            "ours, as bytes": plain,
            "ours, normalised": Normalised(plain),
            "decoding alone": Decoding(pictures, chosen.workers),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in loaders}
        for number in range(chosen.rounds + 1):
            for name, loader in loaders.items():
                measured = epoch_of(loader, len(sizes))
                if number > 0:  # the first starts the workers and fills the page cache
                    found[name].append(measured)
    middle = {}
    for name, epochs in found.items():
        rate, busy = (statistics.median(column) for column in zip(*epochs, strict=True))
        middle[name] = (rate, busy)
        ratio, less = rate / middle["example"][0], middle["example"][1] / busy
        print(
            f"{name:17} {rate:7,.0f} pictures/s ({ratio:.2f} × the example's), "
            f"{busy:.2f} ms of CPU a picture (the example's is {less:.2f} × that)"
        )
    part = middle["decoding alone"][1] / middle["ours, as bytes"][1]
    print(f"The limit is decoding: {part:.0%} of the CPU time of ours, as bytes")


if __name__ == "__main__":
    main()
