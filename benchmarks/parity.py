"""The suite's accuracies beside those of a plain script: ``python -m benchmarks.parity``.

CIFAR-10's `mini` setting by the suite's command line, and by what stands below and shares nothing
with it: torchvision's data and transforms, a network, torch.optim, a loop. Prints both means with
Welch's 95 % interval of the difference: equivalent where that lies within MARGIN points.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import torch
from scipy import stats
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import CIFAR10

MARGIN = 1.0
DECAY = 1e-4
METHODS: dict[str, tuple[float, Callable[..., optim.Optimizer]]] = {
    "sgd": (0.1, partial(optim.SGD, momentum=0.9, weight_decay=DECAY)),
    "adam": (0.01, partial(optim.AdamW, weight_decay=DECAY)),
    "radam": (0.1, partial(optim.RAdam, weight_decay=DECAY, decoupled_weight_decay=True)),
}
"""α, and torch's own optimizer; its RAdam rectifies an update later than the paper's."""

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
TO_INPUT = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
AUGMENTED = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *TO_INPUT]


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """With batch normalisation."""
    made = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(made, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.a, self.b = conv(inputs, outputs, 3, stride), conv(outputs, outputs, 3)
        self.skip = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Half the sides where the stride is 2."""
        return F.relu(self.b(F.relu(self.a(x))) + self.skip(x))


def resnet8() -> nn.Sequential:
    """8-16-32 channels."""
    return nn.Sequential(
        *(conv(3, 8, 3), nn.ReLU(), Block(8, 8, 1), Block(8, 16, 2), Block(16, 32, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )


def plain(name: str, seed: int, data: Path) -> float:
    """Test accuracy in percent after 8 epochs of 32 updates on the first 4,096 images."""
    torch.manual_seed(seed)
    train = CIFAR10(str(data), train=True, transform=transforms.Compose(AUGMENTED))
    test = CIFAR10(str(data), train=False, transform=transforms.Compose(TO_INPUT))
    model = resnet8()
    optimizer = METHODS[name][1](model.parameters(), lr=METHODS[name][0])
    schedule = optim.lr_scheduler.MultiStepLR(optimizer, [4, 6], 0.1)
    for _ in range(8):
        for images, labels in DataLoader(Subset(train, range(4096)), batch_size=128, shuffle=True):
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(model(images), labels))
            optimizer.step()
        schedule.step()
    model.eval().requires_grad_(False)
    right = [(model(x).argmax(1) == y).float() for x, y in DataLoader(test, batch_size=100)]
    return 100 * torch.cat(right).mean().item()


def suite(name: str, seed: int, data: Path) -> float:
    """The same from the suite's command line."""
    with tempfile.TemporaryDirectory() as store:
        words = ["task=cifar10", "task.dataset=real", "protocol=mini", "tracking=local"]
        words += [f"optimizer={name}", f"optimizer.lr={METHODS[name][0]}", f"seed={seed}"]
        words += [f"runner.data_dir={data}", f"runner.runs_dir={store}", "runner.device=cpu"]
        subprocess.run([sys.executable, "-m", "experiments.train", *words], check=True)
        (result,) = Path(store).glob("cifar10/*/result.json")
        return float(json.loads(result.read_text())["final"])


def compare(name: str, ours: list[float], theirs: list[float]) -> str:
    """Both means and the interval of the difference, in a line."""
    found = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    within, apart = max(-found.low, found.high) < MARGIN, found.low > 0 or found.high < 0
    said = "equivalent" if within else "they differ" if apart else "open: give more seeds"
    a, b = (f"{fmean(values):.2f} (sd {stdev(values):.2f})" for values in (ours, theirs))
    interval = f"{fmean(ours) - fmean(theirs):+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
    return f"{name}: suite {a}, plain {b}, difference {interval}: {said}"


def main(names: Iterable[str], seeds: int, data: Path) -> None:
    """A line a method."""
    for name in names:
        pairs = [(suite(name, s, data), plain(name, s, data)) for s in range(1, seeds + 1)]
        print(compare(name, *(list(side) for side in zip(*pairs, strict=True))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data"), help="torchvision's layout")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--names", nargs="+", default=[*METHODS])
    main(**vars(parser.parse_args()))
