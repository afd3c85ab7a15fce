"""Methods compared over their grids of α: the best, the spread, a budget of rates, interaction.

``table``: scores of shape (cells, seeds), more is better, every cell with the same seeds. A best
score is the largest of several means, a spread the largest of several differences: both are too
large by chance, the more so the less the cells differ. So a difference of two of them has limits
that hold whichever cells are the true best ones. Standard errors are of what is left beside
additive effects of cell and seed.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from experiments.analysis.statistics.estimate import CONFIDENCE, Estimate, Floats, quantile
from experiments.analysis.statistics.pairing import beside_seeds, residual_variances


def difference_of_best(a: ArrayLike, b: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """The largest mean of ``a`` minus the largest of ``b``.

    With the cells of all other methods as ``b`` it says how far a method is from the best of them
    (Hsu's comparison with the best).
    """
    a, b, se, df = _together(a, b)
    first = _Values(a.mean(axis=1), se[: len(a)] ** 2, len(a))
    second = _Values(b.mean(axis=1), se[len(a) :] ** 2, len(b))
    return _of_largest(first, second, df, a.shape[1], confidence)


def difference_of_spread(a: ArrayLike, b: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """The spread of ``a`` (its largest mean minus its smallest) minus that of ``b``."""
    a, b, se, df = _together(a, b)
    if min(len(a), len(b)) < 2:
        raise ValueError("a spread is taken over two cells at least")
    if not np.isfinite(se).all():
        spreads = [_minus(table.mean(axis=1).max(), table.mean(axis=1).min()) for table in (a, b)]
        return Estimate(_minus(*spreads), None, None, a.shape[1])
    first = _gaps(a.mean(axis=1), se[: len(a)] ** 2)
    second = _gaps(b.mean(axis=1), se[len(a) :] ** 2)
    return _of_largest(first, second, df, a.shape[1], confidence)


def lost_to_next(table: ArrayLike, confidence: float = CONFIDENCE) -> Estimate:
    """The largest mean minus the second largest: what is lost where the best α is missed.

    One cell is shown to be the best where all its lower limits against the others are above 0.
    """
    scores = _checked(table)
    if len(scores) < 2:
        raise ValueError("the next best is taken of two cells at least")
    means, n = scores.mean(axis=1), scores.shape[1]
    second, first = np.sort(means)[-2:]
    if n < 2 or not np.isfinite(scores).all():
        return Estimate(_minus(first, second), None, None, n)
    se, df = beside_seeds(scores)
    gap, error = np.subtract.outer(means, means), np.hypot.outer(se, se)
    itself, tail = np.eye(len(means), dtype=bool), (1 - confidence) / 2
    lower = gap - quantile(df, 1 - tail / len(means)) * error
    upper = gap + quantile(df, 1 - tail / (len(means) - 1)) * error
    least = np.where(itself, np.inf, lower).min(axis=1).max()
    most = np.where(itself, np.inf, upper).min(axis=1).max()
    return _interval(float(first - second), max(float(least), 0.0), float(most), n, se)


def per_seed_budget(table: ArrayLike, k: int) -> Floats:
    """For each seed the best score that ``k`` tried rates have, the mean over all choices of k of
    the grid's rates (without replacement: Tang et al. 2020). The best rate is chosen by the score
    itself, seed by seed, as somebody does who runs each rate once."""
    scores = _checked(table)
    rates = len(scores)
    if not 1 <= k <= rates:
        raise ValueError(f"a budget of {k} among {rates} rates")
    # Of all choices of k, those whose best is the i-th from below take the rest from below it.
    weights = [math.comb(i - 1, k - 1) / math.comb(rates, k) for i in range(k, rates + 1)]
    found: Floats = weights @ np.sort(scores, axis=0)[k - 1 :]
    return found


def interaction_p(tables: ArrayLike) -> float | None:
    """p of "the methods differ by the same at every α"; shape (methods, α, seeds).

    The ANOVA-type statistic of Brunner, Dette and Munk (1997) on what is left beside the seeds:
    an F test that allows each cell its own variance. None where nothing can be tested.
    """
    scores = np.asarray(tables, dtype=float)
    methods, rates, n = scores.shape
    if min(scores.shape) < 2 or not np.isfinite(scores).all():
        return None
    cells = methods * rates
    own = residual_variances(scores.reshape(cells, n)) / n
    if not own.max() > 0:
        return None
    project = np.kron(_centre(methods), _centre(rates))
    means = scores.mean(axis=2).ravel()
    scale = float(np.diag(project) @ own)
    f = scale**2 / float(own @ project**2 @ own)
    df = scale**2 / float(np.diag(project) ** 2 @ own**2) * (n - 1) * (cells - 1) / cells
    return float(fdtrc(f, df, means @ project @ means / scale))


class _Values(NamedTuple):
    """Estimates, their variances, and of how many the true largest may be any."""

    means: Floats
    variances: Floats
    among: int


def _gaps(means: Floats, variances: Floats) -> _Values:
    """The differences of all pairs of cells, as it is positive: the other way round none could be
    the largest, and yet the truth may lie there."""
    i, j = np.triu_indices(len(means), 1)
    return _Values(np.abs(means[i] - means[j]), variances[i] + variances[j], 2 * len(i))


def _of_largest(a: _Values, b: _Values, df: float, n: int, confidence: float) -> Estimate:
    """The largest of the true values of ``a`` minus that of ``b``'s, from independent estimates.

    For the true best i of A: the difference is the smallest of a_i − b_j over j. So it is at most
    the smallest upper limit of these (Bonferroni over j), whichever i is; and so from below.
    """
    value = _minus(a.means.max(), b.means.max())
    if n < 2 or not math.isfinite(df):
        return Estimate(value, None, None, n)
    gap = np.subtract.outer(a.means, b.means)
    se = np.sqrt(np.add.outer(a.variances, b.variances))
    tail = (1 - confidence) / 2
    upper = (gap + quantile(df, 1 - tail / b.among) * se).min(axis=1).max()
    lower = (gap - quantile(df, 1 - tail / a.among) * se).max(axis=0).min()
    return _interval(value, float(lower), float(upper), n, se)


def _together(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats, Floats, float]:
    a, b = _checked(a), _checked(b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{a.shape[1]} seeds against {b.shape[1]}: compare the same seeds")
    both = np.concatenate([a, b])
    if a.shape[1] < 2 or not np.isfinite(both).all():
        return a, b, np.full(len(both), math.nan), math.nan
    return a, b, *beside_seeds(both)


def _minus(a: float, b: float) -> float:
    """Two failures without bound are alike."""
    return 0.0 if a == b else float(a - b)


def _centre(size: int) -> Floats:
    centre: Floats = np.eye(size) - 1 / size
    return centre


def _checked(table: ArrayLike) -> Floats:
    scores = np.asarray(table, dtype=float)
    if scores.ndim != 2 or 0 in scores.shape or np.isnan(scores).any():
        raise ValueError(f"scores of shape {scores.shape}; give (cells, seeds) without NaN")
    return scores


def _interval(value: float, low: float, high: float, n: int, se: Floats) -> Estimate:
    if not se.max() > 0:
        return Estimate(value, None, None, n)
    return Estimate(value, low, high, n)
