"""Rank and world size: which of a run's processes this one is, and its part of the work.

A run in one process is the case of rank 0 of 1: nobody need ask whether there are others. How the
processes find each other and what they tell each other is ``experiments/training/distributed.py``.
"""

import os
import re
from dataclasses import dataclass

from experiments.errors import UserError


@dataclass(frozen=True)
class Place:
    """This process among those of the run."""

    rank: int = 0
    """0 to world_size − 1; rank 0 writes the records, the checkpoints and the result."""
    world_size: int = 1
    """Processes in all."""
    local_rank: int = 0
    """Number of this process on its machine, which is the number of its GPU there."""
    local_world_size: int = 1
    """Processes on this machine."""


_place = Place()


def place() -> Place:
    """Where this process stands; rank 0 of 1 unless a launcher said otherwise."""
    return _place


def set_place(new: Place) -> None:
    """Set what :func:`place` returns: once, when the process joins the others."""
    global _place
    _place = new


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return _place.rank == 0


def rank_slice(n: int) -> slice:
    """This rank's slice of ``n`` examples that stand in a fixed order.

    The slices are contiguous, in the order of the ranks, and differ by one example at most; with
    one process the slice is everything. A task cuts every training batch and every held-out split
    with it: all processes draw the same order, each reads its own part.
    """
    return slice(n * _place.rank // _place.world_size, n * (_place.rank + 1) // _place.world_size)


def check_divisible(batch_size: int) -> None:
    """Refuse a batch that the processes cannot share equally. Raises :class:`UserError`."""
    processes = _place.world_size
    if batch_size % processes:
        lower = batch_size // processes * processes
        raise UserError(
            f"protocol.batch_size={batch_size}: cannot be divided among {processes} processes "
            f"({batch_size} = {processes} × {batch_size // processes} + "
            f"{batch_size % processes}); start a number of processes that divides it, or write "
            f"{lower or processes} or {lower + processes}"
        )


def place_from_environment() -> Place:
    """What ``torchrun`` or SLURM's ``srun`` told this process by its environment."""
    for names in (
        ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
    ):
        values = [os.environ.get(name) for name in names]
        if values[0] is not None and values[1] is not None:
            rank, world_size, local_rank = (int(value or 0) for value in values[:3])
            # srun says 2(x3) for three machines of two processes each, 4,2 for unequal ones.
            here = re.match(r"\d+", values[3] or "1")
            return Place(rank, world_size, local_rank, int(here[0]) if here else 1)
    return Place()
