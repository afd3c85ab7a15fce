"""From a parameter group to batches: what can be updated together, and by which implementation."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from radam.kernels import Apply, Batch, computed_in, foreach, fused, plain, widened
from radam.state import ORDINARY, Group, State, as_reals, averages, follow, is_dense, rounds

FUSED_DEVICES = {"cpu", "cuda"}
FUSED_DTYPES = {torch.float64, torch.float32, torch.float16, torch.bfloat16}

COUNTED = (torch.device("cpu"), torch.float32)
"""Where and what an update number is, unless somebody has changed it."""

_groups_by_device_and_dtype = torch._C._group_tensors_by_device_and_dtype

MINUS_ONE = torch.full((), -1.0, dtype=torch.float32, device="cpu")

_shape, _layout = attrgetter("shape"), attrgetter("layout")


def batches(group: Group, states: dict[Tensor, State]) -> Iterator[tuple[int, Batch, Apply]]:
    """Yield the batches of a group: update number, tensors, and how to apply an update to them.

    Parameters without a gradient are left out, and their update number stays. Nothing is counted
    before all are found to fit. A parameter that is there twice is updated twice.
    """
    params: list[Tensor] = []
    grads: list[Tensor] = []
    for p in group["params"]:
        g = p.grad
        if g is not None:
            params.append(p)
            grads.append(g)
    if not params:
        return
    own = [states[p] for p in params]
    steps: list[Any] = [state.get("step") for state in own]
    averaged: Any = [[state.get(name) for state in own] for name in averages(group)]
    batch = Batch(params, grads, *averaged)
    if _are_alike(group, batch, steps):
        apply = _apply(*_implementation(group, params[0], grads[0], batch.exp_avgs[0]))
        yield _count(steps), batch, apply
        return
    for once in rounds(params):
        yield from _sorted(group, once, states)


def _are_alike(group: Group, batch: Batch, steps: list[Any]) -> bool:
    """Whether what suits the first parameter suits all, as they are: the common case, told fast.

    Nothing is remembered: whatever was done to the tensors since the last step is seen.
    """
    p, tensors = batch.params[0], list(chain(*batch.lists))
    return (
        p.dtype in FUSED_DTYPES
        and group["state_dtype"] in (None, p.dtype)
        and ORDINARY.issuperset(map(type, chain(tensors, steps)))
        and _are_all(tensors, (p.device, p.dtype))
        and set(map(_layout, batch.grads)) == {torch.strided}
        and not any(map(Tensor.is_neg, batch.params + batch.grads))
        and _agree(batch, _shape)
        and (all(map(Tensor.is_contiguous, tensors)) or _lie_alike(batch))
        and _are_all(steps, COUNTED)
        and len(set(map(id, steps))) == len(steps)
        and len(set(map(Tensor.item, steps))) == 1
    )


def _are_all(tensors: list[Any], kind: tuple[torch.device, torch.dtype]) -> bool:
    return _groups_by_device_and_dtype([tensors], False).keys() == {kind}


def _agree(batch: Batch, attribute: Callable[[Tensor], Any]) -> bool:
    """Whether gradients and state have an attribute from their parameters."""
    wanted = list(map(attribute, batch.params))
    return all(list(map(attribute, others)) == wanted for others in batch.lists[1:] if others)


def _lie_alike(batch: Batch) -> bool:
    """Whether all lie in memory as their parameters do, as with channels last."""
    return all(map(is_dense, batch.params)) and _agree(batch, Tensor.stride)


def _count(steps: list[Tensor]) -> int:
    """Count one update of parameters that are in step, and return its number.

    By a step of SGD along -1, which on a CPU takes a seventh of the time of `_foreach_add_`.
    """
    torch._fused_sgd_(
        steps,
        [MINUS_ONE] * len(steps),
        [],
        weight_decay=0.0,
        momentum=0.0,
        lr=1.0,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )
    return int(steps[0])


def _sorted(
    group: Group, params: list[Tensor], states: dict[Tensor, State]
) -> Iterator[tuple[int, Batch, Apply]]:
    """Sort parameters that differ in update number, type, device or layout into batches."""
    members: dict[Any, tuple[list[Tensor], Batch]] = {}
    found: set[int] = set()
    for p in params:
        state = states[p]
        follow(p, state, group)
        if id(state["step"]) in found:  # It counts the updates of one parameter alone.
            state["step"] = state["step"].clone()
        found.add(id(state["step"]))
        tensors = as_reals(p, state, group)
        kernel, dtype = _implementation(group, *tensors[:3])
        if kernel is fused and tensors[1].stride() != tensors[0].stride():
            tensors[1] = torch.empty_like(tensors[0], dtype=tensors[1].dtype).copy_(tensors[1])
        key = (int(state["step"]), tensors[0].dtype, tensors[0].device, kernel, dtype)
        steps, batch = members.setdefault(key, ([], Batch([], [], [], [], [])))
        steps.append(state["step"])
        for tensor, tensors_of_batch in zip(tensors, batch.lists, strict=False):
            tensors_of_batch.append(tensor)
    for (t, _, _, kernel, dtype), (steps, batch) in members.items():
        torch._foreach_add_(steps, 1)
        yield t + 1, batch, _apply(kernel, dtype)


def _implementation(
    group: Group, p: Tensor, g: Tensor, m: Tensor
) -> tuple[Apply, torch.dtype | None]:
    """Return how to update a parameter, and the type to do it in where its tensors are widened."""
    kernel, dtype = _kernel(group, p, m), computed_in(p, m)
    alike = p.dtype == g.dtype == m.dtype
    return kernel, None if alike and (kernel is fused or p.dtype == dtype) else dtype


def _apply(kernel: Apply, dtype: torch.dtype | None) -> Apply:
    return partial(widened, dtype=dtype, apply=kernel) if dtype else kernel


def _kernel(group: Group, p: Tensor, m: Tensor) -> Apply:
    if p.is_neg():  # Only what works on one tensor writes to a negated view.
        return plain
    ordinary = {type(p), type(m)} <= ORDINARY
    if group["fused"] or (group["fused"] is None and group["foreach"] is None):
        # The fused kernels read memory as it lies: no gaps, no overlaps.
        fits = p.device.type in FUSED_DEVICES and m.dtype in FUSED_DTYPES and is_dense(p)
        if fits and (ordinary or group["fused"]):
            return fused
        if group["fused"]:
            raise RuntimeError(
                f"fused=True, but there is no fused kernel for a {p.dtype} {type(p).__name__} of "
                f"strides {p.stride()} on {p.device.type}; leave fused out to have one chosen"
            )
    return foreach if group["foreach"] or (group["foreach"] is None and ordinary) else plain
