"""What the Adam family shares: one step, one state, one set of options.

Every optimizer of `radam.optimizers` is θ ← θ − α(λθ + m̂·ψ) and says only what its update t is made
of. The state of a parameter is torch's: ``step``, ``exp_avg``, ``exp_avg_sq`` and, for
AMSGrad, ``max_exp_avg_sq``.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from radam.batches import batches
from radam.capturable import update_group
from radam.generic import NO_EPS
from radam.kernels import Apply, Batch, Update
from radam.options import check

Group = dict[str, Any]


class Options(TypedDict, total=False):
    """What every class of the family takes by keyword.

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


class Weights(NamedTuple):
    """What an update is made of; the words are explained at `radam.kernels.Update`."""

    adaptive: Any = 0.0
    momentum: Any = 0.0
    learning: Any = True
    eps: Any = 1.0  # The share of ε that is added.

    @staticmethod
    def where(condition: Any, then: "Weights", otherwise: "Weights") -> "Weights":
        """Choose by ``condition``, a bool or a tensor of them."""
        if not isinstance(condition, Tensor):
            return then if condition else otherwise
        return Weights(
            *(
                torch.where(condition, _filled(one, condition), _filled(other, condition))
                for one, other in zip(then, otherwise, strict=True)
            )
        )


def _filled(x: Any, like: Tensor) -> Tensor:
    return x if isinstance(x, Tensor) else torch.full_like(like, x, dtype=torch.float64)


class AdamFamily(Optimizer):
    """The step, the state and the options that the family shares."""

    VARIANTS: ClassVar[Mapping[str, Mapping[str, Any]]]
    """What each variant sets the switches to."""

    def __init__(self, params: ParamsT, variant: str, **options: Any) -> None:
        switches = self.switches(variant)
        own = {**OPTIONS, "amsgrad": False, "method": type(self).__name__, **options}
        own |= {name: value for name, value in switches.items() if own.get(name) is None}
        check(own)
        self._known: dict[int, list[Tensor]] = {}
        super().__init__(params, own)

    def _weights(self, group: Group, t: Any) -> Weights:
        """Return what update ``t`` is made of: an int, or a float64 tensor of them."""
        raise NotImplementedError

    @classmethod
    def switches(cls, variant: str) -> Mapping[str, Any]:
        """Return what ``variant`` sets. Raises ValueError if there is none of that name."""
        if variant not in cls.VARIANTS:
            known = ", ".join(map(repr, cls.VARIANTS))
            raise ValueError(f"variant is {variant!r}; write one of {known}")
        return cls.VARIANTS[variant]

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters, with settings of their own where ``param_group`` has them.

        A ``variant`` in the group sets all its switches, as it does in the constructor.
        """
        own = {name: value for name, value in param_group.items() if value is not None}
        if "variant" in own:
            own = {**self.switches(own.pop("variant")), **own}
        check(own)
        super().add_param_group(own)

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
        for number, group in enumerate(self.param_groups):
            if group["capturable"]:
                update_group(group, self.state, self._weights)
                continue
            on_cuda = any(p.is_cuda for p in group["params"][:1])
            if on_cuda and torch.cuda.is_current_stream_capturing():
                raise RuntimeError(
                    "a CUDA graph is capturing this step and would repeat its update number for "
                    f"ever; build {type(self).__name__} with capturable=True"
                )
            known = self._known.setdefault(number, [])
            for t, batch, apply in batches(group, self.state, known):
                self._update(group, t, batch, apply)
        return loss

    def _update(self, group: Group, t: int, batch: Batch, apply: Apply) -> None:
        weights = self._weights(group, t)
        update = Update(
            t=t,
            lr=float(group["lr"]),
            betas=group["betas"],
            eps=group["eps"] if weights.eps else NO_EPS,
            eps_after=group["epsilon"] == "after",
            weight_decay=group["weight_decay"],
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
            adaptive=weights.adaptive,
            momentum=weights.momentum,
            learning=weights.learning,
        )
        apply(batch, update)

    def state_dict(self) -> dict[str, Any]:
        """Return state and settings as torch.optim's optimizers do, each step a tensor of its own.

        (Parameters in step share their step tensor here; elsewhere it is counted up in place.)
        """
        result = super().state_dict()
        result["state"] = {
            key: {**state, "step": state["step"].clone()} if "step" in state else state
            for key, state in result["state"].items()
        }
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state of this class, of another of the family, or of torch.optim's Adam or RAdam.

        From another class's state come the running averages and the numbers (lr, betas, eps,
        weight_decay, maximize); what update is made stays as this optimizer was built.

        Raises:
            ValueError: if the groups do not match, or the state is not one of the Adam family.
        """
        for key, state in state_dict["state"].items():
            if not {"step", "exp_avg", "exp_avg_sq"} <= state.keys():
                raise ValueError(
                    f"the state of parameter {key} holds {', '.join(state) or 'nothing'}; the Adam "
                    "family needs step, exp_avg and exp_avg_sq: load a checkpoint of one of it"
                )
        super().load_state_dict(state_dict)
        self._reload_wide_state(state_dict)

    def _reload_wide_state(self, state_dict: dict[str, Any]) -> None:
        """Load again, unrounded, what torch has cast to the type of a half-precision parameter."""
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            if group["state_dtype"] is None:
                continue
            for p, key in zip(group["params"], saved["params"], strict=True):
                for name, value in state_dict["state"].get(key, {}).items():
                    if name != "step" and isinstance(value, Tensor):
                        self.state[p][name] = value.to(p.device, group["state_dtype"])

    def __setstate__(self, saved: dict[str, Any]) -> None:
        before = self.__dict__.get("param_groups")
        super().__setstate__(saved)
        self._known = {}
        for number, group in enumerate(self.param_groups):
            own = {**self.defaults, **(before[number] if before else {})}
            foreign = group.get("method") != type(self).__name__
            for name in self.defaults:
                if name not in group or (foreign and name not in NUMBERS):
                    group[name] = own[name]
            for state in (self.state[p] for p in group["params"] if p in self.state):
                if not isinstance(state["step"], Tensor):
                    state["step"] = torch.tensor(float(state["step"]))
                if group["amsgrad"]:  # From a state of Adam: v is the maximum that it knows of.
                    state.setdefault("max_exp_avg_sq", state["exp_avg_sq"].clone())


NUMBERS = ("lr", "betas", "eps", "weight_decay", "maximize")
"""The settings that mean the same in every class, torch.optim's included."""
