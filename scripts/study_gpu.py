"""The paper's CIFAR-10 study on this machine's GPU, from checks to scorecard: ``make study-gpu``.

``python -m scripts.study_gpu [--seeds 1,2,3,4,5] [--precision tf32] [--dry-run]``

One after the other: is captured what is launched; the benchmark, which also says how many runs at
once are fastest; all experiments with one seed; all with the others; the report. Each is a command
that can be given by itself. What is finished is not run again: after an interruption the same
command goes on.
"""

import json
import math
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu import CAPTURED, least_bytes
from benchmarks.training import multiplications
from experiments.config.schema import RunConfig
from experiments.errors import UserError
from experiments.launch.grid import expand
from experiments.launch.submission import run_key
from experiments.tasks.cifar10.config import AVAILABLE
from experiments.tasks.cifar10.data import resolve_dataset
from experiments.tasks.cifar10.model import ResNetCifar
from experiments.terminal.arguments import Parser
from experiments.terminal.console import exit_on_user_error, say
from experiments.terminal.progress import duration

EXPERIMENTS = (
    "fig6_lr_robustness",
    "fig7_warmup_lengths",
    "table1_cifar10",
    "table3_early_updates",
)
TRAINING, TEST = AVAILABLE["real"]
BENCHMARK = Path("reports/gpu.json")

PEAKS = {"fp32": 67e12, "tf32": 494e12, "bf16": 989e12}
"""Operations a second of an H200 SXM by NVIDIA's data sheet, without sparsity."""
BANDWIDTH = 4.8e12
"""Bytes a second, likewise."""


def sweep_words(experiment: str, precision: str, seeds: Sequence[int]) -> list[str]:
    """What ``experiments.sweep run`` is asked for."""
    return [
        *(f"experiment={experiment}", "protocol=recipe", "task.dataset=real"),
        *(f"training.precision={precision}", f"seed={','.join(map(str, seeds))}"),
    ]


def python(*words: str) -> list[str]:
    """A command of this project."""
    return [sys.executable, "-m", *words]


def checks(precision: str) -> list[list[str]]:
    """The commands before any run."""
    tests = "tests/experiments/training/test_cuda_graphs_on_gpu.py"
    benchmark = ["benchmarks.gpu", f"--precision={precision}", f"--out={BENCHMARK}"]
    return [python("pytest", "-q", tests), python(*benchmark)]


def sweeps(precision: str, seeds: Sequence[int], jobs: int | None) -> list[list[str]]:
    """The commands that train: one seed of everything, then the rest."""
    more = [] if jobs is None else [f"launcher.jobs={jobs}"]
    turns = [seeds[:1], seeds] if len(seeds) > 1 else [seeds]
    return [
        python("experiments.sweep", "run", *sweep_words(experiment, precision, turn), *more)
        for turn in turns
        for experiment in EXPERIMENTS
    ]


def report() -> list[str]:
    """The command that says what came of it."""
    chosen = ["--task=cifar10", "--protocol=recipe", "--dataset=real"]
    return python("experiments.report", *chosen)


def runs_of(precision: str, seeds: Sequence[int]) -> dict[str, RunConfig]:
    """The runs of all experiments, those that they share once."""
    grids = (expand(sweep_words(name, precision, seeds)) for name in EXPERIMENTS)
    return {run_key(config): config for grid in grids for config in grid}


def describe(precision: str, seeds: Sequence[int]) -> None:
    """Say what would be done and what it takes."""
    for command in [*checks(precision), *sweeps(precision, seeds, None), report()]:
        say(shlex.join(["python", *command[1:]]))
    first, everything = len(runs_of(precision, seeds[:1])), runs_of(precision, seeds)
    config = next(iter(everything.values()))
    epochs, batch = config.protocol.epochs or 0, config.protocol.batch_size
    updates = epochs * math.ceil(TRAINING / batch)
    operations = epochs * (3 * TRAINING + TEST) * 2 * multiplications(ResNetCifar())
    moved = epochs * TRAINING * least_bytes(precision)
    say(f"\nruns      {first} with one seed, {len(everything)} with {len(seeds)}")
    say(f"one run   {updates:,} updates of {batch} images, {epochs} tests; counted:")
    say(f"          {operations:.3g} operations, {moved:.3g} bytes to and from memory at the least")
    measured = read_benchmark(precision)
    if measured is None:
        seconds = max(operations / PEAKS[precision], moved / BANDWIDTH)
        source = (
            f"at the least: not measured, but an H200 at the {PEAKS[precision]:.3g} operations/s "
            f"({precision})\n          and {BANDWIDTH:.2g} bytes/s of its data sheet"
        )
    else:
        jobs, rate = measured
        seconds = epochs * (TRAINING + TEST / 3) / rate
        source = f"about: measured, {rate:,.0f} images/s with {jobs} runs at once ({BENCHMARK})"
    total = seconds * len(everything)
    say(f"time      {duration(seconds * first)} with one seed, {duration(total)} in all,")
    say(f"          {source}")


def read_benchmark(precision: str) -> tuple[int, float] | None:
    """How many captured runs at once were fastest, and their images a second, if measured."""
    if not BENCHMARK.exists():
        return None
    record = json.loads(BENCHMARK.read_text())
    speeds = [speed for speed in record["speeds"] if speed["name"] == CAPTURED]
    if record["precision"] != precision or not speeds:
        return None
    best = max(speeds, key=lambda speed: speed["images_per_second"])
    return best["runs"], best["images_per_second"]


def carry_out(command: Sequence[str], tolerated: int = 0) -> int:
    """Run a command and return its exit code; one above ``tolerated`` ends the study."""
    say("$ " + shlex.join(["python", *command[1:]]))
    code = subprocess.run(command).returncode
    if not 0 <= code <= tolerated:
        sys.exit(code)
    return code


def main(arguments: Sequence[str] | None = None) -> None:
    """Check, measure, train, report; or say what that would be."""
    parser = Parser("python -m scripts.study_gpu", description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", default="1,2,3,4,5", help="of every cell; the first, then all")
    parser.add_argument("--precision", default="tf32", choices=tuple(PEAKS))
    parser.add_argument("--dry-run", action="store_true", help="say what it would do and take")
    chosen = parser.parse_args(arguments)
    try:
        precision, seeds = chosen.precision, [int(seed) for seed in chosen.seeds.split(",")]
    except ValueError:
        raise UserError(f"--seeds {chosen.seeds}: write numbers, as in 1,2,3") from None
    if chosen.dry_run:
        describe(precision, seeds)
        return
    if not torch.cuda.is_available():
        raise UserError(
            "the study needs a CUDA GPU, and this machine has none; see what it would do with "
            "DRY_RUN=1, or run what a CPU can with make reproduce-cifar"
        )
    data = expand(sweep_words(EXPERIMENTS[0], precision, seeds[:1]))[0].runner.data_dir
    say(resolve_dataset("real", data).reason)
    for command in checks(precision):
        carry_out(command)
    best = read_benchmark(precision)
    commands = sweeps(precision, seeds, None if best is None else best[0])
    codes = [carry_out(command, tolerated=1) for command in commands]  # 1: some runs failed
    carry_out(report())
    sys.exit(max(codes))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
