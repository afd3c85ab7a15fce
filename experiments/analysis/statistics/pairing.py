"""Whether runs of equal seeds are alike, and when a paired test is the better one.

Runs with one seed share the initial parameters, the order of the data and the augmentation. How
much of the scores' variance they share is measured over all cells of a section at once: the test
of one pair of cells has hardly a part in it, so choosing by it does no harm (docs/statistics.md).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from experiments.analysis.statistics.estimate import CONFIDENCE, Floats, quantile

LEVEL = 0.05


@dataclass(frozen=True)
class Pairing:
    """What the section's cells say of equal seeds."""

    icc: float
    """Share of the variance over seeds, inside a cell, that all cells of one seed have in common
    (intraclass correlation); 0 where it is not told from none."""
    p: float
    """Of the test that there is none; 1 where there is nothing to test."""

    def paired(self, n: int) -> bool:
        """Whether n pairs tell more than two samples of n: pairs cost half the degrees of freedom,
        which a small common part does not repay."""
        if n < 2:
            return False
        share = (1 + CONFIDENCE) / 2
        narrows = math.sqrt(1 - self.icc) * quantile(n - 1, share)
        return self.p < LEVEL and narrows < quantile(2 * n - 2, share)

    def text(self, n: int) -> str:
        """For people: which test, and why."""
        if self.p >= LEVEL:
            return f"unpaired: no common effect of the seed is seen (p = {self.p:.2g})"
        common = f"seeds share {self.icc:.0%} of the variance (p = {self.p:.2g})"
        if self.paired(n):
            return f"paired by seed: {common}"
        return f"unpaired: {common}, too little to repay pairs of {n} seeds"


UNPAIRED = Pairing(0.0, 1.0)


def pairing(table: ArrayLike) -> Pairing:
    """From the scores of all cells at all seeds, shape (cells, seeds): the F test of the seeds in
    the additive model of cell and seed. Fewer than two cells or seeds show nothing."""
    scores = np.asarray(table, dtype=float)
    if scores.ndim != 2 or min(scores.shape) < 2 or not np.isfinite(scores).all():
        return UNPAIRED
    cells, seeds = scores.shape
    inside = scores - scores.mean(axis=1, keepdims=True)
    common = inside.mean(axis=0)
    between = cells * float(common @ common) / (seeds - 1)
    df = (cells - 1) * (seeds - 1)
    rest = float(((inside - common) ** 2).sum()) / df
    if rest <= 0:
        return UNPAIRED
    p = float(fdtrc(seeds - 1, df, between / rest))
    icc = (between - rest) / (between + (cells - 1) * rest)
    return Pairing(max(icc, 0.0), p)


def beside_seeds(table: Floats) -> tuple[Floats, float]:
    """The standard error of each cell's mean without what the cells of one seed have in common,
    and the degrees of freedom: from the SD of all cells together, or its own where that is larger.

    ``table``: shape (cells, seeds), two of each at least.
    """
    cells, n = table.shape
    rest = residual_variances(table)
    return np.sqrt(np.maximum(rest, rest.mean()) / n), (cells - 1) * (n - 1)


def residual_variances(table: Floats) -> Floats:
    """The variance of one score in each cell that is left in the additive model of cell and seed;
    shape (cells, seeds), two of each at least."""
    cells, n = table.shape
    inside = table - table.mean(axis=1, keepdims=True)
    squares = ((inside - inside.mean(axis=0)) ** 2).sum(axis=1)
    found: Floats = squares / (n - 1) * cells / (cells - 1)
    return found
