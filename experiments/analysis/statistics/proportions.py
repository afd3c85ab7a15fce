"""How often: exact intervals of proportions, probability of improvement, performance profiles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from experiments.analysis.statistics.estimate import CONFIDENCE, Estimate, Floats, checked


def proportion(successes: float, of: int, confidence: float = CONFIDENCE) -> Estimate:
    """The share of ``of`` trials with the exact interval of Clopper and Pearson.

    n is the number of trials; of fewer than two there is no interval. Half a success (a tie) is
    taken as it is. Trials of unlike probabilities make the interval too wide, never too narrow.
    """
    if of < 2:
        return Estimate(successes / of, None, None, of)
    tail, failures = (1 - confidence) / 2, of - successes
    low = betaincinv(successes, failures + 1, tail) if successes > 0 else 0.0
    high = betaincinv(successes + 1, failures, 1 - tail) if failures > 0 else 1.0
    return Estimate(successes / of, float(low), float(high), of)


def probability_of_improvement(
    x: Sequence[ArrayLike], y: Sequence[ArrayLike], direction: str
) -> Estimate:
    """How probable it is that a run of X beats the run of Y with its α and seed, ties as halves.

    ``x[i][j]`` and ``y[i][j]`` are scores of stratum i (a learning rate) and seed j. With the
    exact interval over all pairs (the strata's probabilities need not be alike); n is the smallest
    number of seeds in a stratum, and one seed gives none. The estimand is that of Agarwal et al.
    (2021), section 4.3, for runs of one seed.
    """
    if len(x) != len(y) or not x:
        raise ValueError(f"X has {len(x)} strata and Y {len(y)}: compare equal, non-empty grids")
    wins, pairs, smallest = 0.0, 0, min(len(checked(scores)) for scores in x)
    for first, second in zip(x, y, strict=True):
        first, second = upward(first, direction), upward(second, direction)
        wins += float((first > second).sum() + (first == second).sum() / 2)
        pairs += len(first)
    found = proportion(wins, pairs)
    if smallest < 2:
        return Estimate(found.value, None, None, smallest)
    return Estimate(found.value, found.low, found.high, smallest)


@dataclass(frozen=True)
class Profile:
    """Share of runs that reach each threshold. It has no band: none was found that covers."""

    thresholds: Floats
    share: Floats


def performance_profile(
    strata: Sequence[ArrayLike], thresholds: ArrayLike, direction: str
) -> Profile:
    """Share of runs that are better than each threshold, every stratum weighing the same.

    ``strata[i]``: the scores over seeds in stratum i. "Better" is strict: > for direction "max",
    < for "min" (Agarwal et al. 2021, section 4.2).
    """
    thresholds = np.asarray(thresholds, dtype=float)
    towards = upward(thresholds, direction)
    shares = [(upward(s, direction)[:, None] > towards[None, :]).mean(axis=0) for s in strata]
    return Profile(thresholds, np.mean(shares, axis=0))


def upward(values: ArrayLike, direction: str) -> Floats:
    """Scores turned so that more is better."""
    if direction not in ("max", "min"):
        raise ValueError(f"direction is {direction!r}; write 'max' or 'min'")
    values = checked(values)
    return values if direction == "max" else -values
