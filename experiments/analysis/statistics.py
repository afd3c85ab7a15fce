"""Means with intervals, differences, probability of improvement, performance profiles.

Every interval is a 95 % percentile bootstrap over seeds with 10,000 resamples from a fixed seed,
so the same store always gives the same numbers. Resampling is stratified: seeds are drawn with
replacement within each cell, never across cells, and cells are drawn independently.

Two things a reader should know:

- One seed gives a value and no interval; nothing here invents a spread that was not measured.
- With n seeds a percentile interval cannot leave [smallest, largest], and with two it is exactly
  that, which covers the true mean about half the time. n therefore stands beside every mean, and
  the claims (``claims/rules.py``) ask for three seeds.

Scores may be ±inf (the score of a diverged run where a metric has no worst value); NaN is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 0

Floats = NDArray[np.float64]

# Resampled values held at once: 2^22 doubles are 32 MB, whatever the number of seeds.
_BLOCK = 2**22


@dataclass(frozen=True)
class Estimate:
    """A value, its 95 % interval (``None`` where one seed, or none, gives no interval), and n."""

    value: float
    low: float | None
    high: float | None
    n: int

    def text(self, digits: int = 2) -> str:
        """``91.38 [91.20, 91.51], n = 5``, or ``91.38, n = 1 (no interval)``."""
        if self.low is None or self.high is None:
            return f"{number(self.value, digits)}, n = {self.n} (no interval)"
        interval = f"[{number(self.low, digits)}, {number(self.high, digits)}]"
        return f"{number(self.value, digits)} {interval}, n = {self.n}"


def number(value: float, digits: int = 2) -> str:
    """``value`` with ``digits`` decimals; infinities as ∞."""
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def generator() -> np.random.Generator:
    """The random numbers of one computation, always the same."""
    return np.random.default_rng(SEED)


def resampled_means(values: ArrayLike, rng: np.random.Generator) -> Floats:
    """Means of ``RESAMPLES`` resamples with replacement of ``values``; shape (RESAMPLES,)."""
    values = _scores(values)
    means = np.empty(RESAMPLES)
    rows = max(1, _BLOCK // len(values))
    for start in range(0, RESAMPLES, rows):
        stop = min(start + rows, RESAMPLES)
        index = rng.integers(len(values), size=(stop - start, len(values)))
        means[start:stop] = values[index].mean(axis=1)
    return means


def estimate(value: float, resampled: Floats, n: int) -> Estimate:
    """``value`` with the percentile interval of its resampled values; n < 2 gives no interval.

    The interval's ends are resampled values themselves (no interpolation), so ±inf stays ±inf.
    """
    if n < 2:
        return Estimate(float(value), None, None, n)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], method="nearest")
    return Estimate(float(value), float(low), float(high), n)


def mean(values: ArrayLike) -> Estimate:
    """Mean over seeds. ``values``: one score a seed, at least one."""
    values = _scores(values)
    if len(values) < 2:
        return Estimate(float(values[0]), None, None, 1)
    return estimate(values.mean(), resampled_means(values, generator()), len(values))


def difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Mean of ``a`` minus mean of ``b``; n is the smaller number of seeds.

    The two are resampled independently: equal seeds share the order of the data, but not enough
    else to be paired. Where both means are infinite the difference counts as 0.
    """
    a, b = _scores(a), _scores(b)
    n = min(len(a), len(b))
    value = float(_subtract(a.mean(), b.mean()))
    if n < 2:
        return Estimate(value, None, None, n)
    rng = generator()
    return estimate(value, _subtract(resampled_means(a, rng), resampled_means(b, rng)), n)


def probability_of_improvement(
    x: Sequence[ArrayLike], y: Sequence[ArrayLike], direction: str
) -> Estimate:
    """How probable it is that a run of X beats a run of Y: mean over strata of P(X>Y) + P(X=Y)/2.

    ``x[i]`` and ``y[i]`` are the scores over seeds in stratum i (a learning rate, or a task);
    ``direction`` "min" turns the comparison round. The interval is a stratified bootstrap. As in
    Agarwal et al., "Deep RL at the edge of the statistical precipice" (2021), section 4.3.
    n is the smallest number of seeds in any stratum.
    """
    if len(x) != len(y) or not x:
        raise ValueError(f"X has {len(x)} strata and Y {len(y)}: compare equal, non-empty grids")
    rng = generator()
    total, resampled = 0.0, np.zeros(RESAMPLES)
    smallest = min(len(_scores(scores)) for scores in (*x, *y))
    for first, second in zip(x, y, strict=True):
        first, second = _upward(first, direction), _upward(second, direction)
        wins = np.where(
            first[:, None] == second[None, :], 0.5, first[:, None] > second[None, :]
        ).astype(float)
        total += wins.mean()
        if smallest > 1:
            chosen, against = _weights(len(first), rng), _weights(len(second), rng)
            resampled += np.einsum("bi,bi->b", chosen @ wins, against)
    return estimate(total / len(x), resampled / len(x), smallest)


@dataclass(frozen=True)
class Profile:
    """Share of runs that reach each threshold; ``low``/``high`` are None with single seeds."""

    thresholds: Floats
    share: Floats
    low: Floats | None
    high: Floats | None
    n: int


def performance_profile(
    strata: Sequence[ArrayLike], thresholds: ArrayLike, direction: str
) -> Profile:
    """Share of runs that are better than each threshold, every stratum weighing the same.

    ``strata[i]``: the scores over seeds in stratum i. "Better" is strict: > for direction "max",
    < for "min". With a pointwise stratified bootstrap band (Agarwal et al. 2021, section 4.2).
    """
    thresholds = np.asarray(thresholds, dtype=float)
    towards = _upward(thresholds, direction)
    smallest = min(len(_scores(scores)) for scores in strata)
    rng = generator()
    share = np.zeros(len(thresholds))
    resampled = np.zeros((RESAMPLES, len(thresholds)))
    for scores in strata:
        reached = (_upward(scores, direction)[:, None] > towards[None, :]).astype(float)
        share += reached.mean(axis=0) / len(strata)
        if smallest > 1:
            resampled += _weights(len(reached), rng) @ reached / len(strata)
    if smallest < 2:
        return Profile(thresholds, share, None, None, smallest)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0, method="nearest")
    return Profile(thresholds, share, low, high, smallest)


def band(curves: ArrayLike) -> tuple[Floats, Floats] | None:
    """Pointwise 95 % interval of the mean curve; ``curves`` has shape (seeds, points).

    None with one seed.
    """
    curves = np.asarray(curves, dtype=float)
    if len(curves) < 2:
        return None
    resampled = _weights(len(curves), generator()) @ curves
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0, method="nearest")
    return low, high


def _weights(n: int, rng: np.random.Generator) -> Floats:
    """Share of each of n seeds in each resample; shape (RESAMPLES, n), rows sum to 1."""
    index = rng.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(index.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n) / n


def _subtract(a: ArrayLike, b: ArrayLike) -> Floats:
    """a − b, with ∞ − ∞ = 0: two failures are alike."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.subtract(a, b), nan=0.0, posinf=np.inf, neginf=-np.inf)


def _upward(values: ArrayLike, direction: str) -> Floats:
    """Scores turned so that more is better."""
    if direction not in ("max", "min"):
        raise ValueError(f"direction is {direction!r}; write 'max' or 'min'")
    values = _scores(values)
    return values if direction == "max" else -values


def _scores(values: ArrayLike) -> Floats:
    """One-dimensional float scores; refuses none and NaN, which would spread unseen."""
    array = np.atleast_1d(np.asarray(values, dtype=float))
    if array.ndim != 1 or not len(array):
        raise ValueError(f"scores of shape {array.shape}; give at least one, in one dimension")
    if np.isnan(array).any():
        raise ValueError("a score is NaN; score diverged runs (cells.py) before any statistics")
    return array
