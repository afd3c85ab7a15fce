"""The state of a parameter: begun, kept where and what the parameter is, seen as kernels take it.

It is laid out as torch.optim's Adam lays it out: ``step``, ``exp_avg``, ``exp_avg_sq`` and, with
AMSGrad, ``max_exp_avg_sq``; tensors of one parameter alone. They are the user's, who may edit,
replace, move or remove them between two updates.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

Group = dict[str, Any]
State = dict[str, Any]

AVERAGES = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
"""The running quantities; the last with AMSGrad alone."""

ORDINARY = {Tensor, Parameter}
"""The types of what is no DTensor, and no other stand-in for a tensor."""

STEP_DTYPES = {torch.float32, torch.float64}
"""What counts updates without rounding their number."""


def averages(group: Group) -> tuple[str, ...]:
    """Return the names of the running quantities that a group has."""
    return AVERAGES if group["amsgrad"] else AVERAGES[:2]


def check_state(state: State, of: object) -> None:
    """Raise ValueError for a state that is neither empty nor one of the Adam family."""
    if state and not {"step", "exp_avg", "exp_avg_sq"} <= state.keys():
        raise ValueError(
            f"the state of parameter {of} holds {', '.join(map(str, state))}; the Adam family "
            "needs step, exp_avg and exp_avg_sq: load a checkpoint of one of it"
        )


def follow(p: Tensor, state: State, group: Group) -> None:
    """Begin the state of ``p``, or bring it to where and what the parameter is by now.

    Raises:
        ValueError: if the state is not one of the Adam family.
        RuntimeError: if it has another shape than the parameter.
    """
    check_state(state, f"of shape {tuple(p.shape)}")
    state["step"] = own_step(state.get("step", 0), p, group)
    dtype = type_of_averages(p, group)
    for name in averages(group):
        x = state.get(name, state.get("exp_avg_sq"))  # A new maximum is the v that there is.
        if x is None:
            state[name] = torch.zeros_like(p, dtype=dtype)
        elif x.shape != p.shape:
            raise RuntimeError(
                f"{name} has shape {tuple(x.shape)}, but its parameter now has {tuple(p.shape)}; "
                "give the optimizer the new parameter, or remove the old state"
            )
        elif name not in state or x.dtype != dtype or not _lies_like(x, p):
            state[name] = torch.zeros_like(p, dtype=dtype).copy_(x)


def type_of_averages(p: Tensor, group: Group) -> torch.dtype:
    """Return the type that the running quantities have."""
    dtype: torch.dtype = group["state_dtype"] or p.dtype
    return dtype.to_complex() if p.is_complex() else dtype


def own_step(step: Any, p: Tensor, group: Group) -> Tensor:
    """Return an update number as a tensor that can be counted up, where it is read."""
    device = p.device if group["capturable"] else torch.device("cpu")
    if not isinstance(step, Tensor):
        return torch.tensor(float(step), dtype=torch.float32, device=device)
    return step.to(device, step.dtype if step.dtype in STEP_DTYPES else torch.float32)


def _lies_like(x: Tensor, p: Tensor) -> bool:
    """Whether ``x`` lies on devices and in memory as a new state of ``p`` would."""
    return (
        x.device == p.device
        and not (x.is_conj() or x.is_neg())
        and _placements(x) == _placements(p)
        and (x.stride() == p.stride() or not is_dense(p))
    )


def is_dense(x: Tensor) -> bool:
    """Whether the elements lie in memory without gaps or overlaps, in whatever order."""
    return x.is_contiguous() or torch._debug_has_internal_overlap(x) == 0


def _placements(x: Tensor) -> tuple[Any, Any]:
    """How a DTensor is spread over devices; nothing of an ordinary tensor."""
    if type(x) in ORDINARY:
        return None, None
    return getattr(x, "device_mesh", None), getattr(x, "placements", None)


def as_reals(p: Tensor, state: State, group: Group) -> list[Tensor]:
    """Return ``p``, its gradient and its running quantities as what an update works on.

    That is the local shard of a DTensor, and a complex tensor as pairs of reals.

    Raises:
        RuntimeError: if the gradient is sparse, or of another shape than the parameter.
    """
    seen = [_as_real(x) for x in (p, _gradient(p), *(state[name] for name in averages(group)))]
    if any(x.shape != seen[0].shape for x in seen):
        shapes = ", ".join(str(tuple(x.shape)) for x in seen)
        raise RuntimeError(f"parameter, gradient and state differ in their local shapes: {shapes}")
    return seen


def _gradient(p: Tensor) -> Tensor:
    """Return the gradient, spread over devices as the parameter is."""
    g = p.grad
    assert g is not None
    if g.layout is not torch.strided:
        raise RuntimeError(
            f"a gradient is sparse ({g.layout}), and moments of sparse gradients are not defined "
            "here; build the layer with sparse=False, or give it to torch.optim.SparseAdam"
        )
    if g.shape != p.shape:
        raise RuntimeError(
            f"a gradient has shape {tuple(g.shape)}, but its parameter now has {tuple(p.shape)}; "
            "set it to None and compute it anew"
        )
    if _placements(g) != _placements(p):
        g = g.redistribute(*_placements(p))  # type: ignore[attr-defined]
    return g.resolve_conj().resolve_neg()


def _as_real(x: Tensor) -> Tensor:
    if type(x) not in ORDINARY and hasattr(x, "to_local"):
        x = x.to_local()
    return torch.view_as_real(x) if x.is_complex() else x


def rounds(params: list[Tensor]) -> Iterator[list[Tensor]]:
    """Yield every parameter once, then again those that are there more often."""
    while params:
        once = dict.fromkeys(params)
        yield list(once)
        params = [p for p in params if once.pop(p, True)]
