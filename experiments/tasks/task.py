"""The contract of a task: data + model + loss + metric. The training loop knows nothing more.

A task is a folder ``experiments/tasks/<name>/`` and a file ``configs/task/<name>.yaml``. What it
can say without data is its configuration (``config.py``, a subclass of
:class:`~experiments.tasks.config.TaskConfig`); with its data it is a subclass of :class:`Task`
(``task.py``, as ``TASK``). It hands the loop batches, a loss and an evaluation, and keeps these
promises, which make runs reproducible:

* ``batches(epoch, skip)`` is a function of the seed, the epoch and the position alone, so that a
  run that stopped after k batches of an epoch goes on with the (k+1)-th;
* what a batch carries over to the next (a recurrent state, say) is in ``state_dict``;
* sums, never means, leave it: :data:`Counts` of two parts of a data set, added, are the counts of
  the whole;
* where several processes carry out the run, each reads its part of every batch and of every split
  (:func:`experiments.ranks.rank_slice`); the loop adds counts and gradients up. ``count`` is what
  the mean loss is a mean over: gradients are weighted by it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from experiments.tasks.config import Metric, ProtocolConfig, TaskConfig

Batch = TypeVar("Batch")

Counts = dict[str, Tensor]
"""Sums over examples as float64 or integer scalars on the device, among them ``count``."""

Split = Literal["validation", "test"]


def add_counts(total: Counts, more: Counts) -> None:
    """Add ``more`` to ``total`` in place."""
    for name, value in more.items():
        total[name] = total.get(name, 0) + value  # a new tensor: a CUDA graph reuses its own


def read_counts(counts: Counts) -> dict[str, float]:
    """Bring counts to the host: the one synchronisation of a record."""
    return {name: float(value) for name, value in counts.items()}


class Task(ABC, Generic[Batch]):
    """Data, model, loss and metric of one of the paper's tasks, on one device."""

    config: TaskConfig
    metric: Metric
    """The configuration's, with the chance level of the data that were read."""
    batches_per_epoch: int
    held_out_examples: int
    """Examples that one evaluation of all splits reads; for estimates of time."""
    splits: tuple[Split, ...]
    """What :meth:`evaluate` can be asked for; ``test`` always, ``validation`` where configured."""
    origin: str
    """One line that says which data were read."""
    digest: str
    """Differs where the data differ that a run would read, wherever they lie: a run remembers it,
    and is never gone on with on other data."""
    skipped: int = 0
    """Damaged examples that were left out, where the configuration asks for that."""
    workers: int | None = None
    """Processes that read data for this one (``runner.workers``); None: as the task sees fit."""
    uses_every_parameter: ClassVar[bool] = True
    """False if some batch leaves a parameter without a gradient: several processes must know."""

    @abstractmethod
    def __init__(
        self,
        config: Any,
        protocol: ProtocolConfig,
        *,
        data_dir: Path,
        device: torch.device,
        seed: int,
    ) -> None:
        """Load the data. Raises :class:`~experiments.errors.UserError` for damaged data."""

    @abstractmethod
    def build_model(self) -> nn.Module:
        """The model with fresh parameters, drawn from torch's global generator, on the device."""

    @abstractmethod
    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The training batches of an epoch (0, 1, ...) from the ``skip``-th on, on the device."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Counts]:
        """The mean loss of a batch (to differentiate; nats), and its counts (detached)."""

    def due(self, *, last: bool) -> tuple[Split, ...]:
        """The splits to evaluate now; after the ``last`` update ``test`` must be among them."""
        return self.splits

    @abstractmethod
    def evaluate(self, model: nn.Module, split: Split) -> Counts:
        """The counts of a whole split; leaves the model in evaluation mode."""

    @abstractmethod
    def metrics(self, counts: Mapping[str, float]) -> dict[str, float]:
        """Means from counts: ``loss``, the headline metric, and whatever else is worth a line."""

    def files(self) -> dict[str, str]:
        """Text to keep beside the result of a complete run (file name → content)."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What one batch hands to the next, for the checkpoint; tensors and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
