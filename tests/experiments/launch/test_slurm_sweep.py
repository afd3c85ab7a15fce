"""A sweep on a real SLURM through everything that happens to jobs on a cluster."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiments.launch.conftest import (
    SMOKE,
    Checkout,
    NotUnderWay,
    Slurm,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

NOTICE, LIMIT = 60, 180

TOO_LATE = (NotUnderWay, ProcessLookupError, subprocess.CalledProcessError)
"""What shows that a run has just ended, or was interrupted, when something was to happen to it."""


def words(store: Path, *more: str) -> list[str]:
    return ["experiment=trial", *SMOKE, f"runner.runs_dir={store}", *more]


def results(store: Path) -> dict[str, dict[str, object]]:
    """What became of each run, by its id."""
    return {p.parent.name: json.loads(p.read_text()) for p in store.glob("*/*/result.json")}


def listed(store: Path) -> dict[str, str]:
    """A store's only sweep: its runs and what they are in words."""
    (sweep,) = store.glob("sweeps/*/sweep.json")
    runs: dict[str, str] = json.loads(sweep.read_text())["runs"]
    return runs


def records(run: Path) -> list[dict[str, object]]:
    """A run's records without the clock's."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def under_way(run: Path) -> bool:
    """It trains, and would go on from a checkpoint."""
    return any(run.glob("checkpoint-*.pt"))


class Accidents:
    """Each waits for its run to be under way, then happens to it once."""

    def __init__(self, slurm: Slurm, runs: list[Path]) -> None:
        self.slurm = slurm
        happen: list[Callable[[Path], None]] = [
            self.killed,
            self.preempted,
            self.requeued,
            self.node_down,
            self.outlasts_its_limit,
        ]
        self.waiting = dict(zip(runs, happen, strict=True))
        self.held: list[Path] = []

    def look(self) -> None:
        for run, happens in list(self.waiting.items()):
            # On a slow machine it may just be queued again, for its time was up: then later.
            with contextlib.suppress(*TOO_LATE):
                if under_way(run):
                    happens(run)
                    del self.waiting[run]
        for run in list(self.held):
            try:
                if self.slurm.seconds_of(run) > LIMIT - NOTICE + 3:
                    os.kill(self.slurm.process_of(run), signal.SIGCONT)
                    self.held.remove(run)
            except TOO_LATE:  # SLURM's notice woke it, and it has saved
                self.held.remove(run)

    def killed(self, run: Path) -> None:
        os.kill(self.slurm.process_of(run), signal.SIGKILL)

    def preempted(self, run: Path) -> None:
        node = self.slurm.node_of(run)
        quiet = ["--output=/dev/null", "--wrap=true"]
        self.slurm("sbatch", "--partition=main", f"--nodelist={node}", *quiet)

    def requeued(self, run: Path) -> None:
        self.slurm("scontrol", "requeue", self.slurm.job_of(run))

    def node_down(self, run: Path) -> None:
        self.slurm.lose(self.slurm.node_of(run))

    def outlasts_its_limit(self, run: Path) -> None:
        # Held until the notice has been given, the run takes longer than its job may.
        os.kill(self.slurm.process_of(run), signal.SIGSTOP)
        self.held.append(run)


def test_every_run_is_done_once_whatever_happens_to_it(
    checkout: Checkout, slurm: Slurm, store: Path, tmp_path: Path
) -> None:
    launcher = [
        *("launcher=slurm", "launcher.partition=scavenge", f"launcher.time={LIMIT // 60}"),
        *("launcher.cpus=1", f"launcher.notice={NOTICE}", "launcher.requeues=100"),
    ]
    reference = tmp_path / "undisturbed"
    checkout.sweep("submit", *words(reference, "launcher.jobs=2"))
    labels = {Path(run).name: words["label"] for run, words in listed(reference).items()}
    assert len(labels) == 12
    long = [run for run, label in labels.items() if label.startswith("adam ")]
    diverging = [run for run, label in labels.items() if label.startswith("sgd ")]
    damaged = next(run for run, label in labels.items() if label.startswith("radam "))

    broken = store / "cifar10" / damaged / "checkpoint-000000001.pt"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"half a checkpoi")
    # Nothing starts before the second look: on a busy machine a run could have failed by then.
    slurm("scontrol", "update", "PartitionName=scavenge", "State=DOWN")
    said = checkout.sweep("submit", *words(store, *launcher))
    assert "12 in its array" in said
    assert "Nothing to submit" in checkout.sweep("submit", *words(store, *launcher))
    slurm("scontrol", "update", "PartitionName=scavenge", "State=UP")

    accidents = Accidents(slurm, [store / "cifar10" / i for i in long])
    sweep = next((store / "sweeps").glob("trial-*"))
    report = sweep / "report.txt"

    def over() -> bool:
        accidents.look()
        return not slurm("squeue", "--noheader") and report.exists()

    wait_until(over, "the array and its report have ended", seconds=1500)
    assert not accidents.waiting

    killed = long[0]
    state = dict.fromkeys(labels, "completed") | dict.fromkeys(diverging, "diverged")
    state |= {damaged: "failed", killed: "killed"}
    told = checkout.sweep("status", sweep)
    for run, what in state.items():
        assert any(run in line and what in line for line in told.splitlines()), (run, what, told)
    assert "damaged checkpoint" in told
    assert "11 results" in report.read_text()  # all but the killed one's

    finished = {i: r for i, r in results(store).items() if state[i] in ("completed", "diverged")}
    broken.unlink()
    said = checkout.sweep("submit", *words(store, *launcher))
    assert "2 in its array" in said
    submitted = max(sweep.glob("*/members.txt")).read_text().split()
    assert sorted(submitted) == sorted([f"cifar10/{killed}", f"cifar10/{damaged}"])
    wait_until(lambda: not slurm("squeue", "--noheader"), "the second array has ended")

    wait_until(lambda: any(reference.glob("sweeps/*/results.csv")), "the undisturbed are done")
    undisturbed, again = results(reference), results(store)
    assert len(undisturbed) == len(again) == 12
    assert {i: again[i] for i in finished} == finished, "a finished run was touched"
    for run, result in again.items():
        for field in ("status", "final", "best", "train_loss", "updates"):
            assert result[field] == undisturbed[run][field], (run, field)
        assert records(store / "cifar10" / run) == records(reference / "cifar10" / run)
        assert result["commit"] == undisturbed[run]["commit"]
        assert result["dirty"] is False
    starts = "".join(path.read_text() for path in sweep.glob("*/job-*.txt"))
    for run in again:
        assert len(re.findall(rf"cifar10/{run}: exit code 0$", starts, re.MULTILINE)) == 1
        begun = len(re.findall(rf"start \d+: cifar10/{run}$", starts, re.MULTILINE))
        assert begun >= (2 if run in (*long, damaged) else 1), (run, starts)
    assert "Nothing to submit" in checkout.sweep("submit", *words(store, *launcher))


@pytest.mark.parametrize("by", ["cancel", "scancel"])
def test_what_is_cancelled_saves_and_stays_cancelled(
    by: str, checkout: Checkout, slurm: Slurm, store: Path
) -> None:
    grid = words(store, "optimizer=adam", "seed=1", "launcher=slurm", "launcher.cpus=1")
    grid.append("protocol.epochs=5000")
    checkout.sweep("submit", *grid)
    sweep = next((store / "sweeps").glob("trial-*"))
    wait_until(lambda: any(under_way(run) for run in store.glob("cifar10/*")), "the run has begun")
    if by == "cancel":
        assert "1 runs cancelled" in checkout.sweep("cancel", sweep)
    else:
        job = slurm("squeue", "--noheader", "--format=%A", "--states=RUNNING").strip()
        slurm("scancel", job)
    wait_until(lambda: not slurm("squeue", "--noheader"), "the queue is empty")
    (result,) = results(store).values()
    assert result["status"] == "interrupted"
    assert "start 1" not in next(sweep.glob("*/job-0.txt")).read_text()
    assert "1 interrupted" in checkout.sweep("status", sweep)


REFUSES_REPORTS = """\
#!/bin/bash
case "$*" in *.report*) echo "sbatch: error: Unable to contact slurm controller" >&2; exit 1 ;; esac
exec {sbatch} "$@"
"""


def test_results_are_collected_although_that_job_was_refused(
    checkout: Checkout, slurm: Slurm, store: Path, tmp_path: Path
) -> None:
    """As by a controller that is away for a moment, or where the command died before."""
    wrapper = tmp_path / "bin" / "sbatch"
    wrapper.parent.mkdir()
    wrapper.write_text(REFUSES_REPORTS.format(sbatch=shutil.which("sbatch")))
    wrapper.chmod(0o755)
    grid = words(store, "optimizer=radam", "optimizer.lr=0.03", "seed=1")
    grid += ["launcher=slurm", "launcher.cpus=1"]
    said = checkout.sweep("submit", *grid, PATH=f"{wrapper.parent}:{os.environ['PATH']}")
    assert "no job collects the results yet" in said
    assert "when SLURM answers" in said
    sweep = next((store / "sweeps").glob("trial-*"))
    assert "collects the results" in checkout.sweep("submit", *grid)
    assert "collects the results" not in checkout.sweep("status", sweep)
    wait_until(lambda: not slurm("squeue", "--noheader"), "the queue is empty")
    assert len((sweep / "results.csv").read_text().splitlines()) == 2
    assert "collects the results" not in checkout.sweep("status", sweep)
    (sweep / "results.csv").unlink()  # as if it had never been
    assert "collects the results" in checkout.sweep("status", sweep)
    wait_until(lambda: not slurm("squeue", "--noheader"), "the queue is empty")
    assert (sweep / "results.csv").exists()


def test_what_cannot_begin_is_not_queued_again(
    checkout: Checkout, slurm: Slurm, store: Path
) -> None:
    """However often it was interrupted before."""
    grid = words(store, "optimizer=adam", "seed=1", "launcher=slurm", "launcher.cpus=1")
    checkout.sweep("submit", *grid, "protocol.epochs=5000")
    sweep = next((store / "sweeps").glob("trial-*"))
    (run,) = store.glob("cifar10/*")
    wait_until(lambda: under_way(run), "the run has begun")
    (script,) = sweep.glob("*/run.sh")
    script.write_text(script.read_text().replace(checkout.python, "/nowhere/python"))
    slurm("scontrol", "requeue", slurm.job_of(run))
    wait_until(lambda: "/nowhere/python" in (run / "log.txt").read_text(), "it could not begin")
    wait_until(lambda: not slurm("squeue", "--noheader"), "the queue is empty")
    assert next(sweep.glob("*/job-0.txt")).read_text().count("start 1:") == 1
    assert "start 2:" not in next(sweep.glob("*/job-0.txt")).read_text()
    told = checkout.sweep("status", sweep)
    assert "1 interrupted" in told
    assert "/nowhere/python: No such file" in told


def test_runs_that_share_a_job_are_steps_of_their_own(
    checkout: Checkout, slurm: Slurm, store: Path
) -> None:
    grid = words(store, "optimizer=radam", "optimizer.lr=0.03,0.01,0.003", "seed=1")
    said = checkout.sweep(
        "submit", *grid, "launcher=slurm", "launcher.cpus=1", "launcher.runs_per_job=2"
    )
    assert "2 in its array" in said
    wait_until(lambda: not slurm("squeue", "--noheader"), "the queue is empty")
    assert [r["status"] for r in results(store).values()] == ["completed"] * 3


def test_one_run_on_two_nodes_meets_by_slurms_variables(
    checkout: Checkout, slurm: Slurm, store: Path
) -> None:
    grid = words(store, "optimizer=radam", "optimizer.lr=0.03", "seed=1")
    checkout.sweep("submit", *grid, "launcher=slurm", "launcher.cpus=1", "launcher.nodes=2")
    wait_until(lambda: not slurm("squeue", "--noheader"), "the queue is empty")
    (result,) = results(store).values()
    assert result["status"] == "completed", result["error"]
    assert result["hardware"]["processes"] == 2


def test_plain_hydra_reaches_slurm_with_its_own_launcher(
    checkout: Checkout, slurm: Slurm, store: Path, tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    hydra = ["hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1"]
    hydra += ["hydra.launcher.timeout_min=10", f"hydra.sweep.dir={tmp_path / 'hydra'}"]
    grid = ["optimizer=sgd,radam", *SMOKE, f"runner.runs_dir={store}"]
    done = subprocess.run(
        [checkout.python, "-m", "experiments.train", "-m", *hydra, *grid],
        cwd=checkout.path,
        env=checkout.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {r["optimizer"] for r in results(store).values()} == {"sgd", "radam"}
    assert {r["status"] for r in results(store).values()} == {"completed"}
