"""What the last update of a parameter was made of, read from the optimizer's state."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer

from radam.adam_family import AdamFamily
from radam.kernels import NO_EPS


def last_update(
    optimizer: Optimizer, group: dict[str, Any], p: Tensor
) -> tuple[Tensor, Tensor] | None:
    """Return m and l of the update θ ← θ − α(λθ + m·l) last made to ``p`` (Algorithm 1).

    For the Adam family m is the bias-corrected average of the gradients and l the adaptive rate
    with r_t in it: 1 in an update of momentum alone, 0 in one that leaves θ at rest. For SGD with
    momentum m is the heavy ball, and l is 1.

    Args:
        optimizer: one that has just made an update.
        group: the one of its ``param_groups`` that ``p`` is in.
        p: a parameter.

    Returns:
        Two new tensors of the shape of ``p``, in the type of the state; None for a parameter, or
        an optimizer, that has no such state.
    """
    state = optimizer.state.get(p, {})
    if isinstance(optimizer, SGD) and isinstance(state.get("momentum_buffer"), Tensor):
        momentum = state["momentum_buffer"].detach().clone()
        return momentum, torch.ones_like(momentum)
    if not isinstance(optimizer, AdamFamily) or "step" not in state:
        return None
    t = int(state["step"])
    if group.get("first_updates") == "sgd_then_adam":
        t -= 4  # updates that the averages have not seen
    if t < 1:
        return None
    weights = optimizer._weights(group, t)
    beta1, beta2 = group["betas"]
    second = state["max_exp_avg_sq" if group["amsgrad"] else "exp_avg_sq"]
    correction = (1 - beta2**t) ** 0.5
    eps = group["eps"] if weights.eps else NO_EPS
    if group["epsilon"] == "after":
        adaptive = 1 / (second.sqrt() / correction + eps)
    else:
        adaptive = correction / (second.sqrt() + eps)
    return (
        state["exp_avg"] / (1 - beta1**t),
        adaptive.mul_(weights.adaptive).add_(weights.momentum),
    )
