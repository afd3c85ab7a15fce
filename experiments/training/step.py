"""One update: forward, backward, clip, step; and one evaluation. What every task shares."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from experiments.ranks import place
from experiments.tasks.task import Counts, Split, Task, add_counts
from experiments.training.batch_norm import count_together
from experiments.training.cuda_graphs import Capture, Captured
from experiments.training.distributed import all_reduce_sum, data_parallel, no_sync

_WEIGHED = "weighed loss"

_IMPLEMENTATION = ("capturable", "fused", "foreach")
"""Options of an optimizer that say how a step is carried out, not which."""


class Made(NamedTuple):
    """What an update leaves, on the device."""

    loss: Tensor
    counts: Counts
    gradients: list[Tensor | None]
    """Of the parameters, clipped; a CUDA graph leaves them where it was recorded with them."""


class Step:
    """Carries out updates of one model on batches of its task, and evaluations.

    Args:
        task: gives the loss.
        model: in training mode when called.
        optimizer: its rate is set before every update.
        autocast: the precision's context, entered around the forward pass.
        grad_clip: largest norm of the gradient over all parameters, or None.
        capture: whether updates and evaluations become CUDA graphs, which the optimizer's
            options must allow (:meth:`radam.zoo.Entry.captured`).
            False: the same kernels, launched one by one. None: nothing is made ready for graphs.
    """

    def __init__(
        self,
        task: Task[Any],
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        autocast: AbstractContextManager[object],
        grad_clip: float | None,
        *,
        capture: Capture | None = None,
    ) -> None:
        self.task, self.model, self.optimizer = task, model, optimizer
        self.autocast, self.grad_clip = autocast, grad_clip
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.counters = count_together(model) if place().world_size == 1 else []
        self.loss = data_parallel(task, model)
        self.device = self.parameters[0].device
        self.rate = torch.zeros((), device=self.device)
        """α_t where a graph finds it."""
        self.calls = None if capture is None else Captured(capture, self.device, self._changed)

    @property
    def captured(self) -> bool:
        """Whether updates become graphs."""
        return self.calls is not None and self.calls.capture is not False and not self.trouble

    @property
    def trouble(self) -> str | None:
        """Why updates do not become graphs that were meant to; None if they do."""
        return None if self.calls is None else self.calls.trouble

    def _changed(self) -> list[list[Tensor]]:
        """What an update changes: parameters, buffers, the optimizer's state."""
        state = [value for values in self.optimizer.state.values() for value in values.values()]
        return [
            [p.detach() for p in self.parameters],
            list(self.model.buffers()),
            [value for value in state if isinstance(value, Tensor)],
        ]

    def __call__(self, batches: Sequence[Any], lr: float) -> tuple[Tensor, Counts]:
        """Make one update with the rate ``lr`` from the gradient of the mean loss of ``batches``.

        The mean is over all that the batches count in all processes, not over batches and
        processes: what a batch weighs is its ``count``. Returns the mean (a scalar on the device,
        not yet read) and the counts, both of all processes; they hold until the next update.
        """
        rate = lr if self.calls is None else self.rate.fill_(lr)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.calls is None:
            made = self._update(batches)
        else:
            made = self.calls("update", self._update, batches)
            for p, gradient in zip(self.parameters, made.gradients, strict=True):
                p.grad = gradient
        return made.loss, made.counts

    def _update(self, batches: Sequence[Any]) -> Made:
        """The update itself. On one device it waits for nothing and reads nothing back."""
        self.optimizer.zero_grad(set_to_none=True)
        processes = place().world_size
        weigh = len(batches) > 1 or processes > 1
        total: Counts = {}
        weighed: list[Tensor] = []
        for number, batch in enumerate(batches, 1):
            with no_sync(self.loss, number < len(batches)):
                with self.autocast:
                    loss, counts = self.loss(batch)
                if weigh:
                    loss = loss * counts["count"]
                loss.backward()
            weighed.append(loss.detach())
            add_counts(total, counts)
        if self.counters:
            torch._foreach_add_(self.counters, len(batches))
        mean = weighed[0]
        if weigh:
            total = all_reduce_sum({**total, _WEIGHED: torch.stack(weighed).sum()})
            mean = total.pop(_WEIGHED) / total["count"]
            # The gradients are the processes' mean of sums; wanted is the mean of what counts.
            grads = [p.grad for p in self.parameters if p.grad is not None]
            torch._foreach_div_(grads, total["count"] / processes)
        if self.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.grad_clip)
        self.optimizer.step()
        return Made(mean, total, [p.grad for p in self.parameters])

    def evaluate(self, split: Split) -> Counts:
        """The counts of a whole split; leaves the model in evaluation mode."""
        if self.calls is None or "evaluation" not in self.task.config.capturable:
            return self._evaluate(split)
        return self.calls(f"evaluation on {split}", lambda _: self._evaluate(split))

    @torch.no_grad()
    def _evaluate(self, split: Split) -> Counts:
        with self.autocast:
            return self.task.evaluate(self.model, split)

    def load_optimizer(self, state: dict[str, Any]) -> None:
        """Take the optimizer's state from a checkpoint, captured or not as this run is."""
        groups = zip(self.optimizer.param_groups, state["param_groups"], strict=True)
        for own, saved in groups:
            saved.update({name: own[name] for name in _IMPLEMENTATION if name in own})
        self.optimizer.load_state_dict(state)
