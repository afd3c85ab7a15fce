"""The paper's Algorithm 1, written to be read: θ_t = θ_{t-1} − α_t · φ_t · ψ_t.

A method is a choice of φ (momentum) and ψ (adaptive rate); both are functions of the history of
one parameter, which they keep in a `State`. Everything here is out of place, one tensor at a time
and slow. It is the yardstick: the fast optimizers are stepped against it, and it shares no code
with them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor


@dataclass
class State:
    """What one parameter remembers: its update number and its running quantities."""

    t: int = 0
    sgd_made: int = 0
    memory: dict[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor | float:
        """Return a quantity, 0 before it was first set."""
        return self.memory.get(name, 0.0)

    def average(self, name: str, value: Tensor, beta: float) -> Tensor:
        """Move the exponential average ``name`` by ``value`` and return it."""
        self.memory[name] = beta * self[name] + (1 - beta) * value
        return self.memory[name]


Function = Callable[[State, Tensor], Any]
"""φ or ψ: moves the state by a gradient, returns the momentum or the rate; None: no update."""


# φ: momentum


def gradient(state: State, g: Tensor) -> Tensor:
    """φ of Adagrad, Adadelta and RMSProp: the gradient itself."""
    return g


def heavy_ball(momentum: float) -> Function:
    """φ of SGD with momentum: b ← momentum·b + g."""

    def phi(state: State, g: Tensor) -> Tensor:
        state.memory["buffer"] = momentum * state["buffer"] + g
        return state.memory["buffer"]

    return phi


def corrected_average(beta1: float) -> Function:
    """φ of the Adam family: the bias-corrected exponential average of the gradients."""

    def phi(state: State, g: Tensor) -> Any:
        return state.average("m", g, beta1) / (1 - beta1**state.t)

    return phi


def frozen(phi: Function, updates: int) -> Function:
    """φ of Adam-2k: no update, and nothing learnt, in the first ``updates`` updates."""

    def late(state: State, g: Tensor) -> Any:
        return None if state.t <= updates else phi(state, g)

    return late


# ψ: adaptive rate


def one(state: State, g: Tensor) -> float:
    """ψ of SGD."""
    return 1.0


def adagrad(eps: float) -> Function:
    """1 / (sqrt(Σ g²) + ε)."""

    def psi(state: State, g: Tensor) -> Tensor:
        state.memory["sum"] = state["sum"] + g * g
        return 1 / (state.memory["sum"].sqrt() + eps)

    return psi


def rmsprop(alpha: float, eps: float) -> Function:
    """1 / (sqrt(v) + ε), v an exponential average of g² without bias correction."""

    def psi(state: State, g: Tensor) -> Tensor:
        return 1 / (state.average("v", g * g, alpha).sqrt() + eps)

    return psi


def adadelta(rho: float, eps: float) -> Function:
    """sqrt(u + ε) / sqrt(v + ε), u an exponential average of the squared updates."""

    def psi(state: State, g: Tensor) -> Tensor:
        rate = (state["u"] + eps) ** 0.5 / (state.average("v", g * g, rho) + eps).sqrt()
        state.average("u", (rate * g) ** 2, rho)
        return rate

    return psi


def adam(beta2: float, eps: float, epsilon: str = "before", amsgrad: bool = False) -> Function:
    """sqrt(1−β2^t) / (sqrt(v) + ε), or 1 / (sqrt(v/(1−β2^t)) + ε) with ε ``after`` correction."""

    def psi(state: State, g: Tensor) -> Tensor:
        v = state.average("v", g * g, beta2)
        if amsgrad:
            v = state.memory["v_max"] = torch.maximum(v, state.memory.get("v_max", v))
        correction = float((1 - beta2**state.t) ** 0.5)
        if epsilon == "before":
            return correction / (v.sqrt() + eps)
        return 1 / (v.sqrt() / correction + eps)

    return psi


_TRACTABLE: Mapping[str, Callable[[float], bool]] = {
    ">4": lambda rho: rho > 4,
    ">=5": lambda rho: rho >= 5,
    ">5": lambda rho: rho > 5,
}


def rectified(psi: Function, beta2: float, threshold: str, early: str) -> Function:
    """r_t·ψ where the variance is tractable. Before: 1 (``momentum``), no update (``skip``) or
    Adam's ψ without ε (``adam``, as in the authors' ablation; 0/0 is 0).
    """
    limit = 2 / (1 - beta2) - 1

    def rectified_psi(state: State, g: Tensor) -> Any:
        rate, power = psi(state, g), beta2**state.t
        rho = limit - 2 * state.t * power / (1 - power)
        if _TRACTABLE[threshold](rho):
            r = (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)
            return r**0.5 * rate
        if early == "adam":
            return 1 / ((state.memory["v"] / (1 - power)).sqrt() + 1e-37)
        return 1.0 if early == "momentum" else None

    return rectified_psi


# θ


@dataclass(frozen=True)
class Method:
    """One optimizer: φ, ψ, and how the weight decay acts."""

    phi: Function
    psi: Function
    decoupled: bool = True
    sgd_updates: int = 0
    """So many updates of plain SGD at the rate 0.1 come first; the method counts from then on."""

    def step(
        self, theta: Tensor, g: Tensor, state: State, alpha: float, weight_decay: float = 0.0
    ) -> Tensor:
        """Move ``state`` by the gradient ``g`` at ``theta`` and return the new parameter.

        ``alpha`` is α_t; ``weight_decay`` is λ, decoupled (θ ← θ − αλθ) or added to the gradient.
        """
        decay = weight_decay * theta if weight_decay else 0.0  # None, should theta be infinite.
        if state.sgd_made < self.sgd_updates:
            state.sgd_made += 1
            return theta - 0.1 * (g + decay)
        state.t += 1
        if not self.decoupled:
            g = g + decay
        m: Tensor | None = self.phi(state, g)
        rate: Tensor | float | None = self.psi(state, g)
        if m is None or rate is None:
            return theta
        if self.decoupled:
            theta = theta - alpha * decay
        return theta - alpha * m * rate


def method(name: str, **options: Any) -> Method:
    """Return the optimizer that the zoo calls ``name``, with the zoo's options for it."""
    return METHODS[name](**options)


def _adam(
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    epsilon: str = "before",
    decoupled: bool = True,
    amsgrad: bool = False,
) -> Method:
    return Method(corrected_average(betas[0]), adam(betas[1], eps, epsilon, amsgrad), decoupled)


def _adam_2k(freeze_updates: int = 2000, **options: Any) -> Method:
    plain = _adam(**options)
    return replace(plain, phi=frozen(plain.phi, freeze_updates))


def _radam(
    betas: tuple[float, float] = (0.9, 0.999),
    threshold: str = ">4",
    early: str = "momentum",
    sgd_updates: int = 0,
    **options: Any,
) -> Method:
    plain = _adam(betas, **options)
    psi = rectified(plain.psi, betas[1], threshold, early)
    return replace(plain, psi=psi, sgd_updates=sgd_updates)


def _radam_4step(first_updates: str = "rectified", **options: Any) -> Method:
    early, sgd_updates = {
        "rectified": ("momentum", 0),
        "skip": ("skip", 0),
        "adam": ("adam", 0),
        "sgd_then_adam": ("adam", 4),
    }[first_updates]
    options = {"epsilon": "after", **options}
    return _radam(early=early, sgd_updates=sgd_updates, **options)


METHODS: Mapping[str, Callable[..., Method]] = {
    "sgd": lambda momentum=0.9: Method(heavy_ball(momentum), one, decoupled=False),
    "adagrad": lambda eps=1e-10: Method(gradient, adagrad(eps), decoupled=False),
    "adadelta": lambda rho=0.9, eps=1e-6: Method(gradient, adadelta(rho, eps), decoupled=False),
    "rmsprop": lambda alpha=0.99, eps=1e-8: Method(gradient, rmsprop(alpha, eps), decoupled=False),
    "adam": _adam,
    "adamw": _adam,
    "amsgrad": lambda **options: _adam(amsgrad=True, **options),
    "adam_warmup": _adam,
    "adam_2k": _adam_2k,
    "adam_eps": lambda eps=1e-4, **options: _adam(eps=eps, **options),
    "radam": _radam,
    "radam_4step": _radam_4step,
    "adam_untuned_linear": _adam,
    "adam_untuned_exponential": _adam,
}
"""Every name of the zoo. Warmups are schedules: as methods, the warmed-up ones are Adam."""
