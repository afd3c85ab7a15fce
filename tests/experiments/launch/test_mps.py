"""MPS is started where it works, and leaves nothing behind where it does not."""

import os
from pathlib import Path

import pytest
import torch

from experiments.launch.mps import CONTROL, VARIABLES, share_gpus

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a program by MPS's name on the path was told: arguments and input."""
    told = tmp_path / "told"
    program = tmp_path / CONTROL
    program.write_text(f'#!/bin/sh\nread word\necho "$*$word" >> {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return told


def test_no_gpu_no_mps(told: Path) -> None:
    assert not share_gpus(CPU)
    assert not told.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_one_that_does_not_work_is_ended_again(
    told: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not share_gpus(CUDA)
    assert told.read_text().split() == ["-d", "quit"]
    assert "note: MPS does not work here" in capsys.readouterr().out
    assert not set(VARIABLES) & set(os.environ)


def test_without_it_runs_take_turns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(VARIABLES[0], raising=False)
    assert not share_gpus(CUDA)
    assert "take turns" in capsys.readouterr().out


def test_one_that_goes_on_already_is_used(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLES[0], "somewhere")
    assert share_gpus(CUDA)
    assert not told.exists()
