"""One update: forward, backward, clip, step. What every task shares and nothing else."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from experiments.processes import place
from experiments.tasks.task import Counts, Task, add_counts
from experiments.training.distributed import add_up, held_back, share_gradients

_WEIGHED = "weighed loss"


class Step:
    """Carries out updates of one model on batches of its task.

    Args:
        task: gives the loss.
        model: in training mode when called.
        optimizer: its rate is set before every update.
        autocast: the precision's context, entered around the forward pass.
        grad_clip: largest norm of the gradient over all parameters, or None.
    """

    def __init__(
        self,
        task: Task[Any],
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        autocast: AbstractContextManager[object],
        grad_clip: float | None,
    ) -> None:
        self.task, self.model, self.optimizer = task, model, optimizer
        self.autocast, self.grad_clip = autocast, grad_clip
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.loss = share_gradients(task, model)

    def __call__(self, batches: Sequence[Any], lr: float) -> tuple[Tensor, Counts]:
        """Make one update with the rate ``lr`` from the gradient of the mean loss of ``batches``.

        The mean is over all that the batches count in all processes, not over batches and
        processes: what a batch weighs is its ``count``. Returns the mean (a scalar on the device,
        not yet read) and the counts, both of all processes.
        """
        self.optimizer.zero_grad(set_to_none=True)
        processes = place().size
        weigh = len(batches) > 1 or processes > 1
        total: Counts = {}
        weighed: list[Tensor] = []
        for number, batch in enumerate(batches, 1):
            with held_back(self.loss, number < len(batches)):
                with self.autocast:
                    loss, counts = self.loss(batch)
                if weigh:
                    loss = loss * counts["count"]
                loss.backward()
            weighed.append(loss.detach())
            add_counts(total, counts)
        mean = weighed[0]
        if weigh:
            total = add_up({**total, _WEIGHED: torch.stack(weighed).sum()})
            mean = total.pop(_WEIGHED) / total["count"]
            # The gradients are the processes' mean of sums; wanted is the mean of what counts.
            grads = [p.grad for p in self.parameters if p.grad is not None]
            torch._foreach_div_(grads, total["count"] / processes)
        if self.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.grad_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        return mean, total
