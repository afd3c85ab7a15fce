"""Learning-rate robustness of a method on a task, from its grid of α.

The cells' means are joined by straight lines over log10 α; of these numbers two are read off that
curve, the others off its grid (`statistics.rates`):

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

from dataclasses import dataclass, replace

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
    next_lr: float | None
    """The α with the second best mean; None where the method ran at one."""
    lost: Estimate | None
    """Best minus second best, as spread."""
    diverged: int
    runs: int


def robustness(grid: Grid) -> list[Robustness]:
    """The numbers of every method that has a scored run."""
    found, common = compared(grid)
    several = {m: upward(cells, grid) for m, cells in found.items() if len(common) > 1 < len(cells)}
    usual = statistics.typical_sd(
        statistics.per_seed_expected(table, common)
        for table in several.values()
        if table is not None
    )
    return [_of_cells(cells, grid, len(common) > 1, usual) for cells in found.values()]


def compared(grid: Grid) -> tuple[dict[Method, list[Cell]], tuple[float, ...]]:
    """The cells of every method that has a scored run over which it is compared: those at the α
    that all methods have in common, which are given too; all its own where there are no two of
    these, or where it ran at one."""
    rows = {method: row for method in grid.methods if (row := grid.row(method))}
    common = common_rates(list(rows.values()))
    found = {
        method: [c for c in row if c.lr in common] if len(common) > 1 < len(row) else row
        for method, row in rows.items()
    }
    return found, tuple(sorted(common))


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
    return sign(grid) * np.array([grid.completed(cell) for cell in cells])


def means(cells: list[Cell], grid: Grid) -> Floats:
    """The means, diverged runs at chance, on the grid's scale, turned so that more is better."""
    return sign(grid) * grid.scale.forward([grid.value(cell) for cell in cells])


def sign(grid: Grid) -> float:
    """Turns scores so that more is better."""
    return 1.0 if grid.direction == "max" else -1.0


def in_own_unit(found: Estimate, grid: Grid, turned: float | None = None) -> Estimate:
    """An estimate of turned scores on the grid's scale, in the metric's own unit; ``turned``: 1
    for what is a size, such as a spread."""
    turned = sign(grid) if turned is None else turned
    ends = [None if end is None else turned * end for end in (found.low, found.high)]
    low, high = ends if turned > 0 else reversed(ends)
    return grid.scale.back(Estimate(turned * found.value, low, high, found.n))


def _of_cells(cells: list[Cell], grid: Grid, several: bool, usual: float | None) -> Robustness:
    """The numbers of one method from its cells by ascending α."""
    lrs = [cell.lr for cell in cells]
    table = upward(cells, grid)
    n = min(cell.n for cell in cells)
    several = several and len(cells) > 1
    failure = float(sign(grid) * grid.scale.forward(grid.worst))
    levels = means(cells, grid)
    if table is None:  # one seed has values, and never an interval
        table, counted = levels[:, None], n
    else:
        counted = table.shape[1]

    def own(found: Estimate, turned: float | None = None) -> Estimate:
        return in_own_unit(replace(found, n=counted), grid, turned)

    spread = plateau = expected = lost = next_lr = None
    open_ended = False
    if len(cells) > 1:
        next_lr = lrs[int((-levels).argsort(kind="stable")[1])]
        lost = own(statistics.lost_to_next(table), 1.0)
    if several:
        spread = own(statistics.spread(table), 1.0)
        expected = own(statistics.expected(table, lrs, usual))
        if np.isfinite(failure):
            plateau = statistics.plateau(table, lrs, failure)
            plateau = replace(plateau, n=counted)
            begin, end = statistics.plateau_piece(levels, lrs, failure)
            reached = np.isclose([begin, end], np.log10([lrs[0], lrs[-1]]))
            open_ended = bool(reached.any()) and plateau.value > 0
    return Robustness(
        method=cells[0].method,
        lrs=tuple(lrs),
        missing=tuple(lr for lr in grid.lrs if lr not in lrs),
        best=own(statistics.best(table)),
        best_lr=lrs[int(levels.argmax())],
        spread=spread,
        plateau=plateau,
        open_ended=open_ended,
        expected=expected,
        next_lr=next_lr,
        lost=lost,
        diverged=sum(cell.diverged for cell in cells),
        runs=sum(cell.n for cell in cells),
    )
