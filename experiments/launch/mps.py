"""NVIDIA's MPS, with which the kernels of several processes are on one GPU at the same time.

Without it the processes take turns, each with the whole GPU to itself, of which a small network
fills a part. It is started and ended by whoever starts the runs; no rights are needed for it.

Its folder is one for each person and machine. Commands that go on at once share what is there; the
last one ends it. What a command that was killed left behind is ended by the next.
"""

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE

import torch

from experiments.terminal.console import say

CONTROL = "nvidia-cuda-mps-control"
VARIABLES = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
"""By which the processes find it."""

TRY = "import torch; torch.ones(1, device='cuda').item()"
TRY_SECONDS = 60.0
"""How long a process that tries it may take: torch's import, a context; one that hangs, never."""
CONTROL_SECONDS = 20.0


def share_gpus(device: torch.device) -> bool:
    """Start MPS for the processes that this one starts from now on; returns whether they have it.

    One that the environment names is used as it is. Where there is none, or it does not work in
    time, that is said, and processes that share a GPU take turns on it.
    """
    if device.type != "cuda":
        return False
    if VARIABLES[0] in os.environ:
        return True
    if shutil.which(CONTROL) is None:
        say(f"note: no {CONTROL} on this machine: runs that share a GPU take turns on it")
        return False
    folder = Path(tempfile.gettempdir()) / f"radam-mps-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
    os.environ.update(dict.fromkeys(VARIABLES, str(folder)))
    if _is_alone(lock):
        _control("quit")
        _control("-d")
    fcntl.flock(lock, fcntl.LOCK_SH)
    trouble = _try()
    if trouble is None:
        atexit.register(_end, lock)
        return True
    _end(lock)
    say(f"note: MPS does not work here ({trouble}): runs that share a GPU take turns on it")
    return False


def _is_alone(lock: int) -> bool:
    """Whether no other process holds the lock; then this one does, until it changes it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try() -> str | None:
    """Why a process cannot use it; None if it can."""
    process = subprocess.Popen([sys.executable, "-c", TRY], stderr=PIPE, text=True)
    try:
        _, said = process.communicate(timeout=TRY_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # and not waited for: the driver may hold it
        return f"a process that tried it took more than {TRY_SECONDS:g} s"
    if not process.returncode:
        return None
    return said.strip().rpartition("\n")[2] or f"a process that tried it ended {process.returncode}"


def _end(lock: int) -> None:
    if _is_alone(lock):
        _control("quit")
    for name in VARIABLES:
        os.environ.pop(name, None)
    os.close(lock)


def _control(word: str) -> None:
    # No pipes for its output: what it leaves in the background would keep them open.
    options, text = ([word], "") if word.startswith("-") else ([], word + "\n")
    with suppress(subprocess.TimeoutExpired):  # whether it works is tried
        subprocess.run(
            [CONTROL, *options],
            input=text, text=True, stdout=DEVNULL, stderr=DEVNULL, timeout=CONTROL_SECONDS,
        )  # fmt: skip
