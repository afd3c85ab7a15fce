"""Checkpoints: everything needed to go on as if nothing had happened."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.errors import UserError
from experiments.files import write_atomic

PATTERN = "checkpoint-*.pt"


def save_checkpoint(folder: Path, update: int, state: dict[str, Any]) -> None:
    """Write ``checkpoint-<update>.pt`` whole, then remove older ones.

    ``state`` holds tensors and plain values only, so that :func:`load_checkpoint` needs no
    unpickling of code.
    """
    path = folder / f"checkpoint-{update:09d}.pt"
    write_atomic(path, lambda file: torch.save(state, file))
    for old in folder.glob(PATTERN):
        if old != path:
            old.unlink(missing_ok=True)


def load_checkpoint(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The newest checkpoint of a run, or None. Raises :class:`UserError` for a damaged one."""
    newest = max(folder.glob(PATTERN), default=None)
    if newest is None:
        return None
    try:
        return torch.load(newest, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{newest}: damaged checkpoint ({reason}); remove it to start this run again"
        ) from None


def random_state() -> dict[str, Any]:
    """The state of every global random generator, as tensors and plain values."""
    name, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put every global random generator back."""
    random.setstate(state["python"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    numbers = keys.cpu().numpy().astype(np.uint32)
    np.random.set_state((name, numbers, position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"]:
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])


def seed_everything(seed: int) -> None:
    """Seed every global random generator."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
