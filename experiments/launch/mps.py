"""NVIDIA's MPS, with which the kernels of several processes are on one GPU at the same time.

Without it the processes take turns, each with the whole GPU to itself, of which a small network
fills a part. It is started and ended by whoever starts the runs; no rights are needed for it.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from subprocess import DEVNULL

import torch

from experiments.terminal.console import say

CONTROL = "nvidia-cuda-mps-control"
VARIABLES = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
"""By which the processes find it."""

TRY = "import torch; torch.ones(1, device='cuda').item()"


def share_gpus(device: torch.device) -> bool:
    """Start MPS for the processes that this one starts from now on; returns whether they have it.

    One that the environment names is used as it is. Where there is none, or it does not work,
    that is said, and processes that share a GPU take turns on it.
    """
    if device.type != "cuda":
        return False
    if VARIABLES[0] in os.environ:
        return True
    if shutil.which(CONTROL) is None:
        say(f"note: no {CONTROL} on this machine: runs that share a GPU take turns on it")
        return False
    folder = tempfile.mkdtemp(prefix="mps-")
    os.environ.update(dict.fromkeys(VARIABLES, folder))
    _control("-d")
    tried = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True)
    if not tried.returncode:
        atexit.register(_end, folder)
        return True
    _end(folder)
    reason = tried.stderr.strip().splitlines()[-1]
    say(f"note: MPS does not work here ({reason}): runs that share a GPU take turns on it")
    return False


def _end(folder: str) -> None:
    _control(text="quit\n")
    for name in VARIABLES:
        os.environ.pop(name, None)
    shutil.rmtree(folder, ignore_errors=True)


def _control(*options: str, text: str = "") -> None:
    # No pipes for its output: what it leaves in the background would keep them open.
    subprocess.run([CONTROL, *options], input=text, text=True, stdout=DEVNULL, stderr=DEVNULL)
