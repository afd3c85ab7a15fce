"""What the Adam family shares: one step, one state, one set of options.

Every optimizer of `radam.optimizers` is θ ← θ − α(λθ + m̂·ψ) and says only what its update t is made
of. The state of a parameter is torch's: ``step``, ``exp_avg``, ``exp_avg_sq`` and, for
AMSGrad, ``max_exp_avg_sq``.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from radam.batches import batches
from radam.capturable import Known, update_group
from radam.kernels import NO_EPS, Update
from radam.options import IMPLEMENTATION, NUMBERS, OPTIONS, check
from radam.state import AVERAGES, Group, State, check_state, own_step, type_of_averages

MADE_BY = "radam_class"
"""The key of a group that says of which class its settings are."""


class Weights(NamedTuple):
    """What an update is made of; the words are explained at `radam.kernels.Update`."""

    adaptive: Any = 0.0
    momentum: Any = 0.0
    learning: Any = True
    eps: Any = 1.0  # The share of ε that is added.
    rests: Any = False  # Whether θ may rest, whatever the gradient is.

    @staticmethod
    def where(condition: Any, then: "Weights", otherwise: "Weights") -> "Weights":
        """Choose by ``condition``, a bool or a tensor of them."""
        if not isinstance(condition, Tensor):
            return then if condition else otherwise
        chosen = (_either(condition, *pair) for pair in zip(then, otherwise, strict=True))
        return Weights(*chosen)


def _either(condition: Tensor, then: Any, otherwise: Any) -> Any:
    """One of two by ``condition``; what both agree in as it is."""
    plain = not isinstance(then, Tensor) and not isinstance(otherwise, Tensor)
    if plain and then == otherwise:
        return then
    return torch.where(condition, _filled(then, condition), _filled(otherwise, condition))


def _filled(x: Any, like: Tensor) -> Tensor:
    return x if isinstance(x, Tensor) else torch.full_like(like, x, dtype=torch.float64)


class AdamFamily(Optimizer):
    """The step, the state and the options that the family shares."""

    VARIANTS: ClassVar[Mapping[str, Mapping[str, Any]]]
    """What each variant sets the switches to."""

    def __init__(self, params: ParamsT, variant: str, **options: Any) -> None:
        defaults = {**OPTIONS, "amsgrad": False, MADE_BY: type(self).__name__, **options}
        for name, value in self.switches(variant).items():
            if defaults.get(name) is None:
                defaults[name] = value
        check(defaults)
        super().__init__(params, defaults)

    def _weights(self, group: Group, t: Any) -> Weights:
        """Return what update ``t`` is made of: an int, or a float64 tensor of them."""
        raise NotImplementedError

    @classmethod
    def switches(cls, variant: str) -> Mapping[str, Any]:
        """Return what ``variant`` sets. Raises ValueError if there is none of that name."""
        if not isinstance(variant, str) or variant not in cls.VARIANTS:
            known = ", ".join(map(repr, cls.VARIANTS))
            raise ValueError(f"variant is {variant!r}; write one of {known}")
        return cls.VARIANTS[variant]

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters, with settings of their own where ``param_group`` has them.

        A ``variant`` in the group sets all its switches, as it does in the constructor. The dict
        itself becomes the group, as in torch.optim; keys that are no options are the user's own.
        """
        if isinstance(param_group, dict):
            given = dict(param_group)
            variant = given.pop("variant", None)
            switches = self.defaults if variant is None else self.switches(variant)
            for name in next(iter(self.VARIANTS.values())):
                if given.get(name) is None:
                    given[name] = switches[name]
            check({name: given.get(name, default) for name, default in self.defaults.items()})
            param_group.pop("variant", None)
            param_group.update(given)
        super().add_param_group(param_group)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Make one update. A ``closure`` evaluates the model again and returns the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        known: dict[int, Known] = self.__dict__.setdefault("_known", {})
        for number, group in enumerate(self.param_groups):
            if group["capturable"]:
                known_here = known.setdefault(number, {})
                update_group(group, self.state, self._weights, known_here)
                continue
            on_cuda = any(p.is_cuda for p in group["params"][:1])
            if on_cuda and torch.cuda.is_current_stream_capturing():
                raise RuntimeError(
                    "a CUDA graph is capturing this step and would repeat its update number for "
                    f"ever; build {type(self).__name__} with capturable=True"
                )
            self._launch(group)
        return loss

    @torch._disable_dynamo  # type: ignore[attr-defined]  # The numbers are the host's.
    def _launch(self, group: Group) -> None:
        for t, batch, apply in batches(group, self.state):
            apply(batch, self._update(group, t))

    def _update(self, group: Group, t: int) -> Update:
        """Return the numbers of update ``t``."""
        weights = self._weights(group, t)
        beta1, beta2 = group["betas"]
        return Update(
            t=t,
            lr=float(group["lr"]),
            betas=(float(beta1), float(beta2)),
            eps=float(group["eps"]) if weights.eps else NO_EPS,
            eps_after=group["epsilon"] == "after",
            weight_decay=float(group["weight_decay"]),
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
            adaptive=weights.adaptive,
            momentum=weights.momentum,
            learning1=weights.learning,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state of this class, of another of the family, or of torch.optim's Adam or RAdam.

        From another class's state come the running averages and the numbers (lr, betas, eps,
        weight_decay, maximize); what update is made stays as this optimizer was built. How it is
        computed (foreach, fused, capturable, state_dtype) stays so in any case.

        Raises:
            ValueError: if the groups do not match, or the state is not one of the Adam family.
        """
        last = self.register_load_state_dict_pre_hook(lambda _, loaded: self._receive(loaded))
        try:
            super().load_state_dict(state_dict)
        finally:
            last.remove()

    def _receive(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        """Check what the user's own hooks have made of a state, and wrap what is to stay as it is.

        (Torch would round the averages to the type of a half-precision parameter.)
        """
        states = dict(state_dict["state"])
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=False):
            for key in dict.fromkeys(saved["params"]):  # One may be there twice.
                state = states.get(key, {})
                check_state(state, key)
                if group["state_dtype"] is not None and state:
                    wide = {name: _AsSaved(state[name]) for name in AVERAGES if name in state}
                    states[key] = {**state, **wide}
        return {**state_dict, "state": states}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        built = self.__dict__.get("param_groups")
        super().__setstate__(saved)
        if built is None:  # Unpickled: all is as it was.
            return
        for before, group in zip(built, self.param_groups, strict=True):
            foreign = group.get(MADE_BY) != type(self).__name__
            for name, value in self.defaults.items():
                stays = name not in NUMBERS if foreign else name in IMPLEMENTATION
                if stays or name not in group:
                    group[name] = before.get(name, value)
            for p in group["params"]:
                if state := self.state.get(p):
                    self._own(p, state, group)

    def _own(self, p: Tensor, state: State, group: Group) -> None:
        """Finish the loading of a state: unwrap it, and count in a tensor of its own."""
        for name, value in state.items():
            if isinstance(value, _AsSaved):
                state[name] = value.tensor.to(p.device, type_of_averages(p, group))
        state["step"] = own_step(copy.deepcopy(state["step"]), p, group)


class _AsSaved:
    """A tensor wrapped up, so that torch does not round it to the type of its parameter."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
