"""The zoo: every optimizer of the paper and its neighbours, by name."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from radam import optimizers
from radam.adam_family import OPTIONS, AdamFamily
from radam.options import check as check_values


@dataclass(frozen=True)
class Entry:
    """One optimizer of the zoo.

    Attributes:
        name: what `make_optimizer` and configurations call it.
        title: what figures and tables call it.
        build: the class, or a function with its arguments.
        warmup: the warmup that makes it what it is, by its name in `radam.schedules`, or None.
        reference: where it comes from.
    """

    name: str
    title: str
    build: Callable[..., Optimizer]
    warmup: str | None
    reference: str

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Every option that it takes, besides parameters and lr, with its default."""
        parameters = inspect.signature(self.build).parameters.values()
        own = {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.kind is not parameter.VAR_KEYWORD
            and parameter.name not in ("params", "lr")
        }
        takes_options = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        return {**own, **OPTIONS} if takes_options else own


_RADAM = "Liu et al., ICLR 2020, arXiv 1908.03265"
_UNTUNED = "Ma & Yarats, AAAI 2021, arXiv 1910.04209"

ZOO: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "sgd",
            "SGD",
            partial(torch.optim.SGD, momentum=0.9),
            None,
            "heavy ball, Polyak 1964; momentum 0.9 as in the paper's experiments",
        ),
        Entry("adagrad", "Adagrad", torch.optim.Adagrad, None, "Duchi et al., JMLR 2011"),
        Entry("adadelta", "Adadelta", torch.optim.Adadelta, None, "Zeiler, arXiv 1212.5701"),
        Entry("rmsprop", "RMSProp", torch.optim.RMSprop, None, "Hinton et al., lecture 6e, 2012"),
        Entry("adam", "Adam", optimizers.Adam, None, "Kingma & Ba, ICLR 2015, arXiv 1412.6980"),
        Entry("adamw", "AdamW", optimizers.AdamW, None, "Loshchilov & Hutter, arXiv 1711.05101"),
        Entry("amsgrad", "AMSGrad", optimizers.AMSGrad, None, "Reddi et al., ICLR 2018"),
        Entry("adam_warmup", "Adam+warmup", optimizers.Adam, "linear", _RADAM),
        Entry("adam_2k", "Adam-2k", optimizers.Adam2k, None, _RADAM),
        Entry("adam_eps", "Adam-eps", optimizers.AdamEps, None, _RADAM),
        Entry("radam", "RAdam", optimizers.RAdam, None, _RADAM),
        Entry("radam_4step", "RAdam 4-step", optimizers.RAdam4Step, None, f"{_RADAM}, Appendix C"),
        Entry(
            "adam_untuned_linear",
            "Adam+untuned linear warmup",
            optimizers.Adam,
            "untuned_linear",
            _UNTUNED,
        ),
        Entry(
            "adam_untuned_exponential",
            "Adam+untuned exponential warmup",
            optimizers.Adam,
            "untuned_exponential",
            _UNTUNED,
        ),
    )
}
"""Every optimizer by its name, in the order in which tables list them."""


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
    if name not in ZOO:
        raise ValueError(f"optimizer {name!r} is unknown; {_remedy(name, ZOO)}")
    known = {"lr": None, **ZOO[name].defaults}
    for option in options:
        if option not in known:
            raise ValueError(
                f"optimizer {name!r} has no option {option!r}; {_remedy(option, known)}"
            )
    build = ZOO[name].build
    if "variant" in options and isinstance(build, type) and issubclass(build, AdamFamily):
        build.switches(options["variant"])
    check_values({key: value for key, value in options.items() if value is not known[key]})


def _remedy(word: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"write one of: {', '.join(known)}"
