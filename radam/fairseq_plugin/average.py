"""The mean of fairseq's checkpoints; its own script for that is not in its package."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def average(output: Path, checkpoints: Sequence[Path]) -> None:
    """Write the mean of the models in ``checkpoints`` as a checkpoint to generate with.

    All but the model (the configuration, that is) comes from the last one. Raises ValueError for
    checkpoints of different models.
    """
    states = [torch.load(path, map_location="cpu", weights_only=True) for path in checkpoints]
    last: dict[str, Any] = states[-1]
    names = set(last["model"])
    for path, state in zip(checkpoints, states, strict=True):
        if set(state["model"]) != names:
            raise ValueError(f"{path} is of another model than {checkpoints[-1]}")
    mean = {name: _mean([state["model"][name] for state in states]) for name in last["model"]}
    torch.save({**last, "model": mean, "last_optimizer_state": None}, output)


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    if not tensors[-1].is_floating_point():
        return tensors[-1]
    return torch.stack([x.double() for x in tensors]).mean(0).to(tensors[-1].dtype)
