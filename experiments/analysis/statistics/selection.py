"""The best of one method against the best of another, and spread against spread.

The largest of several means is too large by chance, the more so the more cells there are, and the
flatter they lie. So a best is never tested with the figures that chose it: each seed counts with
its score in the cell that is best on the *other* seeds, whose expectation is at most the true
best; and it must beat every cell of the other method, whichever is truly its best.

That is a test, one-sided, for the claims: it needs no common SD. The interval of the same
difference, for tables, is made of limits for all cells at once (`contrasts`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from experiments.analysis.statistics import decisions
from experiments.analysis.statistics.estimate import Estimate, Floats
from experiments.analysis.statistics.means import difference
from experiments.analysis.statistics.pairing import UNPAIRED, Pairing


@dataclass(frozen=True)
class Contrast:
    """A difference, with the estimates that must all lie above a limit for it to lie above, and
    all below for it to lie below. An ordinary difference has one for both."""

    value: float
    above: tuple[Estimate, ...]
    below: tuple[Estimate, ...]
    n: int

    def p_above(self, limit: float) -> float:
        """One-sided p of "the truth is at most ``limit``"."""
        return max((decisions.p_above(each, limit) for each in self.above), default=1.0)

    def p_below(self, limit: float) -> float:
        """One-sided p of "the truth is at least ``limit``"."""
        return max((decisions.p_below(each, limit) for each in self.below), default=1.0)

    @property
    def estimate(self) -> Estimate:
        """The value with the interval that both sides make, where both can be had."""
        lows, highs = [e.low for e in self.above], [e.high for e in self.below]
        if not lows or not highs or None in lows or None in highs:
            return Estimate(self.value, None, None, self.n)
        low, high = min(e for e in lows if e is not None), max(e for e in highs if e is not None)
        return Estimate(self.value, min(low, self.value), max(high, self.value), self.n)


def contrast_of_best(
    a: ArrayLike, b: ArrayLike, pairing: Pairing = UNPAIRED, typical: float | None = None
) -> Contrast:
    """The largest true mean among ``a``'s cells minus the largest among ``b``'s.

    ``a``, ``b``: scores of shape (cells, seeds), more is better; ``pairing``: only where column j
    is of one seed in both. Of one cell each it is their `difference`.
    """
    a, b = _table(a), _table(b)
    ours, theirs = cross_selected(a), cross_selected(b)
    value = float(a.mean(axis=1).max() - b.mean(axis=1).max())
    above = tuple(difference(ours, other, pairing, typical) for other in b)
    below = tuple(difference(own, theirs, pairing, typical) for own in a)
    return Contrast(value, above, below, min(a.shape[1], b.shape[1]))


def contrast_of_spread(
    a: ArrayLike, b: ArrayLike, typical: float | None = None, icc: float = 0.0
) -> Contrast:
    """The spread over ``a``'s cells (largest true mean minus smallest) minus that over ``b``'s.

    Tables as in `contrast_of_best`, two cells each at least. Each seed's spread is that between
    the cells which are best and worst on the other seeds; it must exceed that of every pair of the
    other method's cells. What a seed does to all cells alike (its share ``icc`` of the variance)
    is not in these differences, so that the methods are compared unpaired.
    """
    a, b = _table(a), _table(b)
    value = float(np.ptp(a.mean(axis=1)) - np.ptp(b.mean(axis=1)))
    usual = None if typical is None else typical * math.sqrt(2 * (1 - icc))
    ours, theirs = cross_spread(a), cross_spread(b)
    above = tuple(difference(ours, pair, typical=usual) for pair in _pairs(b))
    below = tuple(difference(pair, theirs, typical=usual) for pair in _pairs(a))
    return Contrast(value, above, below, min(a.shape[1], b.shape[1]))


def cross_selected(table: ArrayLike) -> Floats:
    """For each seed its score in the cell with the best mean over the other seeds: one number a
    seed, whose mean is on average at most the best true mean. Shape (cells, seeds) to (seeds,)."""
    table = _table(table)
    seeds = np.arange(table.shape[1])
    chosen: Floats = table[_of_others(table).argmax(axis=0), seeds]
    return chosen


def cross_spread(table: ArrayLike) -> Floats:
    """For each seed the difference between the cells that are best and worst over the others."""
    table = _table(table)
    others, seeds = _of_others(table), np.arange(table.shape[1])
    gap: Floats = table[others.argmax(axis=0), seeds] - table[others.argmin(axis=0), seeds]
    return gap


def _of_others(table: Floats) -> Floats:
    """Each cell's sum over the other seeds: as good as their mean to choose by. With one seed
    there are no others, and it chooses itself."""
    if table.shape[1] == 1:
        return table
    others: Floats = table.sum(axis=1, keepdims=True) - table
    return others


def _pairs(table: Floats) -> list[Floats]:
    """The differences of every two cells, both ways round, seed by seed."""
    cells = range(len(table))
    return [table[i] - table[j] for i in cells for j in cells if i != j]


def _table(scores: ArrayLike) -> Floats:
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or 0 in table.shape or not np.isfinite(table).all():
        raise ValueError(f"scores of shape {table.shape}; give finite ones as (cells, seeds)")
    return table
