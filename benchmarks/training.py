"""Images a second of this project's loop beside a plain one, on this machine, in one run.

``python -m benchmarks.training [--device cpu] [--rounds 5]``

The plain loop is what one would write from PyTorch's examples: torchvision transforms on PIL
images in a DataLoader with workers, the model in eager mode, an optimizer of torch.optim, the
loss read after every update. Same network, same images, same batch. The two take turns, and the
medians are compared. Beside them stands the arithmetic that was done as a fraction of what this
machine's matrix product reaches: the limit for a network of convolutions.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from PIL import Image
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from benchmarks.machine import describe_machine, matmul_rate
from experiments.config.compose import compose
from experiments.config.validate import resolve
from experiments.tasks.cifar10 import task as cifar10
from experiments.tasks.cifar10.config import Cifar10Config
from experiments.tasks.cifar10.data import MEAN, STD
from experiments.tasks.cifar10.model import ResNetCifar
from experiments.tasks.shared.images import ImageDataset, LabelledImages
from experiments.terminal.console import console
from experiments.training.run import build_step
from experiments.training.step import Step

IMAGES = 20_480


def random_images() -> LabelledImages:
    """Images of noise: what they show does not matter to the clock."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return LabelledImages(pixels, torch.randint(0, 10, (IMAGES,), generator=generator))


class PilImages(Dataset[tuple[torch.Tensor, int]]):
    """The images as torchvision's CIFAR10 gives them."""

    def __init__(self, images: LabelledImages) -> None:
        self.arrays, self.labels = images.pixels.permute(0, 2, 3, 1).numpy(), images.labels.tolist()
        self.transform = v2.Compose([
            v2.RandomCrop(32, padding=4),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.labels[index]


def plain_updates(
    images: LabelledImages, depth: int, widths: tuple[int, int, int], batch: int, device: str
) -> Iterator[None]:
    """The plain loop, an update at a time."""
    model = ResNetCifar(depth, widths).to(device)
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.01, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss()
    loader = DataLoader(
        PilImages(images), batch, shuffle=True, num_workers=2, persistent_workers=True,
        pin_memory=device == "cuda",
    )  # fmt: skip
    model.train()
    while True:
        for inputs, labels in loader:
            loss = criterion(model(inputs.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            yield


def update_of(
    images: LabelledImages, protocol: str, device: str, *more: str
) -> tuple[Step, Iterator[Any]]:
    """This project's step, and batches without end for it: its task, its optimizer."""
    words = [f"protocol={protocol}", "task.dataset=real", "optimizer=radam", "optimizer.lr=0.01"]
    config = resolve(compose([*words, "task.train_examples=null", *more]))
    data = ImageDataset("real", images, images, 10, MEAN, STD, "noise")
    # The benchmark brings its own images.
    cifar10.load_cifar10 = lambda *_, **__: data  # type: ignore[attr-defined]  # replaced, not read
    task, step = build_step(config, torch.device(device))
    epochs = (task.batches(epoch) for epoch in itertools.count())
    return step, itertools.chain.from_iterable(epochs)


def our_updates(images: LabelledImages, protocol: str, device: str) -> Iterator[None]:
    """This project's loop, an update at a time."""
    step, batches = update_of(images, protocol, device)
    for batch in batches:
        loss, _ = step([batch], 0.01)
        if device == "cpu":
            loss.item()
        yield


def rate(updates: Iterator[Any], count: int, batch: int, wait: Callable[[], None]) -> float:
    """Images a second over ``count`` updates."""
    wait()
    started = time.perf_counter()
    for _ in islice(updates, count):
        pass
    wait()
    return count * batch / (time.perf_counter() - started)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each loop")
    chosen = parser.parse_args()
    wait = torch.cuda.synchronize if chosen.device == "cuda" else lambda: None
    limit = matmul_rate(chosen.device)
    images = random_images()
    table = Table(
        "network", "plain loop", "this loop", "ratio", "of the matmul rate",
        title="images/s, medians of interleaved turns", caption=describe_machine(chosen.device),
    )  # fmt: skip
    for protocol, count in (("mini", 40), ("recipe", 8)):
        config = resolve(compose([f"protocol={protocol}", "task.dataset=real"]))
        assert isinstance(config.task, Cifar10Config)
        depth, widths, batch = config.task.depth, config.task.widths, config.protocol.batch_size
        count = count * 10 if chosen.device == "cuda" else count
        plain = plain_updates(images, depth, widths, batch, chosen.device)
        ours = our_updates(images, protocol, chosen.device)
        rate(plain, count, batch, wait), rate(ours, count, batch, wait)  # warm up
        turns = [
            (rate(plain, count, batch, wait), rate(ours, count, batch, wait))
            for _ in range(chosen.rounds)
        ]
        slow, fast = (statistics.median(column) for column in zip(*turns, strict=True))
        ratio = statistics.median(b / a for a, b in turns)
        operations = 3 * 2 * multiplications(ResNetCifar(depth, widths))
        table.add_row(
            f"ResNet-{depth} ({'-'.join(map(str, widths))}), batch {batch}",
            f"{slow:,.0f}", f"{fast:,.0f}", f"{ratio:.2f}×", f"{fast * operations / limit:.0%}",
        )  # fmt: skip
    console.print(table)


def multiplications(model: nn.Module) -> int:
    """Multiply-adds of one image's forward pass through convolutions and linear layers."""
    total = 0

    def count(module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module.weight, torch.Tensor)
        total += module.weight[0].numel() * output[0].numel()

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    model(torch.zeros(1, 3, 32, 32))
    return total


if __name__ == "__main__":
    main()
