"""MPS is started where it works, and leaves nothing behind where it does not."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from experiments.launch import mps
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
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return told


def test_no_gpu_no_mps(told: Path) -> None:
    assert not share_gpus(CPU)
    assert not told.exists()


ENDINGS = {
    "an error": ("raise RuntimeError('no such device')", "no such device"),
    "a signal, without a word": ("import os; os.kill(os.getpid(), 11)", "ended -11"),
    "a client that hangs": ("import time; time.sleep(600)", "more than 2 s"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_that_does_not_work_is_ended_again(
    ending: str, told: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a command that was killed left is ended first."""
    code, said = ENDINGS[ending]
    monkeypatch.setattr(mps, "TRY", code)
    monkeypatch.setattr(mps, "TRY_SECONDS", 2)
    assert not share_gpus(CUDA)
    assert told.read_text().split() == ["quit", "-d", "quit"]
    notes = capsys.readouterr().out
    assert "note: MPS does not work here" in notes
    assert said in notes
    assert not set(VARIABLES) & set(os.environ)


def test_a_control_program_that_hangs_is_not_waited_for(
    told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (told.parent / CONTROL).write_text("#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(mps, "CONTROL_SECONDS", 0.2)
    monkeypatch.setattr(mps, "TRY", "raise SystemExit(1)")
    assert not share_gpus(CUDA)


COMMAND = """
import sys, torch
from experiments.launch import mps
mps.TRY = ""
print(mps.share_gpus(torch.device("cuda")), flush=True)
sys.stdin.read()
"""


def test_commands_at_the_same_time_share_it_and_the_last_one_ends_it(
    told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(told.parent))
    commands = []
    for _ in range(2):
        command = subprocess.Popen(
            [sys.executable, "-c", COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert command.stdout is not None
        assert command.stdout.readline() == "True\n"
        commands.append(command)
    assert told.read_text().split() == ["quit", "-d"]
    commands[0].communicate("")
    assert told.read_text().split() == ["quit", "-d"]
    commands[1].communicate("")
    assert told.read_text().split() == ["quit", "-d", "quit"]


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
