"""Every optimizer of the zoo as one of fairseq's: ``--optimizer radam --adam-betas '(.9, .999)'``.

Importing this registers them, so fairseq must have been imported. Those that fairseq has under
the same name are called ``zoo_adam``, ``zoo_sgd``, ...; Adam with a warmup is ``zoo_adam`` with a
schedule's ``--warmup``. Options have the zoo's names, but ``--adam-betas`` and ``--adam-eps`` are
called as for fairseq's Adam: a recipe changes by the optimizer's name alone.
"""

import ast
import dataclasses
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import OPTIMIZER_REGISTRY, FairseqOptimizer, register_optimizer
from omegaconf import II
from torch import Tensor

from radam.fairseq_plugin.compat import naming_options
from radam.kernels import HALF
from radam.zoo import ZOO, Entry, make_optimizer

FAIRSEQ_NAMES = {"betas": "adam_betas", "eps": "adam_eps"}
LEFT_TO_THE_ZOO = (
    {"foreach", "fused", "capturable", "differentiable", "maximize"}  # no matter of a recipe
    | {"state_dtype", "amsgrad"}
)


class ZooOptimizer(FairseqOptimizer):  # type: ignore[misc]
    """One optimizer of the zoo; its subclasses say which."""

    entry: ClassVar[Entry]

    def __init__(self, cfg: Any, params: Iterable[Tensor]) -> None:
        super().__init__(cfg)
        params, options = list(params), self._chosen()
        if self.supports_memory_efficient_fp16 and any(p.dtype in HALF for p in params):
            options["state_dtype"] = torch.float32  # else they are float32 copies
        with naming_options():
            self._optimizer = make_optimizer(self.entry.name, params, **options)

    def _chosen(self) -> dict[str, Any]:
        """The rate and the options that were set, as the zoo takes them."""
        lr = self.cfg.lr
        chosen = {"lr": float(lr if isinstance(lr, int | float) else lr[0])}
        for option in _options(self.entry):
            value = _value(getattr(self.cfg, FAIRSEQ_NAMES.get(option, option)))
            if value is not None:
                chosen[option] = value
        return chosen

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """What of a checkpoint's groups gives way to the command line when training goes on."""
        groups: list[dict[str, Any]] = self._optimizer.param_groups
        return {key: value for key, value in self._chosen().items() if key in groups[0]}

    @property
    def supports_memory_efficient_fp16(self) -> bool:
        """Whether the parameters may be of half precision: then the averages are of float32."""
        return "state_dtype" in self.entry.defaults

    @property
    def supports_flat_params(self) -> bool:
        """All of the zoo works element by element: fairseq may make one tensor of all."""
        return True


def _options(entry: Entry) -> dict[str, Any]:
    return {k: v for k, v in entry.defaults.items() if k not in LEFT_TO_THE_ZOO}


def _value(written: Any) -> Any:
    """What was written on the command line: a number, a pair, a word, or None."""
    if not isinstance(written, str):
        return tuple(written) if hasattr(written, "__len__") else written
    try:
        return ast.literal_eval(written)
    except (ValueError, SyntaxError):
        return written


def _configuration(entry: Entry) -> type:
    fields: list[tuple[str, Any, Any]] = []
    for option, default in _options(entry).items():
        kind: Any = type(default)
        if default is None or isinstance(default, tuple):
            kind = Any
        elif kind is int and not option.endswith("_updates"):
            kind, default = float, float(default)  # torch writes 0 for 0.0
        help = f"the zoo's {option} of {entry.title}"
        if default is None:
            help += " (default: its variant decides)"
        field = dataclasses.field(default=default, metadata={"help": help})
        fields.append((FAIRSEQ_NAMES.get(option, option), kind, field))
    fields.append(("lr", list[float], II("optimization.lr")))
    return dataclasses.make_dataclass(f"Zoo_{entry.name}", fields, bases=(FairseqDataclass,))


def _register(entry: Entry) -> None:
    name = f"zoo_{entry.name}" if entry.name in OPTIMIZER_REGISTRY else entry.name
    kind = type(f"Zoo_{entry.name}_optimizer", (ZooOptimizer,), {"entry": entry})
    register_optimizer(name, dataclass=_configuration(entry))(kind)


for _entry in ZOO.values():
    if _entry.warmup is None:
        _register(_entry)
