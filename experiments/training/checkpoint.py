"""Checkpoints: everything needed to go on as if nothing had happened.

A checkpoint is a zip archive, as ``torch.save`` writes it: a CRC of every tensor's bytes and of the
structure stands in it. torch does not look at them, :func:`read_whole` does. A run keeps its last
two checkpoints, so that one is whole whatever happens to the other.
"""

import errno
import hashlib
import random
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.ranks import place
from experiments.tracking.records import Extent, disagreement

PATTERN = "checkpoint-*.pt"
CONTENTS = {"progress", "model", "optimizer", "parts", "metrics_bytes"}


class Damaged(UserError):
    """A saved state that is not what was written, or was not written by this suite."""


def save_checkpoint(folder: Path, update: int, state: dict[str, Any]) -> None:
    """Write ``checkpoint-<update>.pt`` whole; it and the one before it stay, all others go.

    ``state`` holds tensors and plain values only, so that :func:`read_whole` needs no unpickling of
    code.
    """
    path = folder / f"checkpoint-{update:09d}.pt"
    write_state(path, state)
    before = max((old for old in folder.glob(PATTERN) if old.name < path.name), default=None)
    for old in folder.glob(PATTERN):
        if old not in (path, before):  # a later one was passed over as damaged
            old.unlink(missing_ok=True)


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values for :func:`read_whole`, into a folder that is there.

    Raises OSError if that fails, on a full disk say, which torch has words of its own for.
    """

    def save(file: BinaryIO) -> None:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            raise OSError(errno.EIO, "cannot be written whole (full disk?)", str(path)) from error

    write_atomic(path, save, new_folder=False)


def forget_earlier(folder: Path) -> None:
    """Keep the newest checkpoint alone: the run is complete."""
    for old in sorted(folder.glob(PATTERN))[:-1]:
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


def choose_checkpoint(folder: Path) -> tuple[Path, list[str]] | None:
    """The newest whole checkpoint that agrees with the run's records, if there is any.

    With it, why each newer one was passed over. None without any checkpoint. Raises
    :class:`UserError` if there are some and none can be used: it would be another run.
    """
    passed_over: list[str] = []
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            state = read_whole(path, torch.device("meta"))  # but for the tensors' values
            if not isinstance(state, dict) or not state.keys() >= CONTENTS:
                raise Damaged(f"{path}: not a checkpoint of a run")
        except Damaged as error:
            passed_over.append(str(error))
            continue
        why = disagreement(folder, known_records(state))
        if why is None:
            return path, passed_over
        passed_over.append(f"{path}: {why}: records are lost")
    if not passed_over:
        return None
    raise UserError(
        f"{'; '.join(passed_over)}; no checkpoint is left that this run could go on from: put the "
        f"files back, or remove {folder} to start it again"
    )


def known_records(state: dict[str, Any]) -> Extent:
    """The records that were written before a checkpoint."""
    return Extent(state["metrics_bytes"], state.get("metrics_crc"))


def read_whole(path: Path, device: torch.device) -> Any:
    """What ``torch.save`` wrote to ``path``, if it is that still. Raises :class:`Damaged`."""
    if (fault := _fault(path)) is not None:
        raise Damaged(f"{path}: damaged checkpoint ({fault})")
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception:  # torch raises many kinds, with advice that is wrong here
        raise Damaged(
            f"{path}: damaged checkpoint (it holds what no checkpoint does; nothing of it was run)"
        ) from None


def _fault(path: Path) -> str | None:
    """What is wrong with a zip archive that ``torch.save`` wrote, if anything is."""
    if path.is_file() and path.stat().st_size == 0:
        return "empty"
    try:
        with zipfile.ZipFile(path) as archive:
            for record in archive.infolist():
                if record.external_attr:  # a bit there makes it a folder, of which torch reads none
                    return "not as it was written"
            wrong = archive.testzip()
    except OSError as error:
        return error.strerror or "cannot be read"
    except Exception:  # a damaged archive raises many kinds
        return "not a whole archive"
    return None if wrong is None else "the checksum does not fit its contents"


@contextmanager
def fitting(folder: Path) -> Iterator[None]:
    """Raise :class:`UserError` where what is loaded meanwhile does not fit ``folder``'s run."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, TypeError) as error:  # as torch's modules do
        raise UserError(
            f"{folder}: its checkpoint is of another model, optimizer or version of the suite than "
            "this run; put the right one back, or remove it to start this run again"
        ) from error


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
