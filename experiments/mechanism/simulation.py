"""Fig. 9: the variance of the adaptive rate over many trajectories of random gradients.

One pass over the updates, which holds the running averages of all trajectories and nothing of
the past: the memory does not grow with the number of updates. The same gradients serve every β2;
those of different means are drawn apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.analysis.statistics import Floats
from experiments.mechanism.sampling import Variance, sample_variance
from radam.rectification import rectification, rho, variance


@dataclass(frozen=True)
class Simulation:
    """Fig. 9's: gradients g ~ N(μ, 1), drawn anew at each update of each trajectory."""

    trajectories: int = 5000
    updates: int = 6000
    means: tuple[float, ...] = (0.0, 0.001, 0.01, 0.1, 1.0, 10.0)
    """μ, in units of the gradients' standard deviation σ."""
    beta2s: tuple[float, ...] = (0.999, 0.99, 0.9999)
    """The paper's first."""
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Curve:
    """Var[ψ_t], in units of 1/σ², for one β2 and one μ."""

    beta2: float
    mean: float
    updates: NDArray[np.int64]
    """The t at which the variance was taken, [n]."""
    adaptive: Variance
    """Arrays of [n]."""

    @property
    def rectified(self) -> Variance:
        """Var[r_t ψ_t] = r_t² Var[ψ_t] (Algorithm 2); NaN where ρ_t ≤ 4, where r_t is not."""
        scale, found = rectification(self.updates, self.beta2) ** 2, self.adaptive
        return Variance(found.value * scale, found.low * scale, found.high * scale)


def moving_average_variance(updates: NDArray[np.int64], beta2: float) -> Floats:
    """Var[ψ_t] (in 1/σ²) that Eq. 3 predicts for μ = 0: Eq. 2 at ρ_t, as if the exponential
    moving average were a simple one of length ρ_t. Infinite where ρ_t ≤ 2."""
    found: Floats = variance(rho(updates, beta2))
    return found


def spaced(updates: int, points: int = 300) -> list[int]:
    """1 to ``updates`` for a log axis: each of the first 50, then about ``points`` a curve."""
    chosen = np.geomspace(1, updates, points).round().astype(int)
    return sorted({*range(1, min(updates, 50) + 1), *chosen.tolist()})


def simulate(settings: Simulation, at: Sequence[int] | None = None) -> list[Curve]:
    """Simulate ψ_t = sqrt((1−β2^t) / ((1−β2)·Σ β2^(t−i) g_i²)) (§3.1, ε = 0), take its variance.

    Where ρ_t ≤ 2 the true variance for μ = 0 is infinite, and a sample's only says that it is
    large. For the intervals see `sample_variance`.

    Args:
        settings: how many trajectories, how long, and their μ and β2.
        at: the updates at which the variance is taken, ascending; None: all of them.

    Returns:
        A curve for each β2 and, within it, each μ.

    Raises:
        ValueError: if ``at`` is empty, not ascending, or not within 1 to ``settings.updates``.
    """
    chosen = list(range(1, settings.updates + 1)) if at is None else list(at)
    ascending = bool(chosen) and chosen == sorted(set(chosen))
    if not ascending or chosen[0] < 1 or chosen[-1] > settings.updates:
        raise ValueError(f"at is {at}; give ascending updates from 1 to {settings.updates}")
    rng = np.random.default_rng(settings.seed)
    means = np.array(settings.means)[:, None]
    gradient = np.empty((len(means), settings.trajectories))
    rate = np.empty_like(gradient)
    averages = [np.zeros_like(gradient) for _ in settings.beta2s]
    found: list[list[Variance]] = [[] for _ in settings.beta2s]
    wanted = set(chosen)
    for t in range(1, chosen[-1] + 1):
        rng.standard_normal(out=gradient)
        gradient += means
        square = np.multiply(gradient, gradient, out=gradient)
        for beta2, average, variances in zip(settings.beta2s, averages, found, strict=True):
            average -= square  # v ← β2·v + (1−β2)·g², in place
            average *= beta2
            average += square
            if t in wanted:
                np.divide(1 - beta2**t, average, out=rate)
                variances.append(sample_variance(np.sqrt(rate, out=rate)))
    updates = np.array(chosen)
    return [
        Curve(beta2, mean, updates, _row(variances, place))
        for beta2, variances in zip(settings.beta2s, found, strict=True)
        for place, mean in enumerate(settings.means)
    ]


def _row(variances: Sequence[Variance], place: int) -> Variance:
    """One μ's variances over the updates."""
    value, low, high = (
        np.array([getattr(v, name)[place] for v in variances]) for name in ("value", "low", "high")
    )
    return Variance(value, low, high)


def fig9(settings: Simulation) -> dict[str, Any]:
    """The curves of Fig. 9 at log-spaced updates, in units of 1/σ².

    ``beta2``, ``adaptive`` and ``rectified`` are of the first β2; ``others`` holds the same of
    the rest. ``adaptive[i][j]`` is Var[ψ] at ``means[i]`` and ``updates[j]``, ``rectified[i][j]``
    that of r·ψ (NaN before the rectification begins); ``..._low`` and ``..._high`` are the ends
    of the 95 % intervals. ``moving_average[j]``: what Eq. 3 predicts for μ = 0.
    """
    at = spaced(settings.updates)
    curves = simulate(settings, at)
    first, *others = (
        _block(beta2, [curve for curve in curves if curve.beta2 == beta2])
        for beta2 in settings.beta2s
    )
    shared = {"trajectories": settings.trajectories, "updates": at, "means": settings.means}
    return {**shared, **first, "others": others}


def _block(beta2: float, curves: Sequence[Curve]) -> dict[str, Any]:
    block: dict[str, Any] = {"beta2": beta2}
    for name in ("adaptive", "rectified"):
        found: list[Variance] = [getattr(curve, name) for curve in curves]
        block[name] = [variance.value for variance in found]
        block[f"{name}_low"] = [variance.low for variance in found]
        block[f"{name}_high"] = [variance.high for variance in found]
    block["moving_average"] = moving_average_variance(curves[0].updates, beta2)
    return block
