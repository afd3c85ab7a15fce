"""Checkpoints: everything needed to go on as if nothing had happened."""

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.ranks import place

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


def own_part(task_state: dict[str, Any], random_before: dict[str, Any]) -> dict[str, Any]:
    """What of a checkpoint is each process's own, on the host.

    ``random_before``: the random state when training began; ``drew`` says whether it has moved.
    """
    present = random_state()
    drew = _comparable(present) != _comparable(random_before)
    return {"task": _on_host(task_state), "random": present, "drew": drew}


def choose_part(parts: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """This process's part of a checkpoint that ``len(parts)`` processes wrote.

    Another number of processes may go on where nothing was any process's own: no state from batch
    to batch, no random numbers (every order is drawn from seed and epoch). Raises
    :class:`UserError` where it would not be the same run.
    """
    wrote, here = len(parts), place()
    if wrote == here.world_size:
        return parts[here.rank]
    why = None
    if any(part["task"] for part in parts):
        why = "state that goes from batch to batch, a part in each process"
    elif any(part["drew"] for part in parts):
        why = "random numbers (dropout, say), drawn in each process for itself"
    if why is not None:
        raise UserError(
            f"{folder}: its checkpoint was written by {wrote} process{'es' * (wrote > 1)} and "
            f"holds {why}; with {here.world_size} it would not be the same run: start {wrote}, or "
            "remove the checkpoint to start again"
        )
    return parts[0]


def _on_host(tree: Any) -> Any:
    if isinstance(tree, torch.Tensor):
        return tree.cpu()
    if isinstance(tree, dict):
        return {name: _on_host(part) for name, part in tree.items()}
    return type(tree)(map(_on_host, tree)) if isinstance(tree, list | tuple) else tree


def load_checkpoint(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The newest checkpoint of a run, or None. Raises :class:`UserError` for a damaged one."""
    newest = max(folder.glob(PATTERN), default=None)
    if newest is None:
        return None
    try:
        state: dict[str, Any] = torch.load(newest, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{newest}: damaged checkpoint ({reason}); remove it to start this run again"
        ) from None
    return state


def random_state() -> dict[str, Any]:
    """The state of every global random generator, as tensors and plain values."""
    numpy: Any = np.random.get_state()  # noqa: NPY002
    name, keys, position, has_gauss, gauss = numpy
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Put every global random generator back; of the GPUs, those that are visible here."""
    random.setstate(state["python"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    numbers = keys.cpu().numpy().astype(np.uint32)
    np.random.set_state((name, numbers, position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    for index, cuda in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(cuda.cpu(), index)


def _comparable(state: Any) -> Any:
    if isinstance(state, torch.Tensor):
        return state.cpu().numpy().tobytes()
    if isinstance(state, dict):
        return {name: _comparable(part) for name, part in state.items()}
    return [_comparable(part) for part in state] if isinstance(state, list | tuple) else state


def seed_everything(seed: int) -> None:
    """Seed every global random generator."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def seed_apart(seed: int) -> None:
    """Give each process beyond the first random numbers of its own, for dropout and the like.

    Called once the model is built, which all processes must build alike.
    """
    if place().rank > 0:
        digest = hashlib.sha256(f"process {seed} {place().rank}".encode()).digest()
        seed_everything(int.from_bytes(digest[:4], "little"))
