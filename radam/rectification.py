"""How much the adaptive rate varies, and the factor r_t that takes the excess out (paper, §3-4).

ρ is the length of the simple moving average that the exponential one stands for: the number of
gradients that the estimate of the second moment rests on. Every function takes Python numbers,
numpy arrays or tensors of any shape in its first argument, computes in float64, works element by
element and gives back the kind that it got. Updates are numbered 1, 2, ...
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Protocol, overload

import torch
from torch import Tensor


class Elementwise(Protocol):
    """A function of a number, a tensor or a numpy array, and of one float parameter."""

    @overload
    def __call__(self, x: float, /, *args: float, **kwargs: float) -> float: ...
    @overload
    def __call__(self, x: Tensor, /, *args: float, **kwargs: float) -> Tensor: ...
    @overload
    def __call__(self, x: Any, /, *args: float, **kwargs: float) -> Any: ...


def _elementwise(formula: Callable[..., Any]) -> Elementwise:
    """Let a formula on floats and float64 tensors take integers and numpy arrays too."""

    @functools.wraps(formula)
    def wrapper(x: Any, /, *args: float, **kwargs: float) -> Any:
        if isinstance(x, Tensor):
            return formula(x.double(), *args, **kwargs)
        if getattr(x, "ndim", 0) > 0:
            return formula(torch.as_tensor(x).double(), *args, **kwargs).numpy()
        return formula(float(x), *args, **kwargs)

    return wrapper


def choose(condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """Choose by ``condition``: one branch for a bool, element by element for a tensor of them."""
    if isinstance(condition, Tensor):
        return torch.where(condition, then(), otherwise())
    return then() if condition else otherwise()


def rho_inf(beta2: float) -> float:
    """ρ_∞ = 2/(1 − β2) − 1, the length that ρ_t grows to. ``beta2`` in [0, 1)."""
    return 2 / (1 - beta2) - 1


@_elementwise
def rho(t: Any, beta2: float) -> Any:
    """ρ_t = ρ_∞ − 2tβ2^t/(1 − β2^t) at update t ≥ 1 (Algorithm 1)."""
    power = beta2**t
    return rho_inf(beta2) - 2 * t * power / (1 - power)


@_elementwise
def rectification(t: Any, beta2: float) -> Any:
    """r_t = sqrt((ρ_t−4)(ρ_t−2)ρ_∞ / ((ρ_∞−4)(ρ_∞−2)ρ_t)), in (0, 1) (Algorithm 1).

    NaN where ρ_t ≤ 4: there the first-order variance, and so r_t, does not exist.
    """
    length, limit = rho(t, beta2), rho_inf(beta2)

    def ratio() -> Any:
        numerator = (length - 4) * (length - 2) * limit
        return (numerator / ((limit - 4) * (limit - 2) * length)) ** 0.5

    return choose(length > 4, ratio, lambda: length * math.nan)


# Where the two terms of the exact variance agree in most of their digits, their difference is
# taken from its expansion in 1/ρ. The coefficients are 2^k − e_k, where Σ e_k ρ^−k expands
# (ρ/2)·(Γ((ρ−1)/2)/Γ(ρ/2))² (by Stirling's series); from 50 on, eight of them leave 3e-11.
_SERIES_FROM = 50.0
_SERIES = (
    1 / 2,
    15 / 8,
    83 / 16,
    1605 / 128,
    7163 / 256,
    60795 / 1024,
    250819 / 2048,
    8183085 / 32768,
)


@_elementwise
def variance(rho: Any, sigma2: float = 1.0) -> Any:
    """Var[ψ] for ψ² ~ Scale-inv-χ²(ρ, 1/σ²), exactly (paper, Eq. 2); infinite for ρ ≤ 2.

    (ρ/(ρ−2) − (ρ/2)·(Γ((ρ−1)/2)/Γ(ρ/2))²) / σ², the beta function of the paper's form written
    with gamma functions. The relative error stays below 1e-10 for every ρ > 2.
    """
    library: Any = torch if isinstance(rho, Tensor) else math

    def gammas() -> Any:
        half = rho / 2
        ratio = library.exp(library.lgamma(half - 0.5) - library.lgamma(half))
        return half / (half - 1) - half * ratio**2

    def series() -> Any:
        total = 0.0 * rho
        for coefficient in reversed(_SERIES):
            total = (total + coefficient) / rho
        return total

    def exact() -> Any:
        return choose(rho < _SERIES_FROM, gammas, series) / sigma2

    return choose(rho > 2, exact, lambda: rho * 0 + math.inf)


@_elementwise
def variance_first_order(rho: Any, sigma2: float = 1.0) -> Any:
    """Var[ψ] ≈ ρ / (2(ρ−2)(ρ−4)σ²) (paper, Eq. 5); NaN for ρ ≤ 4, where it does not exist."""
    return choose(
        rho > 4,
        lambda: rho / (2 * (rho - 2) * (rho - 4) * sigma2),
        lambda: rho * math.nan,
    )
