"""What a study would carry out and take, before it begins.

``python -m scripts.gpu.plan experiment=fig6_lr_robustness protocol=recipe ... [--out plan.json]``
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu import CAPTURED, moved_bytes
from benchmarks.training import multiplications
from experiments.config.schema import RunConfig
from experiments.files import write_atomic
from experiments.launch.describe import headline
from experiments.launch.grid import expand
from experiments.launch.plan import make_plan
from experiments.tasks.cifar10.config import AVAILABLE
from experiments.tasks.cifar10.model import ResNetCifar
from experiments.terminal.arguments import Parser
from experiments.terminal.console import exit_on_user_error, say
from experiments.terminal.progress import duration

TRAINING, TEST = AVAILABLE["real"]

PEAKS = {"fp32": 67e12, "tf32": 494e12, "bf16": 989e12}
"""Operations a second of an H200 SXM by NVIDIA's data sheet, without sparsity."""
BANDWIDTH = 4.8e12
"""Bytes a second, likewise."""


def describe(configs: Sequence[RunConfig], benchmark: Path | None) -> None:
    """Say what runs of ResNet-20 at full length take: measured if it was, else at the least."""
    config = configs[0]
    precision = config.training.precision
    epochs, batch = config.protocol.epochs or 0, config.protocol.batch_size
    updates = epochs * math.ceil(TRAINING / batch)
    operations = epochs * (3 * TRAINING + TEST) * 2 * multiplications(ResNetCifar())
    moved = epochs * TRAINING * moved_bytes(precision)
    say(f"one run   {updates:,} updates of {batch} images, {epochs} tests;")
    say(f"          counted: {operations:.3g} operations, {moved:.3g} bytes to and from memory")
    measured = read_benchmark(benchmark, precision)
    if measured is None:
        seconds = max(operations / PEAKS[precision], moved / BANDWIDTH)
        source = (
            f"at the least: not measured, but an H200 at the {PEAKS[precision]:.3g} operations/s "
            f"({precision})\n          and {BANDWIDTH:.2g} bytes/s of its data sheet"
        )
    else:
        jobs, rate = measured
        seconds = epochs * (TRAINING + TEST / 3) / rate
        source = f"about: measured, {rate:,.0f} images/s with {jobs} runs at once ({benchmark})"
    say(f"time      {duration(seconds * len(configs))} for {len(configs)} runs,")
    say(f"          {source}")


def read_benchmark(path: Path | None, precision: str) -> tuple[int, float] | None:
    """How many captured runs at once were fastest, and their images a second, if measured."""
    if path is None or not path.exists():
        return None
    record = json.loads(path.read_text())
    speeds = [speed for speed in record["speeds"] if speed["name"] == CAPTURED]
    if record["precision"] != precision or not speeds:
        return None
    best = max(speeds, key=lambda speed: speed["images_per_second"])
    return best["runs"], best["images_per_second"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Say it; with ``--out`` look for the data and into the store, too."""
    parser = Parser("python -m scripts.gpu.plan", description=__doc__.split("\n")[0])
    parser.add_argument("words", nargs="+", help="of the grid, as for experiments.sweep")
    parser.add_argument("--benchmark", type=Path, help="what benchmarks.gpu wrote")
    parser.add_argument("--out", type=Path, help="write how many runs there are and are left")
    chosen = parser.parse_args(arguments)
    if chosen.out is None:
        configs = expand(chosen.words)
        left = len(configs)
    else:
        plan = make_plan(chosen.words)
        configs, left = list(plan.configs), len(plan.left)
        say(f"{headline(plan)}; {plan.why}")
        write_atomic(chosen.out, json.dumps({"runs": len(configs), "left": left}) + "\n")
    if configs[0].protocol.name in ("paper", "recipe"):
        describe(configs, chosen.benchmark)
    say(f"runs      {len(configs)}, {left} left")


if __name__ == "__main__":
    with exit_on_user_error():
        main()
