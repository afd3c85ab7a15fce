"""The template keeps the contract's promises, so a copy of it begins with them."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from experiments.config.compose import compose
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.tasks.registry import load
from experiments.training.run import run
from experiments.training.signals import StopRequest
from tests.experiments.conftest import ROOT, environment

CPU = torch.device("cpu")


def configuration(*words: str) -> RunConfig:
    place = ["runner.device=cpu", "tracking=local"]
    return resolve(compose(["task=template", "protocol=smoke", *place, *words]))


def test_a_run_goes_on_with_the_next_batch(tmp_path: Path) -> None:
    config = configuration("task.dataset=standin")
    task = load(config.task, config.protocol, data_dir=tmp_path, device=CPU, seed=3)
    for epoch in (0, 1):
        whole = list(task.batches(epoch))
        assert len(whole) == task.batches_per_epoch
        for skip in range(len(whole) + 1):
            rest = list(task.batches(epoch, skip))
            assert len(rest) == len(whole) - skip
            for ours, theirs in zip(rest, whole[skip:], strict=True):
                assert torch.equal(ours.features, theirs.features)


def test_it_learns(tmp_path: Path) -> None:
    words = ["optimizer=adam", "schedule=constant", "protocol.epochs=20"]
    place = ["task.dataset=standin", f"runner.runs_dir={tmp_path}"]
    result = run(configuration(*words, *place), StopRequest(), [])
    assert result.status == "completed"
    assert result.final is not None
    assert result.chance == 25
    assert result.final > 60


def test_there_are_no_real_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write standin"):
        configuration("task.dataset=real").task.locate(tmp_path)


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    place = ["task=template", "runner.device=cpu", "tracking=local", f"runner.runs_dir={folder}"]
    return subprocess.run(
        [sys.executable, "-m", *words, *place],
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_a_protocol_that_it_has_not_is_one_line(tmp_path: Path) -> None:
    done = command(tmp_path, "experiments.train", "protocol=paper")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: protocol=paper: task template has smoke alone\n"
    assert not list(tmp_path.iterdir())


def test_a_sweep_of_it_says_that_it_decides_nothing(tmp_path: Path) -> None:
    """There is no paper's protocol whose cost could be estimated."""
    done = command(tmp_path, "experiments.sweep", "run", "protocol=smoke", "seed=1")
    assert done.returncode == 0, done.stderr
    assert "not a task of the paper" in done.stdout
    report = (tmp_path / "reports" / "REPORT.md").read_text()
    assert "no task of the paper: decides no claim" in report
