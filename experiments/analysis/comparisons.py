"""Methods of a section against each other: differences, a budget of tried rates, interaction.

Over the α that all methods have (`robustness.compared`). A difference is in the metric's own
unit, the first method minus the second; of a metric that is averaged as its logarithm it is a
ratio. Where a run diverged or seeds are unlike there are values and no intervals, as for
robustness.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from experiments.analysis import statistics
from experiments.analysis.cells import SUBJECT, Cell, Grid, Method
from experiments.analysis.robustness import compared, in_own_unit, means, sign, upward
from experiments.analysis.statistics import UNPAIRED, Estimate, Floats, Pairing


@dataclass(frozen=True)
class Comparison:
    """One method against another, or against the best of all others."""

    method: Method
    against: Method | None
    """None: the best of all others, whichever that is, in each number by itself."""
    best: Estimate
    expected: Estimate | None
    """None, as spread, where fewer than two α are common to all methods."""
    spread: Estimate | None
    """None against the best of all others, too."""


@dataclass(frozen=True, eq=False)
class _Table:
    """What is compared of a method; more is better."""

    lrs: tuple[float, ...]
    seeds: tuple[int, ...]
    """Of `scores`; none where these are means alone."""
    scores: Floats
    """Shape (α, seeds); the means as one column where a run diverged or seeds are unlike."""
    tried: Floats
    """Shape (α, those seeds that every α has), diverged runs at chance."""
    n: int
    """The fewest seeds of an α."""

    @cached_property
    def expected(self) -> Floats:
        return statistics.per_seed_expected(self.scores, self.lrs)


def budgets(rates: int) -> list[int]:
    """The numbers of tried rates that are shown of so many: none of one, all of four, then twice
    and three times each power of two, and all."""
    every = (k for k in range(1, rates + 1) if k < 5 or _rounded(k) or k == rates)
    return list(every) if rates > 1 else []


def _rounded(k: int) -> bool:
    while k % 2 == 0:
        k //= 2
    return k in (1, 3)


class Comparisons:
    """All that compares the methods of a grid."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        cells, self.lrs = compared(grid)
        self._tables = {method: _table(row, grid) for method, row in cells.items()}

    @property
    def methods(self) -> tuple[Method, ...]:
        """Those with a scored run."""
        return tuple(self._tables)

    @cached_property
    def subject(self) -> Method | None:
        """The method that the paper is about, where there is one of it."""
        found = [method for method in self.methods if method.optimizer == SUBJECT]
        return found[0] if len(found) == 1 else None

    def pair(self, method: Method, against: Method) -> Comparison:
        """The first minus the second."""
        tables = self._tables[method], self._tables[against]
        (own, other), n = _alike(tables), min(table.n for table in tables)
        best = self._own(statistics.difference_of_best(own, other), n)
        if not self._several(tables):
            return Comparison(method, against, best, None, None)
        spread = self._own(statistics.difference_of_spread(own, other), n, 1.0)
        first, second = (table.expected for table in tables)
        pairs = self.pairing if tables[0].seeds == tables[1].seeds else UNPAIRED
        gap = statistics.difference(first, second, pairs, self._usual_expected)
        return Comparison(method, against, best, self._own(gap, n), spread)

    def strongest(self) -> Comparison | None:
        """The method that differs most surely from the paper's own in the expected score (in half
        widths of the interval); None where no difference has an interval."""
        if self.subject is None:
            return None
        found = [self.pair(method, self.subject) for method in self.methods]
        sure = [c for c in found if c.method != self.subject and _surety(c.expected, self.grid)]
        return max(sure, key=lambda c: _surety(c.expected, self.grid), default=None)

    def from_the_best(self, method: Method) -> Comparison | None:
        """The method against the best of all others; None where there are none."""
        others = [table for other, table in self._tables.items() if other != method]
        if not others:
            return None
        tables = self._tables[method], *others
        (own, *rest), n = _alike(tables), min(table.n for table in tables)
        best = self._own(statistics.difference_of_best(own, np.concatenate(rest)), n)
        if not self._several(tables):
            return Comparison(method, None, best, None, None)
        first, *each = (statistics.per_seed_expected(scores, self.lrs) for scores in (own, *rest))
        expected = statistics.difference_of_best(first[None], np.array(each))
        return Comparison(method, None, best, self._own(expected, n), None)

    @property
    def most_rates(self) -> int:
        """At how many α the method with the most of them is compared."""
        return max((len(table.lrs) for table in self._tables.values()), default=0)

    def budget(self, method: Method, k: int) -> Estimate | None:
        """The best score after ``k`` tried rates, the mean over all choices of k of the rates and
        over seeds (`statistics.per_seed_budget`); None for more rates than there are."""
        table, found = self._tables[method], self._best_of(k).get(method)
        if found is None:
            return None
        estimate = self._own(statistics.mean(found, self._usual_best_of(k)), table.n)
        return estimate if table.seeds else replace(estimate, low=None, high=None)

    def budget_difference(self, method: Method, against: Method, k: int) -> Estimate | None:
        """The same of one method minus that of another."""
        tables, found = (self._tables[method], self._tables[against]), self._best_of(k)
        if method not in found or against not in found:
            return None
        n = min(table.n for table in tables)
        alike = tables[0].seeds == tables[1].seeds
        pairs = _pairing(self._sound(found)) if alike else UNPAIRED
        gap = statistics.difference(found[method], found[against], pairs, self._usual_best_of(k))
        estimate = self._own(gap, n)
        sound = all(table.seeds for table in tables)
        return estimate if sound else replace(estimate, low=None, high=None)

    @cached_property
    def interaction(self) -> float | None:
        """p of "the methods differ by the same at every α"; None where it cannot be tested."""
        tables = self._over_rates
        if len(tables) < 2 or len({table.seeds for table in tables}) > 1:
            return None
        return statistics.interaction_p([table.scores for table in tables])

    @property
    def left_out(self) -> tuple[Method, ...]:
        """The methods that take no part in the test of interaction: a run of theirs diverged, or
        they have not the same seeds at all common α."""
        tables = self._over_rates
        return tuple(m for m, table in self._tables.items() if all(table is not t for t in tables))

    @cached_property
    def pairing(self) -> Pairing:
        """What the expected scores say of equal seeds."""
        return _pairing([(table.seeds, table.expected) for table in self._over_rates])

    @property
    def _over_rates(self) -> list[_Table]:
        """Of the methods that ran at all common α, with seeds."""
        found = self._tables.values()
        return [table for table in found if table.seeds and self._several([table])]

    @cached_property
    def _usual_expected(self) -> float | None:
        return statistics.typical_sd(table.expected for table in self._over_rates)

    def _best_of(self, k: int) -> dict[Method, Floats]:
        return {
            method: statistics.per_seed_budget(table.tried, k)
            for method, table in self._tables.items()
            if k <= len(table.tried) and table.tried.size
        }

    def _usual_best_of(self, k: int) -> float | None:
        return statistics.typical_sd(each for _, each in self._sound(self._best_of(k)))

    def _sound(self, found: dict[Method, Floats]) -> list[tuple[tuple[int, ...], Floats]]:
        """With the seeds, of the methods of which no run diverged and no seed is missing."""
        tables = self._tables
        return [(tables[m].seeds, each) for m, each in found.items() if tables[m].seeds]

    def _several(self, tables: Sequence[_Table]) -> bool:
        return len(self.lrs) > 1 and all(table.lrs == self.lrs for table in tables)

    def _own(self, found: Estimate, n: int, turned: float | None = None) -> Estimate:
        return in_own_unit(replace(found, n=n), self.grid, turned)


def _surety(gap: Estimate | None, grid: Grid) -> float:
    """How many half widths of its interval a difference is from none; 0 without one."""
    if gap is None or gap.low is None or gap.high is None:
        return 0.0
    value, low, high = (grid.scale.forward(x) for x in (gap.value, gap.low, gap.high))
    return float(abs(value) / (high - low) * 2) if high > low else 0.0


def _table(cells: list[Cell], grid: Grid) -> _Table:
    table = upward(cells, grid)
    shared = sorted(set(cells[0].seeds).intersection(*(cell.seeds for cell in cells)))
    runs = [dict(zip(cell.seeds, grid.scale.forward(cell.scores), strict=True)) for cell in cells]
    tried = np.array([[sign(grid) * run[seed] for seed in shared] for run in runs])
    return _Table(
        lrs=tuple(cell.lr for cell in cells),
        seeds=() if table is None else cells[0].seeds,
        scores=means(cells, grid)[:, None] if table is None else table,
        tried=tried,
        n=min(cell.n for cell in cells),
    )


def _alike(tables: Sequence[_Table]) -> list[Floats]:
    """The scores of all where they are of the same seeds; else the means, as one column each."""
    seeds = {table.seeds for table in tables}
    if len(seeds) == 1 and () not in seeds:
        return [table.scores for table in tables]
    return [table.scores.mean(axis=1, keepdims=True) for table in tables]


def _pairing(samples: Sequence[tuple[tuple[int, ...], Floats]]) -> Pairing:
    """From samples over the same seeds, the largest set of them."""
    by_seeds: dict[tuple[int, ...], list[Floats]] = {}
    for seeds, values in samples:
        by_seeds.setdefault(seeds, []).append(values)
    return statistics.pairing(max(by_seeds.values(), key=np.size, default=[]))
