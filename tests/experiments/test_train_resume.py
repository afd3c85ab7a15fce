"""A run that is killed and started again ends exactly where an undisturbed one does."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from experiments.config.compose import compose, settle_dataset
from experiments.config.validate import resolve
from experiments.tracking.result import read_result
from experiments.tracking.run_folder import RunFolder
from experiments.tracking.store import read_metrics
from experiments.training.run import run
from experiments.training.signals import StopRequest
from tests.experiments.conftest import ROOT, Command, environment

# 24 updates, a checkpoint after each; augmentation, decay and a stateful optimizer are in play.
WORDS = [
    "optimizer=radam",
    "protocol.epochs=6",
    "schedule.milestones=[3]",
    "runner.checkpoint_seconds=0",
    "runner.threads=1",
]


def start(words: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.train", *words],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def only_folder(runs: Path) -> Path:
    (folder,) = (runs / "cifar10").iterdir()
    return folder


def update_of(runs: Path) -> int:
    """The update of the newest checkpoint under ``runs``; 0 before the first."""
    names = [path.stem for path in runs.glob("cifar10/*/checkpoint-*.pt")]
    return max((int(name.rpartition("-")[2]) for name in names), default=0)


def parameters(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.glob("checkpoint-*.pt")
    return torch.load(path, weights_only=True)["model"]


def wait_for_update(process: "subprocess.Popen[bytes]", runs: Path, update: int) -> None:
    deadline = time.monotonic() + 120
    while update_of(runs) < update:
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.slow
def test_killed_at_several_updates_and_resumed_is_bit_identical(
    command: Command, smoke: list[str], tmp_path: Path
) -> None:
    undisturbed = [w.replace("/runs", "/undisturbed") for w in [*smoke, *WORDS]]
    done = command("experiments.train", *undisturbed)
    assert done.returncode == 0, done.stderr

    disturbed = [*smoke, *WORDS]
    for update in (1, 5, 6, 13, 20):  # within epochs and at their ends
        process = start(disturbed)
        wait_for_update(process, tmp_path / "runs", update)
        process.kill()
        process.wait()
    done = command("experiments.train", *disturbed)
    assert done.returncode == 0, done.stderr

    one, other = only_folder(tmp_path / "undisturbed"), only_folder(tmp_path / "runs")
    assert one.name == other.name
    expected, found = parameters(one), parameters(other)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
    # The records are the same too, but for the time they were made; none is there twice.
    timeless = [read_metrics(folder).drop("seconds") for folder in (one, other)]
    assert timeless[0].equals(timeless[1])
    results = [read_result(folder) for folder in (one, other)]
    assert results[0] is not None
    assert results[1] is not None
    assert results[0].final == results[1].final


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_signal_means_checkpoint_and_interrupted(
    number: signal.Signals, code: int, smoke: list[str], tmp_path: Path
) -> None:
    words = [*smoke, *WORDS, "protocol.epochs=2000"]
    process = start(words)
    wait_for_update(process, tmp_path / "runs", 3)
    process.send_signal(number)
    assert process.wait(timeout=60) == code
    folder = only_folder(tmp_path / "runs")
    result = read_result(folder)
    assert result is not None
    assert result.status == "interrupted"
    assert result.final is None
    assert update_of(tmp_path / "runs") == result.updates
    assert not RunFolder(folder).busy


@pytest.mark.slow
def test_two_processes_on_one_run(command: Command, smoke: list[str], tmp_path: Path) -> None:
    words = [*smoke, *WORDS, "protocol.epochs=2000"]
    process = start(words)
    try:
        wait_for_update(process, tmp_path / "runs", 1)
        second = command("experiments.train", *words)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert second.returncode == 2
    assert "another process" in second.stderr


def test_damaged_checkpoints_are_named(command: Command, smoke: list[str], tmp_path: Path) -> None:
    words = [*smoke, *WORDS]
    assert command("experiments.train", *words, "runner.stop_after=3").returncode == 0
    checkpoints = sorted(only_folder(tmp_path / "runs").glob("checkpoint-*.pt"))
    assert len(checkpoints) == 2
    for checkpoint in checkpoints:
        os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    done = command("experiments.train", *words)
    assert done.returncode == 2
    assert all(str(checkpoint) in done.stderr for checkpoint in checkpoints)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_finished_run_is_not_run_again(command: Command, smoke: list[str], tmp_path: Path) -> None:
    assert command("experiments.train", *smoke).returncode == 0
    folder = only_folder(tmp_path / "runs")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = command("experiments.train", *smoke)
    assert again.returncode == 0
    assert "not run again" in again.stdout
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert read_metrics(folder).filter(pl.col("kind") == "eval").height == 2


def attempt(words: list[str], update: int, accident: signal.Signals) -> None:
    """Carry out the run in this process until the accident, right after the records of ``update``
    and before any checkpoint of it."""
    stop = StopRequest()

    def observe(event: dict[str, Any]) -> None:
        if event["kind"] == "update" and event["update"] == update:
            if accident == signal.SIGKILL:
                os.kill(os.getpid(), signal.SIGKILL)
            stop.signal = accident

    config, _ = settle_dataset(resolve(compose(words)))
    run(config, stop, [observe])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_records_survive_kills_and_stops_between_two_of_them(
    seed: int, smoke: list[str], tmp_path: Path
) -> None:
    """A stop before the first record after a kill, as by pre-emption after a node is lost."""
    choose = random.Random(seed)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["experiments.training.run", "experiments.tasks.cifar10.task"])
    words = [*smoke, *WORDS]
    accidents = [(6, signal.SIGTERM), (10, signal.SIGKILL), (7, signal.SIGTERM)]
    accidents += [
        (choose.randint(7, 23), choose.choice([signal.SIGKILL, signal.SIGTERM])) for _ in range(3)
    ]
    for update, accident in accidents:
        every = 0 if choose.random() < 0.3 else 3600
        more = [f"runner.checkpoint_seconds={every}"]
        process = processes.Process(target=attempt, args=([*words, *more], update, accident))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
    undisturbed = [w.replace("/runs", "/undisturbed") for w in words]
    for last in (words, undisturbed):
        process = processes.Process(target=attempt, args=(last, 0, signal.SIGTERM))
        process.start()
        process.join()
        assert process.exitcode == 0
    one, other = only_folder(tmp_path / "undisturbed"), only_folder(tmp_path / "runs")
    assert read_result(other).status == "completed"
    assert read_metrics(one).drop("seconds").equals(read_metrics(other).drop("seconds"))


def test_records_shorter_than_the_checkpoint_counts_are_named(
    command: Command, smoke: list[str], tmp_path: Path
) -> None:
    words = [*smoke, *WORDS]
    assert command("experiments.train", *words, "runner.stop_after=7").returncode == 0
    metrics = only_folder(tmp_path / "runs") / "metrics.jsonl"
    os.truncate(metrics, 50)
    done = command("experiments.train", *words)
    assert done.returncode == 2
    assert f"{metrics} holds 50" in done.stderr
    assert "Traceback" not in done.stderr
    assert metrics.stat().st_size == 50


def test_a_run_stops_after_an_update_and_goes_on_later(
    command: Command, smoke: list[str], tmp_path: Path
) -> None:
    """It is the same run: one folder, the schedule of the whole, the same numbers at the end."""
    undisturbed = [w.replace("/runs", "/undisturbed") for w in [*smoke, *WORDS]]
    assert command("experiments.train", *undisturbed).returncode == 0

    words = [*smoke, *WORDS]
    for update in (7, 7, 16):  # the second time there is nothing left to do
        done = command("experiments.train", *words, f"runner.stop_after={update}")
        assert done.returncode == 0, done.stderr
        assert f"Stopped at update {update}" in done.stdout
        result = read_result(only_folder(tmp_path / "runs"))
        assert (result.status, result.updates) == ("interrupted", update)
        assert update_of(tmp_path / "runs") == update
    done = command("experiments.train", *words)
    assert done.returncode == 0, done.stderr

    one, other = only_folder(tmp_path / "undisturbed"), only_folder(tmp_path / "runs")
    assert one.name == other.name
    for name, value in parameters(one).items():
        assert torch.equal(value, parameters(other)[name]), name
    assert read_result(one).final == read_result(other).final
    assert read_result(other).status == "completed"
    kept = [column for column in read_metrics(one).columns if column != "seconds"]
    assert read_metrics(one)[kept].equals(read_metrics(other)[kept])


@pytest.mark.parametrize("update", ["0", "-3", "1.5", "soon"])
def test_a_senseless_stop_after_is_refused(command: Command, smoke: list[str], update: str) -> None:
    done = command("experiments.train", *smoke, f"runner.stop_after={update}")
    assert done.returncode == 2
    assert "runner.stop_after" in done.stderr
