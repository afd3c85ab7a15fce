"""Batch normalisation over the whole batch, however many processes share it.

A run's numbers do not depend on how many processes carry it out: statistics are those of the
global batch, in training and in the running averages, as one process computes them (up to
rounding). That is not what DistributedDataParallel does by itself (each process would normalise
by its own share).
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from experiments.ranks import place


def synchronise_batch_norm(model: nn.Module) -> nn.Module:
    """The model with its BatchNorm layers synchronised; parameters and names stay as they are.

    On CUDA torch's own ``SyncBatchNorm``, which exists only there; elsewhere the one below.
    """
    if place().world_size == 1:
        return model
    if next(model.parameters()).device.type == "cuda":
        synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return synchronised
    for module in model.modules():
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            module.__class__ = _SynchronisedBatchNorm  # parameters and averages stay in place
    return model


def count_together(model: nn.Module) -> list[Tensor]:
    """Have BatchNorm layers whose averages do not depend on it leave their batches uncounted.

    Returns their counters: whoever makes an update counts them all by one kernel, instead of one
    for each layer.
    """
    counters = []
    for module in model.modules():
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, _UncountedBatchNorm):
            counter = getattr(module, "num_batches_tracked", None)
            if counter is not None and module.momentum is not None:
                module.__class__ = _UncountedBatchNorm  # parameters and averages stay in place
                counters.append(counter)
    return counters


class _UncountedBatchNorm(nn.modules.batchnorm._BatchNorm):
    def _check_input_dim(self, input: Tensor) -> None:
        pass  # checked by the layer that this was

    def forward(self, input: Tensor) -> Tensor:
        averages = (self.running_mean, self.running_var)
        keep = self.momentum
        assert keep is not None
        return nn.functional.batch_norm(
            input, *averages, self.weight, self.bias, self.training, keep, self.eps
        )


class _SynchronisedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Written to be read: two sums over all processes forward, and as many backward."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # checked by the layer that this was

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        axes = [0, *range(2, input.dim())]
        shape = [1, -1] + [1] * (input.dim() - 2)
        count = torch.tensor([float(input.numel() / input.shape[1])], device=input.device)
        dist.all_reduce(count)
        mean = _sum_over_processes(input.sum(axes)) / count
        centred = input - mean.view(shape)
        variance = _sum_over_processes(centred.square().sum(axes)) / count
        self._average(mean.detach(), variance.detach() * count / (count - 1))
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is None:
            return normal
        return torch.addcmul(self.bias.view(shape), normal, self.weight.view(shape))

    @torch.no_grad()
    def _average(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        keep = self.momentum
        weight = 1 / float(self.num_batches_tracked) if keep is None else keep
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(unbiased_variance, weight)


class _Sum(torch.autograd.Function):
    """A sum over all processes whose gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _sum_over_processes(x: Tensor) -> Tensor:
    result: Tensor = _Sum.apply(x)
    return result
