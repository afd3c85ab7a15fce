"""C03, C04, C16-C18: why it works; from histograms in the store, a record, or computed here.

C17 reads the record of ``experiments/mechanism``, ``<store>/mechanism/fig9_simulation.json``:
``{"beta2", "trajectories", "updates": [...], "means": [0, .001, ...],
"adaptive_low", "adaptive_high", "rectified_low", "rectified_high": [[...], ...]}``: the ends of
the 95 % intervals of the variances over trajectories; ``[i][j]`` is at ``means[i]`` and
``updates[j]``, null where there is none.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.analysis.claims.conditions import Condition, above, below, holds
from experiments.analysis.claims.evidence import STOPPED, Evidence
from experiments.analysis.claims.finding import Finding, finding
from experiments.analysis.claims.samples import Arm
from experiments.analysis.claims.verdict import NotRun
from experiments.analysis.statistics import Floats
from radam import RAdam
from radam.rectification import rho, rho_inf, variance, variance_first_order

DISTORTED = 0.10
"""Growth since update 1 of the share of gradient elements below e^-16 from which a histogram
counts as distorted: a tenth of all elements, which a histogram shows at a glance."""

EARLY, SHOWN = 10, 100
"""Updates: C03's "within 10"; and up to which the undistorted must stay so (later histograms
change because the model has learned)."""

FAR_BELOW = 0.1
"""C16: "far below" is at most a tenth."""

RHOS = np.arange(5.0, 501.0)
"""C16: the ρ of Fig. 8."""

MOST = 0.5
"""C16, C17: the share of the figure's logarithmic axis from which a claim that fails at its
beginning holds "partly"; below it does not hold."""

MEANS = (0.0, 0.001, 0.01, 0.1, 1.0, 10.0)
"""C17: the mean gradients of Fig. 9, in standard deviations."""

LARGE_EARLY, FIRST = 100.0, 5
"""C17: "large early" is two decades above the final variance, at update 5, the first that RAdam
rectifies: the claim speaks of updates from there on."""

NEARLY_CONSTANT = 2.0
"""C17: "nearly constant" is a largest variance at most twice the smallest."""


def c03(e: Evidence) -> Finding:
    """Adam without warmup is distorted at some update up to 10, Adam+warmup at none up to 100."""
    adam = e.growth_of_tiny_gradients("adam", EARLY)
    warmup = e.growth_of_tiny_gradients("adam_warmup", SHOWN)
    conditions = [above(adam.best, DISTORTED), below(warmup.best, DISTORTED)]
    return finding([], conditions, may_fail=[adam, warmup])


def c04(e: Evidence) -> Finding:
    """None of the three is distorted: RAdam and Adam-eps at any update up to 100, Adam-2k, whose
    parameters stand still for its first, over as many after its freeze. Of what has run."""
    arms, missing = [], []
    for name, of in (("radam", "RAdam"), ("adam_eps", "Adam-eps"), ("adam_2k", "Adam-2k")):
        try:
            arms.append(_undisturbed(e, name))
        except NotRun:
            missing.append(of)
    if not arms:
        raise NotRun(f"histograms of {', '.join(missing)}")
    conditions = [below(arm.best, DISTORTED) for arm in arms]
    found = finding([], conditions, may_fail=arms)
    if missing:
        ran = ", ".join(arm.best.name.split(",")[0] for arm in arms)
        partly = f"of {ran}, and {', '.join(missing)} did not run"
        return replace(found, partly=partly, seeds=())  # those have none yet
    return found


def _undisturbed(e: Evidence, name: str) -> Arm:
    freezes = e.setting(name, "config.optimizer.freeze_updates", STOPPED)
    freeze = int(max(freezes, default=0))
    return e.growth_of_tiny_gradients(name, freeze + SHOWN, freeze)


def c16() -> Finding:
    """Both fall over every whole ρ from 5 to 500; and the ρ from which on they differ by at most a
    tenth of the exact value. What the difference costs is its square root: r_t is that of the first
    order, and an exact one would be larger in the first rectified updates."""
    exact, first = variance(RHOS), variance_first_order(RHOS)
    ratio = np.abs(first - exact) / exact
    falling = bool((np.diff(exact) < 0).all() and (np.diff(first) < 0).all())
    begin, share = _from_where(RHOS, ratio <= FAR_BELOW)
    updates = (5, 6, 10, 27, 100)
    lengths = np.array([float(rho(t, 0.999)) for t in updates])
    cost = np.sqrt(variance(lengths) / variance_first_order(lengths))
    ours = (
        f"exact {exact[0]:.3g} at ρ = 5, {exact[-1]:.3g} at ρ = 500",
        f"difference / exact value: {ratio[0]:.2f} at ρ = 5, {ratio[-1]:.2g} at ρ = 500",
        "r_t of the first order / r_t of the exact variance at updates "
        f"{', '.join(map(str, updates))}: {', '.join(f'{c:.3g}' for c in cost)} (β2 = .999)",
    )
    overlap = f"difference at most a tenth of the exact value from ρ = {begin:g} on"
    conditions = (
        holds(falling, "both fall with ρ"),
        holds(bool(exact[0] > 100 * exact[-1]), "more than 100 times larger at 5 than at 500"),
        holds(share >= MOST, f"{overlap}, {share:.0%} of the axis"),
    )
    partly = None if share == 1 else f"from ρ = {begin:g} on"
    return Finding(ours, conditions, partly=partly)


def _from_where(position: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Where on an axis something holds to its end, and for what share of the axis (log)."""
    wrong = np.flatnonzero(~right)
    begin = 0 if not len(wrong) else int(wrong[-1]) + 1
    if begin == len(position):
        return float(position[-1]), 0.0
    whole = np.log(position[-1] / position[0])
    return float(position[begin]), float(np.log(position[-1] / position[begin]) / whole)


def c17(record: Mapping[str, Any]) -> Finding:
    """For every mean gradient: the adaptive rate's variance starts two decades above its end; and
    the update from which on the rectified one stays within a factor of two. Both beyond the
    intervals over trajectories. As strict as C16: from the first rectified update on, or partly."""
    missing = [mean for mean in MEANS if mean not in record["means"]]
    updates = np.array(record["updates"])
    if missing or updates[0] > FIRST or (updates > FIRST).sum() < 2:
        raise NotRun(f"the simulation for means {missing}, from update {FIRST} on")
    chosen = [record["means"].index(mean) for mean in MEANS]
    rectified = updates >= FIRST

    def ends(name: str) -> tuple[Floats, Floats]:
        low, high = (np.array(record[f"{name}_{end}"], dtype=float) for end in ("low", "high"))
        return low[chosen][:, rectified], high[chosen][:, rectified]

    updates = updates[rectified]
    low, high = ends("adaptive")
    drop = low[:, 0] / high[:, -1], high[:, 0] / low[:, -1]
    low, high = ends("rectified")
    surely, perhaps = _swing(high, low), _swing(low, high)  # the largest and least it may be
    begin, share = _from_where(updates, surely <= NEARLY_CONSTANT)
    at_best = _from_where(updates, perhaps <= NEARLY_CONSTANT)[1]
    last = np.searchsorted(updates, begin)
    ours = (
        f"variance at update {updates[0]} over that at {updates[-1]}: "
        f"{drop[0].min():.3g} to {drop[1].max():.3g}",
        f"rectified, largest over smallest: from update {updates[0]} on at most {surely[0]:.3g}, "
        f"from {begin:g} on {surely[last]:.3g}",
        f"{record['trajectories']} trajectories, β2 = {record['beta2']:g}, 95 % intervals",
    )
    constant = f"nearly constant once rectified, from update {begin:g} on ({share:.0%} of the axis)"
    conditions = (
        _surely(f"{LARGE_EARLY:g} times larger early", drop[0].min(), drop[1].min(), LARGE_EARLY),
        _surely(constant, share, at_best, MOST),
    )
    return Finding(ours, conditions, partly=None if share == 1 else f"from update {begin:g} on")


def _swing(top: Floats, bottom: Floats) -> Floats:
    """At each update: the largest ``top`` over the smallest ``bottom`` from there on, of the mean
    where it is largest."""
    highest = np.maximum.accumulate(top[:, ::-1], axis=1)[:, ::-1]
    lowest = np.minimum.accumulate(bottom[:, ::-1], axis=1)[:, ::-1]
    most: Floats = (highest / lowest).max(axis=0)
    return most


def _surely(text: str, low: float, high: float, limit: float) -> Condition:
    """A figure between ``low`` and ``high`` reaches the limit surely, perhaps, or not."""
    return Condition(text, 0.0 if low >= limit else 1.0, 0.0 if high < limit else 1.0)


UPDATES, ALIKE = 200, 1e-12
"""C18: updates stepped, and the largest relative difference that is rounding (float64)."""


def c18() -> Finding:
    """RAdam rectifies where ρ_t > 4, which for β2 ≤ .6 is at no update. And the optimizer itself,
    stepped beside SGD with the same momentum (an average of gradients, its start corrected), takes
    the same steps up to rounding; just above .6 it does not."""
    updates = np.arange(1, 100_001)
    betas = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    largest = max(float(rho(updates, float(beta2)).max()) for beta2 in betas)
    limits = max(rho_inf(float(beta2)) for beta2 in betas)
    apart = max(_from_momentum(float(beta2)) for beta2 in betas)
    above_it = _from_momentum(0.61)
    return Finding(
        (
            f"ρ_t ≤ {max(largest, limits):.6g} at every update for β2 ≤ .6",
            f"RAdam against SGD with momentum after {UPDATES} updates, largest relative "
            f"difference: {apart:.1g} for β2 ≤ .6, {above_it:.1g} at .61",
        ),
        (
            holds(max(largest, limits) <= 4, "never rectified for β2 ≤ .6"),
            holds(apart <= ALIKE, "the same steps as SGD with momentum"),
            holds(above_it > ALIKE, "rectified above"),
        ),
    )


def _from_momentum(beta2: float, beta1: float = 0.9, lr: float = 0.01) -> float:
    """How far RAdam and SGD with momentum come apart on the same gradients."""
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=8), rng.normal(size=(UPDATES, 8))
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer = RAdam([parameter], lr=lr, betas=(beta1, beta2), weight_decay=0.0)
    expected, momentum = start.copy(), np.zeros(8)
    for t, gradient in enumerate(gradients, start=1):
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        momentum = beta1 * momentum + (1 - beta1) * gradient
        expected -= lr * momentum / (1 - beta1**t)
    found = parameter.detach().numpy()
    return float(np.abs(found / expected - 1).max())
