"""The optimizers of the Adam family: each says what its update t is made of."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from radam.adam_family import AdamFamily, Weights
from radam.kernels import Update
from radam.options import Options, takes_options
from radam.rectification import rectification, rho
from radam.state import Group

ADAM_PAPER = {"decoupled_weight_decay": True, "epsilon": "before"}


class Adam(AdamFamily):
    """Adam, as the paper compares with it: decoupled decay, ε before the bias correction.

    ψ = sqrt(1−β2^t) / (sqrt(v) + ε). ``variant="torch"`` is torch.optim.Adam: the decay is L2,
    ε comes after the bias correction. ``amsgrad`` puts the running maximum of v in its place.

    Args:
        params: parameters, named parameters, or groups of them as dicts.
        lr: the rate α_t, a number or a tensor with one element.
        betas: β1 and β2, the memories of the averages of g and of g².
        eps: ε.
        weight_decay: λ.
        amsgrad: see above.
        variant: ``paper`` or ``torch``.
        options: see `Options`.
    """

    VARIANTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": ADAM_PAPER,
        "torch": {"decoupled_weight_decay": False, "epsilon": "after"},
    }

    @takes_options
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        variant: str = "paper",
        **options: Unpack[Options],
    ) -> None:
        numbers = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, variant, amsgrad=amsgrad, **numbers, **options)

    def _weights(self, group: Group, t: Any) -> Weights:
        return Weights(adaptive=1.0)


class AdamW(Adam):
    """Adam with a decay of 0.01, always decoupled. ``variant="torch"`` is torch.optim.AdamW."""

    VARIANTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": ADAM_PAPER,
        "torch": {"decoupled_weight_decay": True, "epsilon": "after"},
    }

    @takes_options
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        variant: str = "paper",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, variant=variant, **options)


class AMSGrad(Adam):
    """Adam with the running maximum of v. ``variant="torch"`` is torch.optim.Adam's amsgrad."""

    @takes_options
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        variant: str = "paper",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, True, variant=variant, **options)


class AdamEps(Adam):
    """Adam with ε = 1e-4 before the bias correction (paper, §3.1): it damps the early variance."""

    @takes_options
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-4,
        weight_decay: float = 0.0,
        *,
        variant: str = "paper",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, variant=variant, **options)


class Adam2k(AdamFamily):
    """Adam-2k (paper, §3.1): only v learns in the first ``freeze_updates`` updates.

    Until then θ and m rest, decay included; t, and so both bias corrections, runs on (the
    authors' code). ``variant`` and the other arguments are `Adam`'s.
    """

    VARIANTS = Adam.VARIANTS

    @takes_options
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        freeze_updates: int = 2000,
        variant: str = "paper",
        **options: Unpack[Options],
    ) -> None:
        numbers = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, variant, freeze_updates=freeze_updates, **numbers, **options)

    def _weights(self, group: Group, t: Any) -> Weights:
        moves = t > group["freeze_updates"]
        return Weights(adaptive=moves * 1.0, learning=moves)


class RAdam(AdamFamily):
    """RAdam (paper, Algorithm 2): Adam's step times r_t, once the variance is tractable.

    ψ = r_t·sqrt(1−β2^t) / (sqrt(v) + ε) from the first ρ_t past the ``threshold`` on; before,
    ``early`` says: a ``momentum`` step (ψ = 1), ``skip`` (no update, no decay), or ``adam``
    (Adam's step without r_t and ε). A variant sets the switches; each can be set by itself.

    ======= ========= ======== ========= =================== =======================
    variant threshold early    decay     ε and the bias      what it is
                                         correction
    ======= ========= ======== ========= =================== =======================
    paper   ρ_t > 4   momentum decoupled before              the paper, Algorithm 2
    task    ρ_t ≥ 5   momentum decoupled before              the authors' experiments
    package ρ_t ≥ 5   skip     decoupled before              the authors' package
    torch   ρ_t > 5   momentum coupled   before              torch.optim.RAdam
    ======= ========= ======== ========= =================== =======================

    At β2 = .999 ρ_t passes 4 at update 5 and 5 at update 6. At β2 ≤ 0.6 it never passes 4, and
    RAdam is SGD with momentum (§4.2).

    Args:
        params: parameters, named parameters, or groups of them as dicts.
        lr: the rate α_t, a number or a tensor with one element.
        betas: β1 and β2, the memories of the averages of g and of g².
        eps: ε.
        weight_decay: λ.
        variant: ``paper``, ``task``, ``package`` or ``torch``.
        threshold: ``">4"``, ``">=5"`` or ``">5"``, of ρ_t.
        early: ``momentum``, ``skip`` or ``adam``.
        options: see `Options`; ``decoupled_weight_decay`` and ``epsilon`` are there.
    """

    VARIANTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"threshold": ">4", "early": "momentum", **ADAM_PAPER},
        "task": {"threshold": ">=5", "early": "momentum", **ADAM_PAPER},
        "package": {"threshold": ">=5", "early": "skip", **ADAM_PAPER},
        "torch": {
            "threshold": ">5",
            "early": "momentum",
            "decoupled_weight_decay": False,
            "epsilon": "before",
        },
    }

    @takes_options
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        variant: str = "paper",
        threshold: Literal[">4", ">=5", ">5"] | None = None,
        early: Literal["momentum", "skip", "adam"] | None = None,
        **options: Unpack[Options],
    ) -> None:
        numbers = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, variant, threshold=threshold, early=early, **numbers, **options)

    def _weights(self, group: Group, t: Any) -> Weights:
        return _rectified(t, group["betas"][1], group["threshold"], group["early"])


TRACTABLE: Mapping[str, Callable[[Any], Any]] = {
    ">4": lambda length: length > 4,
    ">=5": lambda length: length >= 5,
    ">5": lambda length: length > 5,
}
"""From which ρ_t on the variance of the adaptive rate counts as tractable."""

EARLY: Mapping[str, Weights] = {
    "momentum": Weights(momentum=1.0),
    "skip": Weights(rests=True),
    "adam": Weights(adaptive=1.0, eps=0.0),
}
"""What RAdam does while the variance is intractable."""


def _rectified(t: Any, beta2: float, threshold: str, early: str) -> Weights:
    tractable = TRACTABLE[threshold](rho(t, beta2))
    return Weights.where(tractable, Weights(adaptive=rectification(t, beta2)), EARLY[early])


class RAdam4Step(AdamFamily):
    """The ablation of the first updates (paper, Appendix C and Table 3): RAdam, ε after correction.

    Args:
        params: parameters, named parameters, or groups of them as dicts.
        lr: the rate α_t, a number or a tensor with one element.
        betas: β1 and β2, the memories of the averages of g and of g².
        eps: ε.
        weight_decay: λ, decoupled.
        first_updates: what takes the place of the updates with ρ_t ≤ 4 (1 to 4 at β2 = .999):
            ``rectified``, RAdam's own momentum steps; ``skip``, nothing; ``adam``, Adam without
            r_t and ε (as the authors' code has it); ``sgd_then_adam``, four updates of plain SGD
            at the rate 0.1 first, which the moments do not see, then as ``adam``.
        options: see `Options`.
    """

    VARIANTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"decoupled_weight_decay": True, "epsilon": "after"}
    }

    @takes_options
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        first_updates: Literal["rectified", "skip", "adam", "sgd_then_adam"] = "rectified",
        **options: Unpack[Options],
    ) -> None:
        numbers = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, "paper", first_updates=first_updates, **numbers, **options)

    def _weights(self, group: Group, t: Any) -> Weights:
        if isinstance(t, Tensor) and group["first_updates"] == "sgd_then_adam":
            raise RuntimeError("first_updates='sgd_then_adam' cannot be capturable; leave one out")
        early = {"rectified": "momentum", "skip": "skip", "adam": "adam", "sgd_then_adam": "adam"}
        return _rectified(t, group["betas"][1], ">4", early[group["first_updates"]])

    def _update(self, group: Group, t: int) -> Update:
        sgd_updates = 4 if group["first_updates"] == "sgd_then_adam" else 0
        if t > sgd_updates:
            return super()._update(group, t - sgd_updates)
        sgd = replace(super()._update(group, t), lr=0.1, decoupled=True, gradient=1.0)
        return replace(sgd, adaptive=0.0, momentum=0.0, learning1=False, learning2=False)
