"""Ctrl-C before anything has begun is no error to read."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments.conftest import ROOT, environment

ENTRY_POINTS = ("train", "sweep", "report", "mechanism")
IMPORTED = "import experiments, sys; print(flush=True); import "


@pytest.mark.parametrize("seed", range(6))
def test_ctrl_c_during_imports_is_one_line(seed: int, smoke: list[str], tmp_path: Path) -> None:
    choose = random.Random(seed)
    entry = f"experiments.{choose.choice(ENTRY_POINTS)}"
    # Python's own start, before any code of ours, is not ours to mend.
    process = subprocess.Popen(
        [sys.executable, "-c", f"{IMPORTED}{entry}"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(choose.uniform(0, 1.5))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 1
    assert process.returncode in (0, -signal.SIGINT)
