"""Whether an LSTM language model fits into memory, computed before anything is built."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import torch

from experiments.errors import UserError
from experiments.tasks.lm1b.model import LstmSizes

FLOAT = 4
GIB = 2**30


def parameter_bytes(sizes: LstmSizes, processes: int = 1) -> int:
    """Bytes for the parameters and what belongs to each.

    Its gradient, the Adam family's two averages and, where several processes train together, its
    place in a bucket of gradients.
    """
    return (4 if processes == 1 else 5) * FLOAT * sizes.parameters


def window_bytes(sizes: LstmSizes, counts: np.ndarray, tokens: int) -> int:
    """Bytes that the forward pass of ``tokens`` tokens keeps, and as much again for gradients.

    The softmax's tails count by the share of the tokens that falls to them by ``counts`` (int64
    [words], how often the training text has each word).
    """
    bounds = [*sizes.cutoffs, len(counts)]
    tails: float = sum(
        counts[start:end].sum() / max(1, counts.sum()) * (end - start + sizes.hidden)
        for start, end in pairwise(bounds)
    )
    head = bounds[0] + len(sizes.cutoffs)
    layers = sizes.embedding + 8 * sizes.layers * sizes.hidden
    return round(2 * FLOAT * tokens * (layers + head + tails))


def free_bytes(device: torch.device) -> int:
    """Memory that this process could still take on ``device``."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    try:  # in a container the machine's memory is not the limit
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        return min(free, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        return free


def check_memory(sizes: LstmSizes, needed: int, device: torch.device) -> None:
    """Refuse a model that needs more than is free. Raises :class:`UserError` with the figures."""
    free = free_bytes(device)
    if needed > free:
        raise UserError(
            f"task lm1b: the model ({sizes.words:,} words, {sizes.parameters:,} parameters) needs "
            f"about {needed / GIB:.1f} GiB for parameters, gradients, the optimizer's averages and "
            f"a window; {device} has {free / GIB:.1f} GiB free. Write a smaller task.vocabulary, "
            f"task.hidden (now {sizes.hidden}) or task.embedding ({sizes.embedding}), run fewer at "
            "a time (launcher.jobs=1), or choose protocol=mini"
        )
