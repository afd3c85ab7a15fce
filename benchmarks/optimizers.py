"""Time of one optimizer step: ours, torch.optim's, a straight loop, and the machine's limit.

``python benchmarks/optimizers.py [--device cpu] [--rounds 15] [--shapes resnet20,transformer]``

The contestants take turns, and medians over the rounds are compared. A fused step of the Adam
family reads p, g, m, v and writes p, m, v once: 28 bytes a float32 parameter. The limit is the
time in which the memory moves as many bytes: in a plain copy, or in a pass that changes them in
place, which on a CPU is faster (a copy first reads what it overwrites). With a CUDA device the
captured step (one CUDA graph, replayed) runs too.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

if __name__ == "__main__":  # As a file as well as with -m.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import describe_machine
from radam import RAdam

BYTES = 28
"""Traffic of a fused step, a float32 parameter."""

EARLY_UPDATES = 8
"""Made before the clock starts: RAdam is then past its momentum steps."""

Shapes = list[tuple[int, ...]]
Step = Callable[[], object]


def resnet(channels: tuple[int, ...], blocks: int, kernel: int, classes: int) -> Shapes:
    """Shapes of a residual network of basic blocks, projections and batch normalisation."""

    def convolution(n: int, out: int, size: int) -> Shapes:
        return [(out, n, size, size), (out,), (out,)]

    shapes, n = convolution(3, channels[0], kernel), channels[0]
    for width in channels:
        for _ in range(blocks):
            shapes += convolution(n, width, 3) + convolution(width, width, 3)
            if n != width:
                shapes += convolution(n, width, 1)
            n = width
    return [*shapes, (classes, n), (classes,)]


def transformer() -> Shapes:
    """Shapes of the encoder and decoder of fairseq's transformer_iwslt_de_en, no embeddings."""
    with torch.device("meta"):
        net = nn.Transformer(512, 4, 6, 6, 1024, batch_first=True)
        return [tuple(p.shape) for p in net.parameters()]


MODELS: Mapping[str, Callable[[], Shapes]] = {
    "resnet20": lambda: resnet((16, 32, 64), blocks=3, kernel=3, classes=10),
    "resnet18": lambda: resnet((64, 128, 256, 512), blocks=2, kernel=7, classes=1000),
    "transformer": transformer,
}


class StraightLoop:
    """RAdam as one writes it down: parameter by parameter, operation by operation."""

    def __init__(self, params: list[nn.Parameter], lr: float = 1e-3) -> None:
        self.params, self.lr, self.t = params, lr, 0
        self.m = [torch.zeros_like(p) for p in params]
        self.v = [torch.zeros_like(p) for p in params]

    @torch.no_grad()
    def step(self) -> None:
        """Make one update."""
        self.t += 1
        beta1, beta2 = 0.9, 0.999
        power = beta2**self.t
        limit = 2 / (1 - beta2) - 1
        rho = limit - 2 * self.t * power / (1 - power)
        for p, m, v in zip(self.params, self.m, self.v, strict=True):
            assert p.grad is not None
            m.mul_(beta1).add_(p.grad, alpha=1 - beta1)
            v.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
            rate = self.lr / (1 - beta1**self.t)
            if rho > 4:
                r = ((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)) ** 0.5
                p.addcdiv_(m, v.sqrt().add_(1e-8), value=-rate * r * (1 - power) ** 0.5)
            else:
                p.add_(m, alpha=-rate)


@dataclass(frozen=True)
class Replay:
    """One step held in a CUDA graph, with what the graph writes to: it keeps no tensor alive."""

    graph: torch.cuda.CUDAGraph
    optimizer: torch.optim.Optimizer

    def __call__(self) -> None:
        """Carry it out once more."""
        self.graph.replay()


def captured(optimizer: torch.optim.Optimizer) -> Replay:
    """Record one step."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            optimizer.step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    return Replay(graph, optimizer)


def contestants(shapes: Shapes, device: str) -> dict[str, Step]:
    """Return every step by its name, each over parameters and gradients of its own."""

    def params() -> list[nn.Parameter]:
        made = [nn.Parameter(torch.randn(shape, device=device)) for shape in shapes]
        for p in made:
            p.grad = torch.randn_like(p)
        return made

    steps: dict[str, Step] = {
        OURS: RAdam(params()).step,
        "torch RAdam": torch.optim.RAdam(params()).step,
        FOREACH: torch.optim.RAdam(params(), foreach=True).step,
        "torch Adam": torch.optim.Adam(params()).step,
        "torch Adam, foreach": torch.optim.Adam(params(), foreach=True).step,
        FUSED: torch.optim.Adam(params(), fused=True).step,
        "straight loop": StraightLoop(params()).step,
    }
    if device == "cuda":
        steps["radam.RAdam, captured"] = captured(RAdam(params(), capturable=True))
        adam = torch.optim.Adam(params(), fused=True, capturable=True)
        steps["torch Adam, fused, captured"] = captured(adam)
    parameters = sum(torch.Size(shape).numel() for shape in shapes)
    source = torch.randn(parameters * BYTES // 8, device=device)  # 4 bytes read, 4 written each.
    steps[COPY] = partial(torch.empty_like(source).copy_, source)
    steps[IN_PLACE] = partial(source.mul_, 1.0)
    return steps


OURS, FOREACH = "radam.RAdam", "torch RAdam, foreach"
FUSED, COPY, IN_PLACE = "torch Adam, fused", "copy of as many bytes", "the same in place"


def measure(steps: Mapping[str, Step], rounds: int, device: str) -> dict[str, float]:
    """Return the median time of each step over interleaved rounds, in seconds."""

    def seconds(step: Step, repeats: int) -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(repeats):
            step()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / repeats

    repeats = {}
    for name, step in steps.items():
        seconds(step, EARLY_UPDATES)
        repeats[name] = max(1, round(0.03 / seconds(step, 2)))
    taken: dict[str, list[float]] = {name: [] for name in steps}
    shuffle = random.Random(0)
    for _ in range(rounds):  # In an order of its own: who comes before leaves its mark on caches.
        for name in shuffle.sample(list(steps), len(steps)):
            taken[name].append(seconds(steps[name], repeats[name]))
    return {name: statistics.median(times) for name, times in taken.items()}


def report(model: str, shapes: Shapes, medians: Mapping[str, float], console: Console) -> None:
    """Print the table of one set of shapes and what the two required ratios are."""
    parameters = sum(torch.Size(shape).numel() for shape in shapes)
    title = f"{model}: {len(shapes)} tensors, {parameters:,} parameters"
    table = Table(title=title, title_justify="left")
    for column in ("step", "µs", "× ours", "GB/s", "of the limit"):
        table.add_column(column, justify="left" if column == "step" else "right")
    limit = min(medians[COPY], medians[IN_PLACE])
    for name, median in medians.items():
        table.add_row(
            name,
            f"{median * 1e6:,.0f}",
            f"{median / medians[OURS]:.2f}",
            f"{BYTES * parameters / median / 1e9:.1f}",
            f"{limit / median:.0%}",
        )
    console.print(table)
    foreach, fused = medians[FOREACH] / medians[OURS], medians[FUSED] / medians[OURS]
    console.print(f"{foreach:.1f} times torch.optim.RAdam(foreach=True); required: 5")
    console.print(f"{fused:.2f} times torch.optim.Adam(fused=True); required: 1\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    cuda = torch.cuda.is_available()
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if cuda else "cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--shapes", default=",".join(MODELS), help="of " + ", ".join(MODELS))
    arguments = parser.parse_args()
    console = Console()
    console.print(describe_machine(arguments.device))
    for model in arguments.shapes.split(","):
        shapes = MODELS[model]()
        medians = measure(contestants(shapes, arguments.device), arguments.rounds, arguments.device)
        report(model, shapes, medians, console)


if __name__ == "__main__":
    main()
