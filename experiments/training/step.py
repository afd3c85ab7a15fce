"""One update: forward, backward, clip, step. What every task shares and nothing else."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from experiments.tasks.task import Counts, Task, add_counts


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

    def __call__(self, batches: Sequence[Any], lr: float) -> tuple[Tensor, Counts]:
        """Make one update with the rate ``lr`` from the gradient of the mean loss of ``batches``.

        The mean is over all that the batches count, not over the batches: what a batch weighs is
        its ``count``. Returns it (a scalar on the device, not yet read) and the counts.
        """
        self.optimizer.zero_grad(set_to_none=True)
        total: Counts = {}
        weighed: list[Tensor] = []
        for batch in batches:
            with self.autocast:
                loss, counts = self.task.loss(self.model, batch)
            if len(batches) > 1:
                loss = loss * counts["count"]
            loss.backward()
            weighed.append(loss.detach())
            add_counts(total, counts)
        mean = weighed[0]
        if len(batches) > 1:
            mean = torch.stack(weighed).sum() / total["count"]
            grads = [p.grad for p in self.parameters if p.grad is not None]
            torch._foreach_div_(grads, total["count"])
        if self.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.grad_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        return mean, total
