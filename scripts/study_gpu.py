"""The paper's CIFAR-10 study at full length on a GPU that may be lent by the half-hour.

``make study-gpu``, or ``python -m scripts.study_gpu [--minutes 10] [--only checks] ...``

One stage after the other, each a command with a limit of its own: what the machine is; checks and
tests that only a GPU can carry out; how many runs at once are fastest; the runs. Each outcome is
written before the next stage begins, and none ends the study. At the end all is packed into one
file, from which the same command goes on, on the same machine or another. It needs no network, and
of what it wants a folder of wheels may bring what is not installed.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.terminal.arguments import Parser, positive
from scripts.gpu.archive import pack, unpack
from scripts.gpu.parts import join
from scripts.gpu.stages import GRACE_SECONDS, Outcome, Outcomes, Stage, Stop, carry_out

EXPERIMENTS = "fig6_lr_robustness,fig7_warmup_lengths,table1_cifar10,table3_early_updates"
GROUPS = ("checks", "benchmark", "train")
PACKED = "1,4,12,28"
"""Runs at once that the benchmark tries."""
RUNS_A_CORE = 2
"""At once, where no benchmark says: a captured run needs its core once an update."""
PACKING_SECONDS = 15.0
"""Kept of the study's time for the archive."""
FIRST = ("optimizer=radam,adam", "optimizer.lr=0.1,0.01")
"""What says most, where runs go on one by one."""

GPU_TESTS = (
    "tests/radam/test_optimizers_ecosystem.py",
    "tests/radam/test_adam_family_state.py",
    "tests/experiments/tasks/shared/test_augment.py",
)
CAPTURE_TESTS = "tests/experiments/training/test_cuda_graphs_on_gpu.py"
PYTEST = ("pytest", "-q", "-ra", "-p", "no:cacheprovider", "-m", "gpu")


class Study:
    """A study under way.

    Args:
        chosen: the command line.
    """

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.out: Path = chosen.out.absolute()
        self.store: Path = chosen.runs.absolute()
        self.archive = (chosen.archive or chosen.out / "study.tar").absolute()
        self.groups = chosen.only.split(",") if chosen.only else list(GROUPS)
        self.outcomes, self.stop = Outcomes(self.out), Stop(60 * chosen.minutes)
        self.environment = environment(chosen, self.out)

    @property
    def grid(self) -> list[str]:
        """The words of the study's runs."""
        chosen = self.chosen
        return [
            *(f"experiment={chosen.experiments}", f"protocol={chosen.protocol}"),
            *(f"task.dataset={chosen.dataset}", f"training.precision={chosen.precision}"),
            *(f"seed={chosen.seeds}", f"runner.runs_dir={self.store}"),
            *(f"runner.device={chosen.device}", *chosen.words),
        ]

    def carry_out(self) -> int:
        """All of it; returns the exit code."""
        if self.archive.exists():
            print(f"{self.archive}: {unpack(self.archive, self.store, self.out)} runs taken over")
        try:
            self._all_stages()
        finally:
            pack(self.archive, self.store, self.out)
            print(f"packed: {self.archive}, {self.archive.stat().st_size / 2**20:.1f} MiB")
        last = self.outcomes.last()
        for outcome in last.values():
            print(f"  {outcome}")
        return 0 if all(outcome.state == "done" for outcome in last.values()) else 1

    def _all_stages(self) -> None:
        facts = self._facts()
        left = self._runs_left() if "train" in self.groups else 0
        if "checks" in self.groups:
            for stage in self._checks():
                self._stage(stage)
        if "benchmark" in self.groups:
            self._stage(self._benchmark())
        if left:
            self._train(facts, left)
        if left and facts["modules"]["polars"] and math.isinf(self.chosen.minutes):
            self._stage(self._report(), again=True)

    def _stage(self, stage: Stage, *, again: bool = False) -> Outcome:
        """Carry a stage out, unless it came to an end before; what became of it."""
        before = self.outcomes.last().get(stage.name)
        again = again or self.chosen.only is not None
        if before is not None and before.ended and not again:
            print(f"{before}: not again")
            return before
        if self.stop.asked or not self.stop.seconds_left:
            outcome = Outcome(stage.name, "skipped", stage.words, said="no time was left")
        else:
            outcome = carry_out(stage, self.out, self.environment, self.stop)
        self.outcomes.add(outcome)
        return outcome

    def _facts(self) -> dict[str, Any]:
        """What this machine is. Raises :class:`UserError` where nothing can go on."""
        path, device = self.out / "facts.json", self.chosen.device
        words = ("scripts.gpu.facts", f"--device={device}", f"--out={path}")
        outcome = self._stage(Stage("facts", words, 180), again=True)
        if outcome.state != "done":
            raise UserError(
                f"nothing can go on here: {outcome.said}; --wheels brings what is not installed"
            )
        facts: dict[str, Any] = json.loads(path.read_text())
        if device == "cuda" and not facts["cuda"]:
            raise UserError(
                "the study needs a CUDA GPU, and this machine has none; see what it would do with "
                "DRY_RUN=1, or run what a CPU can with make reproduce-cifar"
            )
        return facts

    def _checks(self) -> list[Stage]:
        device = f"--device={self.chosen.device}"
        checks = ("scripts.gpu.checks", device, f"--out={self.out / 'checks.json'}")
        steps = ("benchmarks.optimizers", device, "--shapes=resnet20", "--rounds=3")
        return [
            Stage("checks", checks, 240),
            Stage("tests of the parts", (*PYTEST, *GPU_TESTS), 240),
            Stage("tests of captured runs", (*PYTEST, CAPTURE_TESTS), 400),
            Stage("optimizer steps", steps, 120),
        ]

    def _benchmark(self) -> Stage:
        words = ("benchmarks.gpu", f"--device={self.chosen.device}", "--ways=captured")
        precision, out = self.chosen.precision, self._figures
        more = (f"--precision={precision}", f"--packed={PACKED}", "--updates=300", f"--out={out}")
        return Stage(f"benchmark in {precision}", (*words, *more), 300)

    @property
    def _figures(self) -> Path:
        return self.out / f"benchmark-{self.chosen.precision}.json"

    def _runs_left(self) -> int:
        """How many there are to carry out. Raises :class:`UserError` where they cannot be."""
        plan = self.out / "plan.json"
        words = ("scripts.gpu.plan", *self.grid, f"--benchmark={self._figures}", f"--out={plan}")
        outcome = self._stage(Stage("plan", words, 180), again=True)
        if outcome.state != "done":  # the data are missing, or the words are wrong
            raise UserError(outcome.said.removeprefix("error: "))
        return int(json.loads(plan.read_text())["left"])

    def _train(self, facts: dict[str, Any], left: int) -> None:
        """The runs, side by side if MPS works and they get on so; else in turn."""
        if facts["mps"] or self.chosen.jobs:
            jobs = even_waves(left, self.chosen.jobs or self._fastest(facts))
            if self._runs("runs", self.grid, jobs, self.store).state != "stalled":
                return
            print("runs side by side got nowhere; they go on one after the other, without MPS")
        first = [word for word in self.grid if not word.startswith("experiment=")]
        first += [f"experiment={self.chosen.experiments.partition(',')[0]}", *FIRST]
        self._runs("runs that say most", first, 1, None)
        self._runs("runs one by one", self.grid, 1, None)

    def _runs(self, name: str, grid: Sequence[str], jobs: int, watched: Path | None) -> Outcome:
        """Carry out runs of a grid; with MPS and watched, or neither."""
        words = [
            *("experiments.sweep", "run", *grid, f"launcher.jobs={jobs}"),
            *(f"launcher.mps={str(watched is not None).lower()}", "tracking=local"),
            *("estimate=false", "report=false", f"runner.capture={self._capture}"),
        ]
        seconds = self.stop.seconds_left - GRACE_SECONDS - PACKING_SECONDS
        return self._stage(
            Stage(name, tuple(words), seconds, watched, self.chosen.stall), again=True
        )

    @property
    def _capture(self) -> str:
        """``false`` where the tests say that captured runs are other runs."""
        tests = self.outcomes.last().get("tests of captured runs")
        failed = tests is not None and (tests.state, tests.exit_code) == ("failed", 1)
        return "false" if failed else "auto"

    def _report(self) -> Stage:
        chosen = self.chosen
        words = (f"--protocol={chosen.protocol}", f"--dataset={chosen.dataset}", "--task=cifar10")
        return Stage("report", ("experiments.report", *words, f"--runs={self.store}"), 600)

    def _fastest(self, facts: dict[str, Any]) -> int:
        """How many runs at once."""
        try:
            speeds = json.loads(self._figures.read_text())["speeds"]
        except (OSError, ValueError):
            return int(RUNS_A_CORE * facts["cores"])
        best = max(speeds, key=lambda speed: speed["images_per_second"])
        return int(best["runs"])


def even_waves(runs: int, most: int) -> int:
    """How many at once, at most ``most``, so that no wave of runs is much smaller than others."""
    return math.ceil(runs / math.ceil(runs / most)) if runs else 1


def environment(chosen: argparse.Namespace, out: Path) -> dict[str, str]:
    """What the stages run in: the data, and the wheels unpacked on the path."""
    found = dict(os.environ)
    if chosen.data is not None:
        found["RADAM_DATA"] = str(chosen.data.absolute())
    if chosen.wheels is not None:
        site = install(chosen.wheels, out / "site")
        paths = [str(site), *filter(None, [found.get("PYTHONPATH")])]
        found["PYTHONPATH"] = os.pathsep.join(paths)
    return found


def install(wheels: Path, site: Path) -> Path:
    """Unpack the wheels of a folder into another, without asking anybody; returns that."""
    files = sorted(wheels.glob("*.whl"))
    if not files:
        raise UserError(f"--wheels {wheels}: no .whl files there")
    for wheel in files:
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(site)
    return site


def describe(chosen: argparse.Namespace, study: Study) -> int:
    """Say what would be done and what it takes."""
    for stage in [*study._checks(), study._benchmark()]:
        print("python -m " + " ".join(stage.words))
    print("python -m experiments.sweep run " + " ".join(study.grid))
    words = ["scripts.gpu.plan", *study.grid, f"--benchmark={study._figures}"]
    return subprocess.run([sys.executable, "-m", *words], env=study.environment).returncode


def read_words(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line. Raises :class:`UserError`."""
    parser = Parser("python -m scripts.study_gpu", description=__doc__.split("\n")[0])
    parser.add_argument("words", nargs="*", help="key=value, for all runs")
    parser.add_argument("--minutes", type=float, default=math.inf, help="the limit of it all")
    parser.add_argument("--only", help=f"of {','.join(GROUPS)}; again, if done before")
    parser.add_argument("--experiments", default=EXPERIMENTS)
    parser.add_argument("--protocol", default="recipe")
    parser.add_argument("--dataset", default="real", choices=("real", "standin"))
    parser.add_argument("--precision", default="tf32", choices=("fp32", "tf32", "bf16"))
    parser.add_argument("--seeds", default="1,2,3,4,5", help="of every cell; the first first")
    parser.add_argument("--jobs", type=positive, help="runs at once; without: what was fastest")
    parser.add_argument("--stall", type=float, default=90, help="seconds without any record")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data", type=Path, help="with the data, or their parts (RADAM_DATA)")
    parser.add_argument("--wheels", type=Path, help="what is not installed, as wheels")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the store")
    parser.add_argument("--out", type=Path, default=Path("reports/gpu"), help="what comes of it")
    parser.add_argument("--archive", type=Path, help="to go on from and to write (OUT/study.tar)")
    parser.add_argument("--dry-run", action="store_true", help="say what it would do and take")
    chosen = parser.parse_intermixed_args(arguments)
    if not all(seed.isdecimal() for seed in chosen.seeds.split(",")):
        raise UserError(f"--seeds {chosen.seeds}: write numbers, as in 1,2,3")
    if chosen.only and not set(chosen.only.split(",")) <= set(GROUPS):
        raise UserError(f"--only {chosen.only}: write some of {','.join(GROUPS)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry the study out, or say what it would be; returns the exit code."""
    chosen = read_words(arguments)
    study = Study(chosen)
    if chosen.dry_run:
        return describe(chosen, study)
    for folder in filter(None, [chosen.data, chosen.archive and chosen.archive.parent]):
        for path in join(folder):
            print(f"joined: {path}")
    return study.carry_out()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
