"""The average of a run's last epochs, which is what the paper evaluates in translation.

The model is kept at the end of each epoch in ``epoch-<n>.pt``, until the run is complete.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.errors import UserError
from experiments.training.checkpoint import Damaged, read_whole, write_state

PATTERN = "epoch-*.pt"


def keep_epoch(folder: Path, epoch: int, keep: int, model: nn.Module) -> None:
    """Write the model as it is after ``epoch`` (1, 2, ...); all but the last ``keep`` go."""
    path = _path(folder, epoch)
    write_state(path, model.state_dict())
    _path(folder, epoch - keep).unlink(missing_ok=True)


def forget_epochs(folder: Path) -> None:
    """Remove what :func:`keep_epoch` wrote: the run is complete."""
    for path in folder.glob(PATTERN):
        path.unlink(missing_ok=True)


@contextmanager
def averaged(folder: Path, epoch: int, keep: int, model: nn.Module) -> Iterator[None]:
    """While it lasts, the model is the mean of itself after the last ``keep`` epochs to ``epoch``.

    With no whole epoch behind it, or ``keep`` of 0, the model stays as it is. Raises
    :class:`UserError` for a file that is missing or damaged.
    """
    chosen = range(max(1, epoch - keep + 1), epoch + 1) if keep else range(0)
    if not chosen:
        yield
        return
    state = model.state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    total: dict[str, Tensor] = {}
    for number in chosen:
        for name, tensor in _load(_path(folder, number)).items():
            if tensor.is_floating_point():
                total[name] = total.get(name, 0) + tensor.double()
    model.load_state_dict({**state, **{name: x / len(chosen) for name, x in total.items()}})
    try:
        yield
    finally:
        model.load_state_dict(before)


def _path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:05d}.pt"


def _load(path: Path) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = read_whole(path, torch.device("cpu"))
    except Damaged as error:
        raise UserError(
            f"{error}; remove its folder to start this run again, or set protocol.average_epochs=0"
        ) from None
    return state
