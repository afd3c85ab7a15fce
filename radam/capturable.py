"""The same update with its numbers on the device, so that a CUDA graph can hold it.

Nothing here reads a value back: the update number, r_t, freezing and rates are tensors. Parameters
that are in step go through torch's fused kernel together, with one set of numbers. Others have a
row of numbers each, and on a GPU with Triton one pass over parameter, gradient and state; elsewhere
a handful of torch operations. The arithmetic is tested on the CPU (the Triton kernel in Triton's
interpreter); it has not run on a GPU yet.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from radam.batches import FUSED_DEVICES
from radam.kernels import NO_EPS, computed_in
from radam.state import Group, State, as_reals, follow, is_dense, rounds


class InStep:
    """Whether parameters have made as many updates, each as the others.

    That is read off the device once. From then on it stays so as long as the same tensors count and
    nobody else has written to them, which their versions tell without waiting.
    """

    def __init__(self) -> None:
        self.together = False
        self.known: list[tuple[Tensor, int]] = []

    def count(self, steps: list[Tensor], *, begun: bool) -> bool:
        """Count an update in each of ``steps``; returns whether all are in step.

        ``begun``: they were made just now. Under capture, where nothing can be read, what is not
        known is taken for not in step.
        """
        known = [(id(step), version) for step, version in self.known]
        if begun:
            self.together = True
        elif known != [(id(step), step._version) for step in steps]:
            capturing = steps[0].is_cuda and torch.cuda.is_current_stream_capturing()
            readable = not (capturing or steps[0].is_meta)
            self.together = readable and len(set(map(float, steps))) == 1
        torch._foreach_add_(steps, 1)
        self.known = [(step, step._version) for step in steps]
        return self.together


Known = dict[torch.device, InStep]
"""What is known of the parameters of a group that lie on a device."""


def update_group(
    group: Group,
    states: dict[Tensor, State],
    weights: Callable[[Group, Tensor], Any],
    known: Known,
) -> None:
    """Make one update of the parameters of ``group`` that have a gradient.

    ``known`` is what was found out of this group before.
    """
    for params in rounds([p for p in group["params"] if p.grad is not None]):
        _update_each(params, group, states, weights, known)


def _update_each(
    params: list[Tensor],
    group: Group,
    states: dict[Tensor, State],
    weights: Callable[[Group, Tensor], Any],
    known: Known,
) -> None:
    begun = not any("step" in states[p] for p in params)
    for p in params:
        follow(p, states[p], group)
    seen = {p: as_reals(p, states[p], group) for p in params}
    for device in dict.fromkeys(p.device for p in params):
        here = [p for p in params if p.device == device]
        steps = [states[p]["step"] for p in here]
        in_step = known.setdefault(device, InStep()).count(steps, begun=begun)
        if in_step and all(_fits_together(group, seen[p]) for p in here):
            t = steps[0].reshape(()).double()
            made_of = _like(t, weights(group, t))
            if _is_fused_together(made_of, steps):
                _update_together(group, made_of, t, steps, [seen[p] for p in here])
                continue
        t = torch.stack([step.reshape(()) for step in steps]).double()
        exact = numbers(group, _like(t, weights(group, t)), t)
        rows = {torch.float64: exact, torch.float32: exact.float()}
        for number, p in enumerate(here):
            tensors = seen[p]
            row = rows[computed_in(tensors[0], tensors[2])][number]
            _implementation(tensors)(row, group["maximize"], tensors)


def _fits_together(group: Group, tensors: list[Tensor]) -> bool:
    """Whether torch's fused kernel takes a parameter, with its rate from the device."""
    p = tensors[0]
    return (
        p.device.type in FUSED_DEVICES
        and {x.dtype for x in tensors} == {torch.float32}  # as the rate
        and is_dense(p)
        and not p.is_neg()
        and group["eps"] > 0
    )


def _is_fused_together(weights: Any, steps: list[Tensor]) -> bool:
    """Whether the kernel makes such an update: m learns, ε is added and θ moves, whatever t is. At
    rest it would not leave θ alone where m is infinite: 0·∞ is NaN."""
    float32 = all(step.dtype == torch.float32 for step in steps)
    always = weights.learning is True and weights.rests is False
    return always and weights.eps == 1.0 and float32


NO_CORRECTION = 1e30
"""An update number at which both bias corrections are exactly 1."""


def _update_together(
    group: Group, weights: Any, t: Tensor, steps: list[Tensor], tensors: list[list[Tensor]]
) -> None:
    """Update parameters that are in step by torch's fused kernel, in a handful of launches.

    The kernel steps by lr·m̂/(sqrt(v)/sqrt(1−β2^t) + ε), and lr may be a scalar on the device. With
    ε before the bias correction lr is the whole rate, and the kernel is told of an update number
    that leaves nothing to correct; after it, lr carries what an update weighs. Decay comes before,
    a momentum step after it; where an update has no adaptive step, lr is 0.
    """
    params, grads, exp_avgs, exp_avg_sqs, *maxima = (list(x) for x in zip(*tensors, strict=True))
    for number, (p, g) in enumerate(zip(params, grads, strict=True)):
        if g.stride() != p.stride():
            grads[number] = torch.empty_like(p).copy_(g)
    terms, after = _terms(group, weights, t), group["epsilon"] == "after"
    chosen = [terms["weight" if after else "rate"], terms["decay"], terms["momentum"]]
    rate, decay, momentum = torch.stack([_filled(x, t) for x in chosen]).float().unbind()
    weight_decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
    if weight_decay and decoupled:
        torch._foreach_mul_(params, decay)
    uncorrected = torch.full_like(rate, NO_CORRECTION)
    torch._fused_adam_(
        params,
        grads,
        exp_avgs,
        exp_avg_sqs,
        maxima[0] if maxima else [],
        steps if after else [uncorrected] * len(params),
        lr=rate,
        beta1=float(group["betas"][0]),
        beta2=float(group["betas"][1]),
        weight_decay=0.0 if decoupled else float(weight_decay),
        eps=float(group["eps"]),
        amsgrad=bool(maxima),
        maximize=group["maximize"],
    )
    if isinstance(weights.momentum, Tensor) or weights.momentum:
        torch._foreach_sub_(params, torch._foreach_mul(exp_avgs, momentum))


def _like(t: Tensor, weights: Any) -> Any:
    """The weights in ``t``'s type, those that are no tensors as they are."""
    return type(weights)(*(x.to(t) if isinstance(x, Tensor) else x for x in weights))


def _filled(x: Any, like: Tensor) -> Tensor:
    # Not copied from the host: a graph under capture allows no such copy.
    return x.expand_as(like) if isinstance(x, Tensor) else torch.full_like(like, float(x))


def numbers(group: Group, weights: Any, t: Tensor) -> Tensor:
    """Return the numbers of the update, float64 of shape (parameters, 9).

    In the order of the columns below: g ← g + coupled·θ; m ← m + learn1·(g − m), or at rest where
    that is 0; v ← keep2·v + learn2·g²; θ ← decay·θ less rate·m/(sqrt(v)/scale + eps), or less
    momentum·m where that is not 0.
    """
    beta1, beta2 = group["betas"]
    terms, after = _terms(group, weights, t), group["epsilon"] == "after"
    coupled = 0.0 if group["decoupled_weight_decay"] else group["weight_decay"]
    columns = {
        "coupled": coupled,
        "learn1": weights.learning * (1 - beta1),
        "keep2": beta2,
        "learn2": 1 - beta2,
        "decay": terms["decay"],
        "rate": terms["rate"],
        "momentum": terms["momentum"],
        "scale": terms["correction2"] if after else 1.0,
        "eps": weights.eps * group["eps"] + (1 - weights.eps) * NO_EPS,
    }
    return torch.stack([_filled(x, t) for x in columns.values()], dim=1)


def _terms(group: Group, weights: Any, t: Tensor) -> dict[str, Any]:
    """What of an update depends on its number or rate: like ``t``, or floats where it does not."""
    beta1, beta2 = group["betas"]
    lr = group["lr"].to(t).reshape(()) if isinstance(group["lr"], Tensor) else group["lr"]
    decay = group["weight_decay"] if group["decoupled_weight_decay"] else 0.0
    adaptive, momentum = weights.adaptive, weights.momentum
    correction1, correction2 = 1 - beta1**t, (1 - beta2**t).sqrt()
    moves = (adaptive != 0) | (momentum != 0)
    moves = moves.to(t) if isinstance(moves, Tensor) else moves
    after = group["epsilon"] == "after"
    return {
        "decay": 1 - moves * (lr * decay) if decay else 1.0,
        "weight": adaptive * lr,
        "rate": adaptive * lr / correction1 * (1.0 if after else correction2),
        "momentum": momentum * lr / correction1,
        "correction2": correction2,
    }


def _implementation(tensors: list[Tensor]) -> Callable[..., None]:
    p, g, m = tensors[:3]
    in_line = p.numel() > 0 and is_dense(p) and g.stride() == p.stride() == m.stride()
    return fused if p.is_cuda and in_line and triton_kernel() is not None else unfused


def unfused(row: Tensor, maximize: bool, tensors: list[Tensor]) -> None:
    """Update one parameter by torch operations; temporaries of its size."""
    p, g, m, v, *maximum = tensors
    coupled, learn1, keep2, learn2, decay, rate, momentum, scale, eps = row.unbind()
    theta, first, second = p.to(row.dtype), m.to(row.dtype), v.to(row.dtype)
    grad = (-g if maximize else g).to(row.dtype)
    grad = torch.where(coupled != 0, grad + coupled * theta, grad)
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
