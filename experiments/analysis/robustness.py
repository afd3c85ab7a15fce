"""Learning-rate robustness of a method on a task, from its grid of α (docs/design.md, Statistics).

The cells' means are joined by straight lines over log10 α; three numbers are read off that curve,
and one off its grid. A diverged run takes part with the score of a model that learned nothing
(see ``cells.py``), so failing at some α makes a method less robust, never more.

- best: the best mean, and the α that gave it.
- spread: best mean − worst mean over the grid's cells (worst − best for a metric that should be
  small), never negative. In the metric's unit.
- plateau: how many decades of α, within the grid, have a curve within 1 % of the best mean
  (≥ 0.99·best, or ≤ 1.01·best). A plateau that reaches the grid's end may go on beyond it: then
  it is a lower bound, and ``open_ended`` says so. To fail evenly is no plateau: it is 0 for a
  method whose best mean is not better than that of a model that learned nothing.
- expected: the mean of the curve over the grid's range, that is the expected score under a
  log-uniform α (trapezoid rule over log α).

Intervals: seeds are resampled within every cell, and everything (which cell is best, too) is
computed anew from each of the resamples. A cell with one seed has no spread to resample, so then
none of the numbers has an interval.

The numbers depend on the grid's range. Compare methods only over the same α (``lrs``).
"""

from dataclasses import dataclass

import numpy as np

from experiments.analysis.cells import Cell, Grid, Method
from experiments.analysis.statistics import Estimate, Floats, estimate, generator, resampled_means

TOLERANCE = 0.01
"""The plateau's: 1 % of the best mean."""


@dataclass(frozen=True)
class Robustness:
    """The numbers of one method; n is the smallest number of seeds in any cell."""

    method: Method
    lrs: tuple[float, ...]
    missing: tuple[float, ...]
    """The section's α at which this method has no scored run."""
    best: Estimate
    best_lr: float
    spread: Estimate | None
    """None, as plateau and expected, for a grid of fewer than two α."""
    plateau: Estimate | None
    open_ended: bool
    expected: Estimate | None
    diverged: int
    runs: int


def robustness(grid: Grid) -> list[Robustness]:
    """The numbers of every method that has a scored run."""
    return [of_cells(row, grid) for method in grid.methods if (row := grid.row(method))]


def of_cells(cells: list[Cell], grid: Grid) -> Robustness:
    """The numbers of one method from its cells by ascending α."""
    lrs = np.array([cell.lr for cell in cells])
    n = min(cell.n for cell in cells)
    sign = 1.0 if grid.direction == "max" else -1.0
    means = sign * np.array([[cell.scores.mean() for cell in cells]])
    rng = generator()
    resampled = (
        sign * np.column_stack([resampled_means(cell.scores, rng) for cell in cells])
        if n > 1
        else means
    )

    def measured(number: Floats, numbers: Floats) -> Estimate:
        return estimate(number[0], numbers, n)

    several = len(cells) > 1
    log_lrs, failure = np.log10(lrs), sign * grid.worst
    best = int(means[0].argmax())
    return Robustness(
        method=cells[0].method,
        lrs=tuple(lrs),
        missing=tuple(lr for lr in grid.lrs if lr not in lrs),
        best=measured(sign * means.max(1), sign * resampled.max(1)),
        best_lr=float(lrs[best]),
        spread=measured(_spread(means), _spread(resampled)) if several else None,
        plateau=(
            measured(_plateau(means, log_lrs, failure), _plateau(resampled, log_lrs, failure))
            if several
            else None
        ),
        open_ended=bool((means >= _threshold(means))[0, [0, -1]].any()),
        expected=(
            measured(sign * _expected(means, log_lrs), sign * _expected(resampled, log_lrs))
            if several
            else None
        ),
        diverged=sum(cell.diverged for cell in cells),
        runs=sum(cell.n for cell in cells),
    )


# Below, `means` has shape (resamples, α), and more is better (metrics to be minimised are negated).


def _spread(means: Floats) -> Floats:
    best, worst = means.max(1), means.min(1)
    with np.errstate(invalid="ignore"):
        return np.where(best == worst, 0.0, best - worst)


def _threshold(means: Floats) -> Floats:
    best = means.max(1, keepdims=True)
    return best - TOLERANCE * np.abs(best)


def _plateau(means: Floats, log_lrs: Floats, failure: float) -> Floats:
    """Length over log α where the piecewise linear curve is at or above the threshold."""
    threshold = _threshold(means)
    left, right = means[:, :-1], means[:, 1:]
    high, low = np.maximum(left, right), np.minimum(left, right)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = (high - threshold) / (high - low)
    share = np.where(low >= threshold, 1.0, np.where(high < threshold, 0.0, crossing))
    return np.where(means.max(1) > failure, share @ np.diff(log_lrs), 0.0)


def _expected(means: Floats, log_lrs: Floats) -> Floats:
    return (means[:, :-1] + means[:, 1:]) / 2 @ np.diff(log_lrs) / (log_lrs[-1] - log_lrs[0])
