"""Learning-rate robustness of a method on a task, from its grid of α.

The cells' means are joined by straight lines over log10 α; three numbers are read off that curve,
and one off its grid (`statistics.rates`):

- best: the best mean, and the α that gave it.
- spread: best mean − worst mean over the grid's cells (worst − best for a metric that should be
  small), never negative; for a metric that is averaged as its logarithm, the ratio of the two.
- plateau: how many decades of α, around the best one and within the grid, have a curve within 1 %
  of the best mean, reckoned from a model that learned nothing: so it does not depend on whether
  accuracy or error is written. One that reaches the grid's end may go on beyond it: then it is a
  lower bound, and ``open_ended`` says so. To fail evenly is no plateau: it is 0 for a method whose
  best mean is not better than chance; a metric without a chance level has none.
- expected: the mean of the curve over the grid's range, that is the expected score under a
  log-uniform α (trapezoid rule over log α).

All methods are compared over the same α: those at which every method of the section has a score
(methods that ran at one α are not asked; they have a best mean and nothing else).

A diverged run takes part as one that learned nothing (`cells`). Then, and where a method's cells
have not the same seeds, there are values and no intervals: none was found that covers.
"""

from dataclasses import dataclass

import numpy as np

from experiments.analysis import statistics
from experiments.analysis.cells import Cell, Grid, Method
from experiments.analysis.statistics import Estimate, Floats


@dataclass(frozen=True)
class Robustness:
    """The numbers of one method; n is the number of seeds, the same in all cells or the least."""

    method: Method
    lrs: tuple[float, ...]
    """The α over which the numbers are taken."""
    missing: tuple[float, ...]
    """The section's other α."""
    best: Estimate
    best_lr: float
    spread: Estimate | None
    """None, as plateau and expected, where fewer than two α are common to all methods."""
    plateau: Estimate | None
    """None for a metric without a chance level, too."""
    open_ended: bool
    expected: Estimate | None
    diverged: int
    runs: int


def robustness(grid: Grid) -> list[Robustness]:
    """The numbers of every method that has a scored run."""
    rows = {method: row for method in grid.methods if (row := grid.row(method))}
    common = common_rates(list(rows.values()))
    found = {
        method: [c for c in row if c.lr in common] if len(common) > 1 < len(row) else row
        for method, row in rows.items()
    }
    several = {m: upward(cells, grid) for m, cells in found.items() if len(common) > 1 < len(cells)}
    usual = statistics.typical_sd(
        statistics.per_seed_expected(table, sorted(common))
        for table in several.values()
        if table is not None
    )
    return [_of_cells(cells, grid, len(common) > 1, usual) for cells in found.values()]


def common_rates(rows: list[list[Cell]]) -> set[float]:
    """The α that all methods with more than one have in common."""
    rates = [{cell.lr for cell in row} for row in rows if len(row) > 1]
    return set.intersection(*rates) if rates else set()


def upward(cells: list[Cell], grid: Grid) -> Floats | None:
    """The scores of a method as (α, seeds) on the grid's scale, turned so that more is better;
    None where a run diverged or the cells have not the same seeds, two or more: then nothing
    beyond the means can be said."""
    alike = len({cell.seeds for cell in cells}) == 1 and cells[0].n > 1
    if not alike or any(cell.diverged for cell in cells):
        return None
    return _sign(grid) * np.array([grid.completed(cell) for cell in cells])


def _of_cells(cells: list[Cell], grid: Grid, several: bool, usual: float | None) -> Robustness:
    """The numbers of one method from its cells by ascending α."""
    lrs = [cell.lr for cell in cells]
    table = upward(cells, grid)
    n = min(cell.n for cell in cells)
    several = several and len(cells) > 1
    sign, failure = _sign(grid), float(_sign(grid) * grid.scale.forward(grid.worst))
    means = sign * grid.scale.forward([grid.value(cell) for cell in cells])
    if table is None:  # one seed has values, and never an interval
        table, counted = means[:, None], n
    else:
        counted = table.shape[1]

    def own(found: Estimate, turned: float) -> Estimate:
        ends = [None if end is None else turned * end for end in (found.low, found.high)]
        low, high = ends if turned > 0 else reversed(ends)
        return grid.scale.back(Estimate(turned * found.value, low, high, counted))

    spread = plateau = expected = None
    open_ended = False
    if several:
        spread = own(statistics.spread(table), 1.0)
        expected = own(statistics.expected(table, lrs, usual), sign)
        if np.isfinite(failure):
            plateau = statistics.plateau(table, lrs, failure)
            plateau = Estimate(plateau.value, plateau.low, plateau.high, counted)
            begin, end = statistics.plateau_piece(means, lrs, failure)
            reached = np.isclose([begin, end], np.log10([lrs[0], lrs[-1]]))
            open_ended = bool(reached.any()) and plateau.value > 0
    return Robustness(
        method=cells[0].method,
        lrs=tuple(lrs),
        missing=tuple(lr for lr in grid.lrs if lr not in lrs),
        best=own(statistics.best(table), sign),
        best_lr=lrs[int(means.argmax())],
        spread=spread,
        plateau=plateau,
        open_ended=open_ended,
        expected=expected,
        diverged=sum(cell.diverged for cell in cells),
        runs=sum(cell.n for cell in cells),
    )


def _sign(grid: Grid) -> float:
    return 1.0 if grid.direction == "max" else -1.0
