"""The options of the optimizers: what there is, what may be, and what to write instead."""

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Set
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, TypedDict, get_type_hints

import torch
from torch import Tensor


class Options(TypedDict, total=False):
    """What every class of the Adam family takes by keyword.

    decoupled_weight_decay: the decay acts on the parameter (θ ← θ − αλθ), not on the gradient.
    epsilon: where ε is added: to sqrt(v) ``before`` the bias correction, or ``after``.
    maximize: go up the gradient.
    foreach, fused: which implementation; None chooses the fastest that the tensors allow.
    capturable: keep the numbers of the update on the device, so that a CUDA graph can hold it.
    state_dtype: the type of the running averages; None follows the parameter.

    The first two are None unless set: then the variant decides.
    """

    decoupled_weight_decay: bool | None
    epsilon: Literal["before", "after"] | None
    maximize: bool
    foreach: bool | None
    fused: bool | None
    capturable: bool
    state_dtype: torch.dtype | None


OPTIONS: Mapping[str, Any] = {
    "decoupled_weight_decay": None,
    "epsilon": None,
    "maximize": False,
    "foreach": None,
    "fused": None,
    "capturable": False,
    "state_dtype": None,
}
"""The defaults of `Options`."""

NUMBERS = ("lr", "betas", "eps", "weight_decay", "maximize")
"""The options that mean the same in every class, torch.optim's included."""

IMPLEMENTATION = ("foreach", "fused", "capturable", "state_dtype")
"""The options that say how an update is computed, not what it is."""

Given = ParamSpec("Given")


def takes_options(constructor: Callable[Given, None]) -> Callable[Given, None]:
    """Let a constructor refuse words that it does not know, and show the `Options` one by one.

    (In `help`, and to whoever asks `inspect.signature`.)
    """
    signature = inspect.signature(constructor)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    types = get_type_hints(Options)
    for name, default in OPTIONS.items():
        keyword = inspect.Parameter.KEYWORD_ONLY
        option = inspect.Parameter(name, keyword, default=default, annotation=types[name])
        parameters.append(option)
    known = [p.name for p in parameters[1:]]

    @functools.wraps(constructor)
    def checked(*args: Given.args, **given: Given.kwargs) -> None:
        for name in given:
            if name not in known:
                owner = type(args[0]).__name__
                raise TypeError(f"{owner} has no option {name!r}; {remedy(name, known)}")
        constructor(*args, **given)

    checked.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    checked.__doc__ = Options.__doc__
    return checked


def _number(accept: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Real) and not isinstance(value, bool) and accept(value)


def _one_of(*choices: str) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda value: isinstance(value, str) and value in choices,
        "one of " + ", ".join(map(repr, choices)),
    )


_IS_RATE = _number(lambda x: 0 <= x < math.inf)
_IS_FRACTION = _number(lambda x: 0 <= x < 1)


def _is_lr(value: Any) -> bool:
    if isinstance(value, Tensor):
        real = value.numel() == 1 and not value.is_complex() and value.dtype != torch.bool
        return real and (value.is_meta or _IS_RATE(value.item()))
    return _IS_RATE(value)


def _are_betas(value: Any) -> bool:
    try:
        pair = len(value) == 2 and not isinstance(value, Mapping | Set)
        return pair and all(map(_IS_FRACTION, value))
    except TypeError:  # No sequence.
        return False


_NOT_NEGATIVE = (_IS_RATE, "a finite number of at least 0")
_FRACTION = (_IS_FRACTION, "a number in [0, 1)")
_FLAG = (lambda value: isinstance(value, bool), "True or False")
_FLAG_OR_NONE = (lambda value: value is None or isinstance(value, bool), "True, False or None")

CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "lr": (_is_lr, "a finite number of at least 0, or a tensor with one element"),
    "betas": (
        _are_betas,
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
        _number(lambda value: isinstance(value, Integral) and int(value) >= 0),
        "a whole number of updates, at least 0",
    ),
    "amsgrad": _FLAG,
    "maximize": _FLAG,
    "capturable": _FLAG,
    "foreach": _FLAG_OR_NONE,
    "fused": _FLAG_OR_NONE,
    "state_dtype": (
        lambda value: (
            value is None
            or (isinstance(value, torch.dtype) and value in (torch.float32, torch.float64))
        ),
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
        if accept is not None and not accept(value):
            raise ValueError(f"{name} is {value!r}; write {remedy}")
    if options.get("fused") and options.get("foreach"):
        raise ValueError("fused and foreach are both True; write one of them, or none")


def remedy(word: str, known: Iterable[str]) -> str:
    """What to write instead of a word that is not known: the nearest, or which there are."""
    known = list(known)
    close = difflib.get_close_matches(str(word), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"write one of: {', '.join(known)}"
