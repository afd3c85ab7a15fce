"""The zoo: every optimizer of the paper and its neighbours, by name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from radam import optimizers
from radam.adam_family import AdamFamily
from radam.options import check as check_values
from radam.options import remedy


@dataclass(frozen=True)
class Entry:
    """One optimizer of the zoo: all that is said of it anywhere, but how it is drawn.

    Attributes:
        name: what `make_optimizer` and configurations call it.
        title: what figures and tables call it.
        build: the class, or a function with its arguments.
        reference: where it comes from.
        warmup: the warmup that makes it what it is, by its name in `radam.schedules`, or None.
        capture: the options with which a CUDA graph can hold its step, rate included, where that
            is not the switch ``capturable``.
        uncaptured: values of options with which none can.
    """

    name: str
    title: str
    build: Callable[..., Optimizer]
    reference: str
    warmup: str | None = None
    capture: Mapping[str, Any] | None = None
    uncaptured: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Every option that it takes, besides parameters and lr, with its default."""
        parameters = inspect.signature(self.build).parameters
        return {
            name: parameter.default
            for name, parameter in parameters.items()
            if name not in ("params", "lr")
        }

    def captured(self, options: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What to add to ``options`` for a step that a CUDA graph can hold; None if none can."""
        if any(options.get(name) == value for name, value in self.uncaptured.items()):
            return None
        return {"capturable": True} if "capturable" in self.defaults else self.capture


_RADAM = "Liu et al., ICLR 2020, arXiv 1908.03265"
_UNTUNED = "Ma & Yarats, AAAI 2021, arXiv 1910.04209"

ZOO: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "sgd",
            "SGD",
            partial(torch.optim.SGD, momentum=0.9),
            "heavy ball, Polyak 1964; momentum 0.9 as in the paper's experiments",
            capture={"fused": True},  # in torch's SGD this alone takes the rate from the device
        ),
        Entry("adam", "Adam", optimizers.Adam, "Kingma & Ba, ICLR 2015, arXiv 1412.6980"),
        Entry("adam_warmup", "Adam+warmup", optimizers.Adam, _RADAM, warmup="linear"),
        Entry("adam_2k", "Adam-2k", optimizers.Adam2k, _RADAM),
        Entry("adam_eps", "Adam-eps", optimizers.AdamEps, _RADAM),
        Entry("radam", "RAdam", optimizers.RAdam, _RADAM),
        Entry(
            "radam_4step",
            "RAdam 4-step",
            optimizers.RAdam4Step,
            f"{_RADAM}, Appendix C",
            uncaptured={"first_updates": "sgd_then_adam"},
        ),
        Entry(
            "adam_untuned_linear",
            "Adam+untuned linear warmup",
            optimizers.Adam,
            _UNTUNED,
            warmup="untuned_linear",
        ),
        Entry(
            "adam_untuned_exponential",
            "Adam+untuned exponential warmup",
            optimizers.Adam,
            _UNTUNED,
            warmup="untuned_exponential",
        ),
        Entry("adamw", "AdamW", optimizers.AdamW, "Loshchilov & Hutter, arXiv 1711.05101"),
        Entry("amsgrad", "AMSGrad", optimizers.AMSGrad, "Reddi et al., ICLR 2018"),
        Entry("adagrad", "Adagrad", torch.optim.Adagrad, "Duchi et al., JMLR 2011"),
        Entry("adadelta", "Adadelta", torch.optim.Adadelta, "Zeiler, arXiv 1212.5701"),
        Entry("rmsprop", "RMSProp", torch.optim.RMSprop, "Hinton et al., lecture 6e, 2012"),
    )
}
"""Every optimizer by its name, in the order in which results list them."""


def make_optimizer(
    name: str, params: ParamsT, *, lr: float | Tensor, **overrides: Any
) -> Optimizer:
    """Build the optimizer that the zoo calls ``name``.

    Args:
        name: a key of `ZOO`.
        params: parameters, named parameters, or groups of them as dicts.
        lr: the rate α; the optimizers that have a warmup get it from a schedule.
        overrides: options in place of the entry's defaults.

    Raises:
        ValueError: in one line: the field, its value, and what to write instead.
    """
    check(name, {"lr": lr, **overrides})
    return ZOO[name].build(params, lr=lr, **overrides)


def check(name: str, options: Mapping[str, Any]) -> None:
    """Raise ValueError, naming field, value and remedy, unless ``name`` takes ``options``."""
    if name not in list(ZOO):
        raise ValueError(f"optimizer {name!r} is unknown; {remedy(name, ZOO)}")
    known = {"lr": None, **ZOO[name].defaults}
    for option in options:
        if option not in known:
            raise ValueError(
                f"optimizer {name!r} has no option {option!r}; {remedy(option, known)}"
            )
    build = ZOO[name].build
    if "variant" in options and isinstance(build, type) and issubclass(build, AdamFamily):
        build.switches(options["variant"])
    given = {key: value for key, value in options.items() if value is not known[key]}
    check_values({"lr": options["lr"], **given} if "lr" in options else given)
