"""What a machine with a GPU offers, found out before anything depends on it.

``python -m scripts.gpu.facts [--device cuda] --out facts.json``
"""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil
import torch

from experiments.files import write_atomic
from experiments.launch.mps import CONTROL, share_gpus
from experiments.terminal.arguments import Parser
from experiments.terminal.console import exit_on_user_error
from experiments.tracking.provenance import commit

PROGRAMS = (CONTROL, "git", "gcc", "nvidia-smi")
MODULES = ("triton", "pytest", "hypothesis", "PIL", "polars", "wandb")
"""That a stage may want; what all want is imported by then."""


def facts(device: torch.device) -> dict[str, Any]:
    """By name; None for what could not be found out."""
    revision, dirty = commit()
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": revision,
        "dirty": dirty,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "programs": {name: shutil.which(name) for name in PROGRAMS},
        "modules": {name: importlib.util.find_spec(name) is not None for name in MODULES},
        "cuda": torch.cuda.is_available(),
        "gpu": None,
        "driver": None,
        "mps": False,
    }
    if device.type == "cuda" and found["cuda"]:
        properties = torch.cuda.get_device_properties(0)
        found["gpu"] = properties.name
        found["gpu_memory_gib"] = round(properties.total_memory / 2**30, 1)
        found["capability"] = f"{properties.major}.{properties.minor}"
        found["driver"] = driver()
        found["mps"] = share_gpus(device)
    return found


def driver() -> str | None:
    """The version of NVIDIA's driver."""
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().partition("\n")[0] or None


def main() -> None:
    """Write them down, and print them in one line."""
    parser = Parser("python -m scripts.gpu.facts", description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    found = facts(torch.device(chosen.device))
    write_atomic(chosen.out, json.dumps(found, indent=1) + "\n")
    mps = "MPS works" if found["mps"] else "no MPS"
    print(f"{found['gpu'] or 'no GPU'}, {found['cores']} cores, torch {found['torch']}, {mps}")


if __name__ == "__main__":
    with exit_on_user_error():
        main()
