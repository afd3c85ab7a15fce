"""From a parameter group to batches: what can be updated together, and by which implementation."""

from collections.abc import Iterator
from functools import partial
from operator import attrgetter, is_
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from radam.kernels import Apply, Batch, foreach, fused, plain, widened

Group = dict[str, Any]
State = dict[str, Any]

FUSED_DEVICES = {"cpu", "cuda"}
FUSED_DTYPES = {torch.float64, torch.float32, torch.float16, torch.bfloat16}
HALF = {torch.float16, torch.bfloat16}
ORDINARY = {Tensor, Parameter}

_dtype, _device, _layout = attrgetter("dtype"), attrgetter("device"), attrgetter("layout")


def batches(
    group: Group, states: dict[Tensor, State], known: list[Tensor]
) -> Iterator[tuple[int, Batch, Apply]]:
    """Yield the batches of a group: update number, tensors, and how to apply an update to them.

    ``known`` keeps, from one call to the next, the state tensors that were found in order.

    Parameters without a gradient are left out, and their update number stays. A step tensor is
    never changed, only replaced: parameters in step with each other share one, so that counting
    costs one addition however many they are.
    """
    params, grads, own = [], [], []
    for p in group["params"]:
        g = p.grad
        if g is not None:
            params.append(p)
            grads.append(g)
            own.append(states[p] or begin(p, group, states))
    if not params:
        return
    batch = Batch(
        params,
        grads,
        [state["exp_avg"] for state in own],
        [state["exp_avg_sq"] for state in own],
        [state["max_exp_avg_sq"] for state in own] if group["amsgrad"] else [],
    )
    if _is_plain_sailing(group, batch, own, known):
        yield _count(own), batch, fused
    else:
        yield from _split(group, params, grads, own)


def _is_plain_sailing(group: Group, batch: Batch, states: list[State], known: list[Tensor]) -> bool:
    """Whether one call of the fused kernel takes all as they are: the common case, told fast."""
    step, dtype = states[0]["step"], batch.params[0].dtype
    return (
        _wants_fused(group)
        and dtype in FUSED_DTYPES
        and group["state_dtype"] in (None, dtype)
        and all(state["step"] is step for state in states)
        and ORDINARY.issuperset(map(type, batch.params))
        and set(map(_layout, batch.grads)) == {torch.strided}
        and _are_alike(batch.params + batch.grads, dtype, batch.params[0].device)
        and _sizes(batch.params) == _sizes(batch.grads) == _sizes(batch.exp_avgs)
        and _are_known(batch, known)
    )


def _wants_fused(group: Group) -> bool:
    return bool(group["fused"]) or (group["fused"] is None and group["foreach"] is None)


def _are_alike(tensors: list[Tensor], dtype: torch.dtype, device: torch.device) -> bool:
    return (
        set(map(_dtype, tensors)) == {dtype}
        and set(map(_device, tensors)) == {device}
        and device.type in FUSED_DEVICES
        and all(map(Tensor.is_contiguous, tensors))
    )


def _sizes(tensors: list[Tensor]) -> list[int]:
    return list(map(Tensor.numel, tensors))


def _are_known(batch: Batch, known: list[Tensor]) -> bool:
    """Whether the state is like the parameters; seldom looked at, as it is seldom replaced."""
    tensors = batch.exp_avgs + batch.exp_avg_sqs + batch.max_exp_avg_sqs
    p = batch.params[0]
    if len(tensors) == len(known) and all(map(is_, tensors, known)):
        return known[0].dtype == p.dtype and known[0].device == p.device
    known[:] = tensors if _are_alike(tensors, p.dtype, p.device) else []
    return bool(known)


def _split(
    group: Group, params: list[Tensor], grads: list[Tensor], states: list[State]
) -> Iterator[tuple[int, Batch, Apply]]:
    """Sort parameters that differ in update number, type, device or layout into batches."""
    updates = {id(state["step"]): int(state["step"]) for state in states}
    members: dict[Any, tuple[list[State], Batch]] = {}
    for p, g, state in zip(params, grads, states, strict=True):
        refuse_sparse(g)
        follow(p, state, group)
        names = STATE_NAMES[group["amsgrad"]]
        tensors = [as_real(x) for x in (p, g, *(state[name] for name in names))]
        apply, dtype = _implementation(group, tensors)
        if apply is fused and tensors[1].stride() != tensors[0].stride():
            tensors[1] = torch.empty_like(tensors[0], dtype=g.dtype).copy_(tensors[1])
        key = (updates[id(state["step"])], tensors[0].dtype, p.device, apply, dtype)
        own, batch = members.setdefault(key, ([], Batch([], [], [], [], [])))
        own.append(state)
        for tensor, tensors_of_batch in zip(tensors, batch.lists, strict=False):
            tensors_of_batch.append(tensor)
    for (_, _, _, apply, dtype), (own, batch) in members.items():
        yield _count(own), batch, partial(widened, dtype=dtype, apply=apply) if dtype else apply


STATE_NAMES = {
    False: ("exp_avg", "exp_avg_sq"),
    True: ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
}
"""The running quantities, without and with AMSGrad."""


def begin(p: Tensor, group: Group, states: dict[Tensor, State]) -> State:
    """Return the state of ``p`` before its first update."""
    dtype = _state_dtype(p, group)
    state = states[p]
    state["step"] = torch.zeros((), dtype=torch.float32)
    for name in STATE_NAMES[group["amsgrad"]]:
        state[name] = torch.zeros_like(p, dtype=dtype, memory_format=torch.preserve_format)
    return state


def _state_dtype(p: Tensor, group: Group) -> torch.dtype:
    return p.dtype if p.is_complex() else group["state_dtype"] or p.dtype


def follow(p: Tensor, state: State, group: Group) -> None:
    """Bring the state to where and what the parameter is now, should it have moved."""
    dtype = _state_dtype(p, group)
    for name in STATE_NAMES[group["amsgrad"]]:
        x = state[name]
        if x.shape != p.shape:
            raise RuntimeError(
                f"{name} has shape {tuple(x.shape)}, but its parameter now has {tuple(p.shape)}; "
                "give the optimizer the new parameter, or remove the old state"
            )
        if x.dtype != dtype or x.device != p.device or x.stride() != p.stride():
            state[name] = torch.zeros_like(p, dtype=dtype).copy_(x)


def _count(states: list[State]) -> int:
    """Count one update of parameters that are in step, and return its number."""
    t = int(states[0]["step"]) + 1
    step = torch.tensor(float(t))
    for state in states:
        state["step"] = step
    return t


def refuse_sparse(g: Tensor | None) -> None:
    """Raise RuntimeError for a gradient that is not an ordinary, strided tensor."""
    if g is not None and g.layout is not torch.strided:
        raise RuntimeError(
            f"a gradient is sparse ({g.layout}), and moments of sparse gradients are not defined "
            "here; build the layer with sparse=False, or give it to torch.optim.SparseAdam"
        )


def as_real(x: Tensor) -> Tensor:
    """Return what the kernels work on: the local shard of a DTensor, complex as pairs of reals."""
    to_local = getattr(x, "to_local", None)
    if to_local is not None:
        x = to_local()
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def is_dense(x: Tensor) -> bool:
    """Whether the elements lie in memory without gaps or overlaps, in whatever order."""
    return x.is_contiguous() or torch.empty_like(x).stride() == x.stride()


def _implementation(group: Group, tensors: list[Tensor]) -> tuple[Apply, torch.dtype | None]:
    """Return how to update a parameter, and the type to do it in where that is not its own."""
    p, g, m = tensors[:3]
    ordinary = type(p) in ORDINARY
    apply = plain
    if group["foreach"] or (group["foreach"] is None and ordinary):
        apply = foreach
    if _wants_fused(group):
        # The fused kernels read memory as it lies: no gaps, no overlaps.
        fits = ordinary and p.device.type in FUSED_DEVICES and m.dtype in FUSED_DTYPES
        if fits and is_dense(p):
            apply = fused
        elif group["fused"]:
            raise RuntimeError(
                f"fused=True, but there is no fused kernel for a {p.dtype} {type(p).__name__} of "
                f"strides {p.stride()} on {p.device.type}; leave fused out to have one chosen"
            )
    alike = p.dtype == g.dtype == m.dtype
    if alike and (apply is fused or p.dtype not in HALF):
        return apply, None
    return apply, torch.float32 if m.dtype in HALF else m.dtype
