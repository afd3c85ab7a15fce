"""What the tests of the experiments share: the real command line, and folders of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

os.environ["WANDB_MODE"] = "disabled"  # the mirror has tests of its own

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def environment() -> dict[str, str]:
    """The environment of a person's shell, with one thread so that tests share two cores."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run ``python -m experiments.<entry point> words...`` with a store and data of its own."""

    def run(*words: str, timeout: float = 240) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env={**environment(), "RADAM_DATA": str(tmp_path / "data")},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def smoke(tmp_path: Path) -> list[str]:
    """Words that make a run a smoke test on the stand-in, stored under ``tmp_path``."""
    return [
        "protocol=smoke",
        "task.dataset=standin",
        "runner.device=cpu",
        f"runner.runs_dir={tmp_path / 'runs'}",
    ]
