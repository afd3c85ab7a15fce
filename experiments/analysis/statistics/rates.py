"""Numbers of one method over its grid of α: best, spread, plateau, expected score.

``table``: scores of shape (α, seeds), α ascending, more is better, every cell with the same
seeds. The largest of several means is too large by chance, and by no fixed amount: so the
intervals of best, spread and plateau are made of limits that hold for all cells at once
(Bonferroni), and cover more than 95 % where the cells differ little.
"""

import numpy as np
from numpy.typing import ArrayLike

from experiments.analysis.statistics.estimate import CONFIDENCE, Estimate, Floats, quantile
from experiments.analysis.statistics.means import mean
from experiments.analysis.statistics.pairing import beside_seeds

TOLERANCE = 0.01
"""The plateau's: 1 % of the way from a model that learned nothing to the best mean."""


def best(table: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """The largest mean. Some cell's true mean is above all lower limits of all cells, and the true
    best is not above its own upper limit."""
    table, means, n = _means(table)
    value = float(means.max())
    if n < 2:
        return Estimate(value, None, None, n)
    se, df = _within(table)
    tail = (1 - confidence) / 2
    lower = means - quantile(df, 1 - tail / len(means)) * se
    upper = means + quantile(df, 1 - tail) * se
    return _interval(value, lower.max(), upper.max(), n, se)


def spread(table: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """The largest mean minus the smallest: the largest difference of two cells, each compared
    seed by seed (the SD is what is left beside the additive effects of α and seed)."""
    table, means, n = _means(table)
    value = 0.0 if means.max() == means.min() else float(means.max() - means.min())
    if n < 2 or len(means) < 2:
        return Estimate(value, None, None, n)
    each, df = beside_seeds(table)
    gap, se = np.subtract.outer(means, means), np.hypot.outer(each, each)
    tail = (1 - confidence) / 2
    lower = gap - quantile(df, 1 - tail / (gap.size - len(means))) * se
    upper = gap + quantile(df, 1 - tail) * se
    return _interval(value, max(lower.max(), 0.0), upper.max(), n, se)


def expected(
    table: ArrayLike, lrs: ArrayLike, typical: float | None = None, confidence: float = CONFIDENCE
) -> Estimate:
    """The expected score under a log-uniform α: one number a seed, and their mean."""
    return mean(per_seed_expected(table, lrs), typical, confidence)


def per_seed_expected(table: ArrayLike, lrs: ArrayLike) -> Floats:
    """For each seed the mean over log α of the straight lines through its scores."""
    scores, position = np.asarray(table, dtype=float), np.log10(np.asarray(lrs, dtype=float))
    steps = np.diff(position)
    total: Floats = steps @ (scores[:-1] + scores[1:]) / 2 / (position[-1] - position[0])
    return total


def plateau(
    table: ArrayLike, lrs: ArrayLike, failure: float, confidence: float = CONFIDENCE
) -> Estimate:
    """The decades of α around the best one in which the curve of means is within TOLERANCE of it.

    ``failure``: the score of a model that learned nothing. The interval holds the lengths of all
    curves within limits that hold for all cells at once: the longest is the flattest of them,
    the shortest has one cell at its upper limit and the others at their lower ones.
    """
    table, means, n = _means(table)
    value = _length(means, lrs, failure)
    if n < 2 or len(means) < 2:
        return Estimate(value, None, None, n)
    se, df = _within(table)
    half = quantile(df, 1 - (1 - confidence) / 2 / len(means)) * se
    lows, highs = means - half, means + half
    top = max(lows.max(), np.nextafter(failure, np.inf))
    flattest = _length(np.minimum(highs, top), lrs, failure)
    peaks = [
        _length(np.where(np.arange(len(means)) == k, highs, lows), lrs, failure)
        for k in np.flatnonzero(highs >= top)
    ]
    shortest = min(peaks, default=0.0) if lows.max() > failure else 0.0
    return _interval(value, shortest, flattest, n, se)


def plateau_piece(means: ArrayLike, lrs: ArrayLike, failure: float) -> tuple[float, float]:
    """Where the contiguous piece around the best α begins and ends, as log10 α (of several α
    alike, the longest); an empty one where the best mean is not better than ``failure``."""
    means, position = np.asarray(means, dtype=float), np.log10(np.asarray(lrs, dtype=float))
    top = means.max()
    peaks = np.flatnonzero(means == top)
    if not top > failure:
        return (float(position[0]),) * 2
    threshold = top - TOLERANCE * (top - failure)
    pieces = [
        (_edge(means, position, k, -1, threshold), _edge(means, position, k, 1, threshold))
        for k in peaks.tolist()
    ]
    return max(pieces, key=lambda piece: piece[1] - piece[0])


def _edge(means: Floats, position: Floats, peak: int, step: int, threshold: float) -> float:
    """Where the curve first falls below the threshold, going from the peak; or the grid's end."""
    at = peak
    while 0 <= at + step < len(means) and means[at + step] >= threshold:
        at += step
    following = at + step
    if not 0 <= following < len(means):
        return float(position[at])
    share = (means[at] - threshold) / (means[at] - means[following])
    return float(position[at] + share * (position[following] - position[at]))


def _length(means: Floats, lrs: ArrayLike, failure: float) -> float:
    begin, end = plateau_piece(means, lrs, failure)
    return end - begin


def _means(table: ArrayLike) -> tuple[Floats, Floats, int]:
    scores = np.asarray(table, dtype=float)
    if scores.ndim != 2 or 0 in scores.shape or np.isnan(scores).any():
        raise ValueError(f"scores of shape {scores.shape}; give (α, seeds) without NaN")
    finite = np.isfinite(scores).all()
    return scores, scores.mean(axis=1), scores.shape[1] if finite else 1


def _within(table: Floats) -> tuple[Floats, float]:
    """The standard error of each cell's mean, and the degrees of freedom: from the SD of all cells
    together, or its own where that is larger."""
    cells, n = table.shape
    variances = table.var(axis=1, ddof=1)
    return np.sqrt(np.maximum(variances, variances.mean()) / n), cells * (n - 1)


def _interval(value: float, low: float, high: float, n: int, se: Floats) -> Estimate:
    if not se.max() > 0:
        return Estimate(value, None, None, n)
    return Estimate(value, float(low), float(high), n)
