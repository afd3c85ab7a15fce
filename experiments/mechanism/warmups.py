"""The rectification term beside warmups: how much of the first updates each takes away.

Ma & Yarats (arXiv 1910.04209) read RAdam as four updates of momentum, then Adam with the fixed
warmup ω_t = r_t, and compare warmups by their effective length Σ (1 − ω_t).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.analysis.statistics import Floats
from radam.rectification import rectification, rho
from radam.schedules import make_schedule


@dataclass(frozen=True)
class Comparison:
    """The β2 (fairseq's .98, the paper's two, and around them) and the paper's warmup lengths."""

    beta2s: tuple[float, ...] = (0.98, 0.99, 0.999, 0.9995, 0.9999)
    warmups: tuple[int, ...] = (100, 200, 500, 1000, 4000)
    """T_w of the linear warmups, in updates: Fig. 7's four, and translation's."""


Weights = Callable[[Floats], Floats]
"""ω over an array of update numbers t ≥ 1: the share of α, or of the adaptive step, in [0, 1]."""


def rectifier(beta2: float) -> Weights:
    """ω_t = r_t (Algorithm 2), 0 in the momentum updates before: those have no adaptive step."""
    return lambda t: np.nan_to_num(rectification(t, beta2), nan=0.0)


def warmup(kind: str, updates: int = 0, beta2: float = 0.999) -> Weights:
    """ω_t of a warmup of `radam.schedules` (``linear`` over ``updates``, ``untuned_linear``, ...).

    Raises ValueError for a kind, or a length, that `make_schedule` refuses.
    """
    schedule = make_schedule("constant", 1.0, warmup=kind, warmup_updates=updates, beta2=beta2)
    return lambda t: np.array([schedule(int(update)) for update in t])


def momentum_updates(beta2: float) -> float:
    """How many updates come before ρ_t > 4, where the rectification begins; ∞ if none ever does.

    Four for every β2 from .8 on (Ma & Yarats, §3); ∞ for β2 ≤ .6, where ρ_∞ ≤ 4 (paper, §4.2).
    """
    if 2 / (1 - beta2) - 1 <= 4:
        return math.inf
    t = 1
    while rho(t, beta2) <= 4:
        t += 1
    return t - 1


def effective_length(weights: Weights, horizon: int) -> float:
    """Σ (1 − ω_t) over t = 1..``horizon``: the updates' worth of α that a warmup takes away."""
    return float((1 - weights(np.arange(1.0, horizon + 1))).sum())


def horizon(beta2: float) -> int:
    """An update from which 1 − ω_t of the rectifier and the untuned warmups is below 1e-13."""
    return math.ceil(40 / (1 - beta2))


def rectifier_vs_warmup(settings: Comparison) -> dict[str, Any]:
    """The curves ω_t at log-spaced ``updates``, and effective lengths Σ (1 − ω_t) in updates.

    ``by_beta2``: for each β2 ``momentum_updates`` (null: for ever), and ``weights`` (ω at
    ``updates``) and ``effective_length`` (over all updates) of ``rectifier``, ``untuned_linear``
    and ``untuned_exponential``; ``linear``: the two for each ``length`` T_w.
    """
    last = 10 / (1 - max(settings.beta2s))
    updates = np.unique(np.geomspace(1, last, 300).round())
    by_beta2 = []
    for beta2 in settings.beta2s:
        three = {
            "rectifier": rectifier(beta2),
            "untuned_linear": warmup("untuned_linear", beta2=beta2),
            "untuned_exponential": warmup("untuned_exponential", beta2=beta2),
        }
        by_beta2.append(
            {
                "beta2": beta2,
                "momentum_updates": momentum_updates(beta2),
                "weights": {name: omega(updates) for name, omega in three.items()},
                "effective_length": {
                    name: effective_length(omega, horizon(beta2)) for name, omega in three.items()
                },
            }
        )
    linear = [
        {
            "length": length,
            "weights": warmup("linear", length)(updates),
            "effective_length": effective_length(warmup("linear", length), length),
        }
        for length in settings.warmups
    ]
    return {"updates": updates.astype(int), "by_beta2": by_beta2, "linear": linear}
