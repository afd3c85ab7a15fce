"""Algorithm 1 (`radam.generic`) as an optimizer of torch's kind, to stand beside a fast one."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from radam import generic

AVERAGES = {"m": "exp_avg", "v": "exp_avg_sq", "v_max": "max_exp_avg_sq"}
"""The words of `radam.generic`, and of a state."""

OPTIONS = ("betas", "eps", "epsilon", "threshold", "early", "first_updates", "freeze_updates")
"""What both of them call by the same name."""


class Algorithm1(torch.optim.Optimizer):
    """What ``name`` does, parameter by parameter, in float64, rounded once an update.

    State and settings have the names that radam and torch give them, and are read anew at every
    step: whoever edits both optimizers alike gets the same from both.
    """

    def __init__(self, name: str, params: list[Tensor], settings: Mapping[str, Any]) -> None:
        self.name = "adam" if name == "amsgrad" else name  # AMSGrad is a setting.
        super().__init__([{**settings, "params": params}], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one update of each parameter that has a gradient, as often as it is there."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, self.state[p], group)

    def _update(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        kept = dict(list(AVERAGES.items())[: 3 if group["amsgrad"] else 2])
        made, memory = int(state.get("step", 0)), {}
        for word, name in kept.items():
            beginning = state.get("exp_avg_sq", torch.zeros_like(p, dtype=_type(p, group)))
            memory[word] = _wide(state.get(name, beginning).to(_type(p, group)))
        options = {word: group[word] for word in OPTIONS if word in group}
        if group["amsgrad"]:
            options["amsgrad"] = True
        method = generic.method(self.name, **options, decoupled=group["decoupled_weight_decay"])
        past = generic.State(
            max(0, made - method.sgd_updates), min(made, method.sgd_updates), memory
        )
        g = -_wide(p.grad) if group["maximize"] else _wide(p.grad)
        lr, weight_decay = float(group["lr"]), group["weight_decay"]
        p.copy_(_narrow(method.step(_wide(p), g, past, lr, weight_decay), p))
        for word, name in kept.items():
            state[name] = _narrow(past.memory[word], p).to(_type(p, group))
        state["step"] = torch.tensor(made + 1.0)


def _type(p: Tensor, group: dict[str, Any]) -> torch.dtype:
    dtype: torch.dtype = group["state_dtype"] or p.dtype
    return dtype.to_complex() if p.is_complex() else dtype


def _wide(x: Tensor | None) -> Tensor:
    """Return a float64 copy, of a complex tensor as pairs."""
    assert x is not None
    if x.is_complex():
        return torch.view_as_real(x.to(torch.complex128).resolve_conj())
    return x.to(torch.float64, copy=True)


def _narrow(x: Tensor, p: Tensor) -> Tensor:
    return torch.view_as_complex(x.contiguous()) if p.is_complex() else x
