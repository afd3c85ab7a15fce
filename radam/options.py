"""What the options of the optimizers may be, with an error that says what to write instead."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor


def _number(accept: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Real) and not isinstance(value, bool) and accept(value)


def _one_of(*choices: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in choices, "one of " + ", ".join(map(repr, choices))


def _is_lr(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1
    return isinstance(value, Real) and 0 <= float(value) < math.inf


_NOT_NEGATIVE = (_number(lambda x: 0 <= x < math.inf), "a finite number of at least 0")
_FRACTION = (_number(lambda x: 0 <= x < 1), "a number in [0, 1)")
_FLAG = (lambda value: isinstance(value, bool), "True or False")
_FLAG_OR_NONE = (lambda value: value is None or isinstance(value, bool), "True, False or None")

CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "lr": (_is_lr, "a finite number of at least 0, or a tensor with one element"),
    "betas": (
        lambda value: len(value) == 2 and all(map(_FRACTION[0], value)),
        "two numbers in [0, 1), such as (0.9, 0.999)",
    ),
    "eps": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "decoupled_weight_decay": _FLAG,
    "epsilon": _one_of("before", "after"),
    "threshold": _one_of(">4", ">=5", ">5"),
    "early": _one_of("momentum", "skip", "adam"),
    "first_updates": _one_of("rectified", "skip", "adam", "sgd_then_adam"),
    "freeze_updates": (
        lambda value: isinstance(value, int) and value >= 0,
        "a whole number of updates, at least 0",
    ),
    "amsgrad": _FLAG,
    "maximize": _FLAG,
    "capturable": _FLAG,
    "foreach": _FLAG_OR_NONE,
    "fused": _FLAG_OR_NONE,
    "state_dtype": (
        lambda value: value is None or value in (torch.float32, torch.float64),
        "torch.float32, torch.float64, or None for the parameter's own",
    ),
    "momentum": _NOT_NEGATIVE,
    "dampening": _NOT_NEGATIVE,
    "alpha": _FRACTION,
    "rho": _FRACTION,
    "lr_decay": _NOT_NEGATIVE,
    "initial_accumulator_value": _NOT_NEGATIVE,
    "nesterov": _FLAG,
    "centered": _FLAG,
}
"""Every option of every optimizer: whether a value will do, and what to write if not."""


def check(options: Mapping[str, Any]) -> None:
    """Raise ValueError, naming field, value and remedy, for the first option that will not do."""
    for name, value in options.items():
        accept, remedy = CHECKS.get(name, (None, ""))
        if accept is None:
            continue
        try:
            fits = accept(value)
        except TypeError:
            fits = False
        if not fits:
            raise ValueError(f"{name} is {value!r}; write {remedy}")
    if options.get("fused") and options.get("foreach"):
        raise ValueError("fused and foreach are both True; write one of them, or none")


def remedy(word: str, known: Iterable[str]) -> str:
    """What to write instead of a word that is not known: the nearest, or which there are."""
    known = list(known)
    close = difflib.get_close_matches(str(word), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"write one of: {', '.join(known)}"
