"""C03, C04, C16-C18: why it works; from histograms in the store, a record, or computed here.

C17 reads the record of ``experiments/mechanism``, ``<store>/mechanism/fig9_simulation.json``:
``{"beta2", "trajectories", "updates": [...], "means": [0, .001, ...],
"adaptive_low", "adaptive_high", "rectified_low", "rectified_high": [[...], ...]}``: the ends of
the 95 % intervals of the variances over trajectories; ``[i][j]`` is at ``means[i]`` and
``updates[j]``, null where there is none.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.analysis.claims.evidence import Evidence
from experiments.analysis.claims.rules import (
    Condition,
    Finding,
    NotRun,
    Sample,
    Verdict,
    above,
    below,
    computed,
    finding,
    holds,
)
from radam.rectification import rho, rho_inf, variance, variance_first_order

DISTORTED = 0.10
"""Growth since update 1 of the share of gradient elements below e^-16 from which a histogram
counts as distorted: a tenth of all elements, which a histogram shows at a glance."""

EARLY, SHOWN = 10, 100
"""Updates: C03's "within 10"; and up to which the undistorted must stay so (later histograms
change because the model has learned)."""

FAR_BELOW = 0.1
"""C16: "far below" is at most a tenth."""

MEANS = (0.0, 0.001, 0.01, 0.1, 1.0, 10.0)
"""C17: the mean gradients of Fig. 9, in standard deviations."""

LARGE_EARLY, FIRST = 100.0, 5
"""C17: "large early" is two decades above the final variance, at update 5, the first that RAdam
rectifies."""

NEARLY_CONSTANT, FROM_UPDATE = 2.0, 50
"""C17: "nearly constant" is a largest variance at most twice the smallest from update 50 on."""


def c03(e: Evidence) -> Finding:
    """Adam without warmup is distorted at some update up to 10, Adam+warmup at none up to 100."""
    adam = e.growth_of_tiny_gradients("adam", EARLY)
    warmup = e.growth_of_tiny_gradients("adam_warmup", SHOWN)
    return finding([adam, warmup], [_distorted(adam), _undistorted(warmup)])


def c04(e: Evidence) -> Finding:
    """None of the three is distorted at any update up to 100."""
    names = ("adam_2k", "adam_eps", "radam")
    samples = [e.growth_of_tiny_gradients(name, SHOWN) for name in names]
    return finding(samples, [_undistorted(sample) for sample in samples])


def _distorted(sample: Sample) -> Condition:
    return above(f"{sample.what}, {sample.name}", sample.mean, DISTORTED)


def _undistorted(sample: Sample) -> Condition:
    return below(f"{sample.what}, {sample.name}", sample.mean, DISTORTED)


def c16() -> Finding:
    """At every whole ρ from 5 to 500: both fall, and they differ by at most a tenth of the exact
    value. (At ρ = 5 they differ by more than twice the value, so a milder reading of "far below"
    would not change the verdict.)"""
    lengths = np.arange(5, 501)
    exact, first = variance(lengths), variance_first_order(lengths)
    ratio = np.abs(first - exact) / exact
    within = lengths[ratio <= FAR_BELOW]
    ours = (
        f"exact {exact[0]:.3g} at ρ = 5, {exact[-1]:.3g} at ρ = 500",
        f"difference / exact value: {ratio[0]:.2f} at ρ = 5, {ratio[-1]:.2g} at ρ = 500",
    )
    falling = bool((np.diff(exact) < 0).all() and (np.diff(first) < 0).all())
    overlap = f"difference at most a tenth of the value: only from ρ = {within[0]} on"
    if len(within) == len(lengths):
        overlap = "difference at most a tenth of the value for every ρ"
    return computed(
        ours,
        [
            holds(falling, "both fall with ρ"),
            holds(bool(exact[0] > 100 * exact[-1]), "more than 100 times larger at 5 than at 500"),
            holds(len(within) == len(lengths), overlap),
        ],
    )


def c17(record: Mapping[str, Any]) -> Finding:
    """For every mean gradient: the adaptive rate's variance starts two decades above its end, the
    rectified one stays within a factor of two from update 50 on. Both beyond the intervals."""
    missing = [mean for mean in MEANS if mean not in record["means"]]
    updates = np.array(record["updates"])
    if missing or updates[0] > FIRST or (updates >= FROM_UPDATE).sum() < 2:
        raise NotRun(f"the simulation for means {missing}, from update {FIRST} on")
    chosen = [record["means"].index(mean) for mean in MEANS]

    def ends(name: str) -> tuple[np.ndarray, np.ndarray]:
        low, high = (np.array(record[f"{name}_{end}"], dtype=float) for end in ("low", "high"))
        return low[chosen], high[chosen]

    early, flat = int(np.flatnonzero(updates >= FIRST)[0]), updates >= FROM_UPDATE
    low, high = ends("adaptive")
    drop = low[:, early] / high[:, -1], high[:, early] / low[:, -1]
    low, high = ends("rectified")
    swing = (
        low[:, flat].max(1) / high[:, flat].min(1),
        high[:, flat].max(1) / low[:, flat].min(1),
    )
    return computed(
        (
            f"variance at update {updates[early]} over that at {updates[-1]}: {_span(*drop)}",
            f"rectified, largest over smallest from update {FROM_UPDATE} on: {_span(*swing)}",
            f"{record['trajectories']} trajectories, β2 = {record['beta2']:g}, 95 % intervals",
        ),
        [
            _all_above(f"{LARGE_EARLY:g} times larger early", *drop, LARGE_EARLY),
            _all_above("nearly constant once rectified", -swing[1], -swing[0], -NEARLY_CONSTANT),
        ],
    )


def _span(low: np.ndarray, high: np.ndarray) -> str:
    return f"{low.min():.3g} to {high.max():.3g}"


def _all_above(text: str, low: np.ndarray, high: np.ndarray, limit: float) -> Condition:
    """Every interval above the limit: supported; one wholly below: not supported."""
    if (low >= limit).all():
        return Condition(Verdict.SUPPORTED, text)
    return Condition(Verdict.NOT_SUPPORTED if (high < limit).any() else Verdict.UNDECIDED, text)


def c18() -> Finding:
    """RAdam rectifies where ρ_t > 4; for β2 ≤ .6 that is at no update, so every step is one of
    momentum. Just above .6 it does: the bound is tight."""
    updates = np.arange(1, 100_001)
    betas = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    largest = max(float(rho(updates, float(beta2)).max()) for beta2 in betas)
    limits = max(rho_inf(float(beta2)) for beta2 in betas)
    never = f"ρ_t ≤ {max(largest, limits):.6g} at every update for β2 ≤ .6"
    beyond = float(rho(updates, 0.61).max())
    return computed(
        (never, f"ρ_t reaches {beyond:.3g} at β2 = .61"),
        [
            holds(max(largest, limits) <= 4, "never rectified for β2 ≤ .6"),
            holds(beyond > 4, "rectified above"),
        ],
    )
