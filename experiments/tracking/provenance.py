"""Where a result comes from: commit, hardware, versions."""

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil
import torch

ROOT = Path(__file__).resolve().parents[2]

COMMIT_FILE = "COMMIT"
"""Names the commit in a copy of the code that has no git: a sweep's, or a container image's."""


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@functools.cache
def commit() -> tuple[str | None, bool | None]:
    """The commit of this code and whether tracked files differ from it; Nones outside git."""
    if (ROOT / COMMIT_FILE).exists():
        named = (ROOT / COMMIT_FILE).read_text().strip()
        return named.removesuffix("-dirty"), named.endswith("-dirty")
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return None, None
    return revision, bool(_git("status", "--porcelain", "--untracked-files=no"))


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def hardware(device: torch.device) -> dict[str, Any]:
    """The processor, cores, threads, memory in GiB, and the GPU if the run used one."""
    facts: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "device": device.type,
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


@functools.cache
def versions() -> dict[str, str]:
    """The versions that can change a run's numbers."""
    names = ("radam", "torch", "torchvision", "numpy")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found
