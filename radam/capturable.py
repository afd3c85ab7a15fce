"""The same update with its numbers on the device, so that a CUDA graph can hold it.

Nothing here reads a value back: the update number, r_t, freezing and rates are tensors, one row
of numbers per parameter. On a GPU with Triton one pass over parameter, gradient and state makes
the update; elsewhere it is a handful of torch operations. The arithmetic is tested on the CPU
(the Triton kernel in Triton's interpreter); it has not run on a GPU yet.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from radam.kernels import NO_EPS, computed_in
from radam.state import Group, State, as_reals, follow, is_dense, rounds


def update_group(
    group: Group, states: dict[Tensor, State], weights: Callable[[Group, Tensor], Any]
) -> None:
    """Make one update of the parameters of ``group`` that have a gradient."""
    for params in rounds([p for p in group["params"] if p.grad is not None]):
        _update_each(params, group, states, weights)


def _update_each(
    params: list[Tensor],
    group: Group,
    states: dict[Tensor, State],
    weights: Callable[[Group, Tensor], Any],
) -> None:
    for p in params:
        follow(p, states[p], group)
    seen = {p: as_reals(p, states[p], group) for p in params}
    for device in dict.fromkeys(p.device for p in params):
        here = [p for p in params if p.device == device]
        steps = [states[p]["step"] for p in here]
        torch._foreach_add_(steps, 1)
        t = torch.stack([step.reshape(()) for step in steps]).double()
        exact = numbers(group, weights(group, t), t)
        rows = {torch.float64: exact, torch.float32: exact.float()}
        for number, p in enumerate(here):
            tensors = seen[p]
            row = rows[computed_in(tensors[0], tensors[2])][number]
            _implementation(tensors)(row, group["maximize"], tensors)


def numbers(group: Group, weights: Any, t: Tensor) -> Tensor:
    """Return the numbers of the update, float64 of shape (parameters, 9).

    In the order of the columns below: g ← g + coupled·θ; m ← m + learn1·(g − m), or at rest where
    that is 0; v ← keep2·v + learn2·g²; θ ← decay·θ less rate·m/(sqrt(v)/scale + eps), or less
    momentum·m where that is not 0.
    """
    beta1, beta2 = group["betas"]
    lr = group["lr"].to(t).reshape(()) if isinstance(group["lr"], Tensor) else group["lr"]
    weight_decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
    # Filled, not copied from the host: a graph under capture allows no such copy.
    adaptive, momentum, learning, eps = (
        x.to(t) if isinstance(x, Tensor) else torch.full_like(t, x) for x in weights
    )
    correction1, correction2 = 1 - beta1**t, (1 - beta2**t).sqrt()
    one, after = torch.ones_like(t), group["epsilon"] == "after"
    moves = ((adaptive != 0) | (momentum != 0)).to(t)
    columns = {
        "coupled": one * (0.0 if decoupled else weight_decay),
        "learn1": learning * (1 - beta1),
        "keep2": one * beta2,
        "learn2": one * (1 - beta2),
        "decay": 1 - moves * lr * (weight_decay if decoupled else 0.0),
        "rate": adaptive * lr / correction1 * (one if after else correction2),
        "momentum": momentum * lr / correction1,
        "scale": correction2 if after else one,
        "eps": eps * group["eps"] + (1 - eps) * NO_EPS,
    }
    return torch.stack(list(columns.values()), dim=1)


def _implementation(tensors: list[Tensor]) -> Callable[..., None]:
    p, g, m = tensors[:3]
    in_line = p.numel() > 0 and is_dense(p) and g.stride() == p.stride() == m.stride()
    return fused if p.is_cuda and in_line and triton_kernel() is not None else unfused


def unfused(row: Tensor, maximize: bool, tensors: list[Tensor]) -> None:
    """Update one parameter by torch operations; temporaries of its size."""
    p, g, m, v, *maximum = tensors
    coupled, learn1, keep2, learn2, decay, rate, momentum, scale, eps = row.unbind()
    theta, first, second = p.to(row.dtype), m.to(row.dtype), v.to(row.dtype)
    grad = (-g if maximize else g).to(row.dtype) + coupled * theta
    first = torch.where(learn1 != 0, first + learn1 * (grad - first), first)
    second = keep2 * second + learn2 * grad * grad
    m.copy_(first)
    v.copy_(second)
    if maximum:
        second = torch.maximum(maximum[0].to(row.dtype), second)
        maximum[0].copy_(second)
    adaptive_step = rate * first / (second.sqrt() / scale + eps)
    step = torch.where(rate != 0, adaptive_step, torch.zeros_like(theta))
    step = torch.where(momentum != 0, momentum * first, step)
    p.copy_((theta * decay - step).to(p.dtype))


def fused(row: Tensor, maximize: bool, tensors: list[Tensor]) -> None:
    """Update one parameter by one Triton kernel: 28 bytes of traffic a float32 element."""
    p, g, m, v, *maximum = tensors
    block = 1024
    with torch.cuda.device(p.get_device()):  # -1, the CPU in the interpreter, changes nothing.
        triton_kernel()[(-(-p.numel() // block),)](
            p,
            g,
            m,
            v,
            maximum[0] if maximum else v,
            row,
            p.numel(),
            MAXIMIZE=maximize,
            AMSGRAD=bool(maximum),
            BLOCK=block,
        )


@functools.cache
def triton_kernel() -> Any:
    """Return the kernel of `fused`, or None where there is no Triton."""
    try:
        from radam.triton_kernel import update
    except ImportError:
        return None
    return update
