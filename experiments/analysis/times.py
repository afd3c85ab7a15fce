"""How long each method takes to a target score: updates and seconds to the first evaluation there.

Each method at its best α. How many runs reach the target, and how long those take that do, are two
numbers. A diverged run counts as one that does not. The target, unless it is given, is what the
method that comes least far reaches at the end, of those that are better than chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from experiments.analysis.cells import SUBJECT, Cell, Grid, Method, Section
from experiments.analysis.curves import followed_split, read_curves
from experiments.analysis.statistics import (
    UNPAIRED,
    Estimate,
    Floats,
    Times,
    mean_time,
    pairing,
    proportion,
    ratio_of_times,
    usual_time_sd,
)


@dataclass(frozen=True)
class TimeToTarget:
    """Of one method at its best α."""

    method: Method
    lr: float
    reached: Estimate
    """The share of its runs that reach the target; n is their number."""
    updates: Estimate | None
    """The geometric mean over those; None where no run does, as the next two."""
    seconds: Estimate | None
    against: Estimate | None
    """Updates, as a multiple of RAdam's; None for RAdam, and where there are not both."""

    @property
    def runs(self) -> int:
        """How many reach it."""
        return round(self.reached.value * self.reached.n)


@dataclass(frozen=True)
class Race:
    """All methods of a section, and the target on the split that was followed while training."""

    target: float
    split: str
    methods: tuple[TimeToTarget, ...]


def race(section: Section, grid: Grid, target: float | None = None) -> Race | None:
    """None where fewer than two methods have records of several evaluations, or where without a
    given ``target`` fewer than two are better than chance."""
    cells = [cell for method in grid.methods if (cell := grid.best(method)) is not None]
    if len(cells) < 2:
        return None
    chosen = [(pl.col("method") == c.method.label) & (pl.col("lr") == c.lr) for c in cells]
    records = read_curves(section.keep(section.runs.select(pl.any_horizontal(chosen)).to_series()))
    split = followed_split(records, section.metric)
    of_cells = {
        cell: runs
        for cell in cells
        if (runs := _evaluations(records.get((cell.method.label, cell.lr)), section.metric, split))
    }
    goal = _least(of_cells, grid) if target is None else target
    if goal is None or len(of_cells) < 2:
        return None
    return Race(goal, split, _times(of_cells, grid, goal))


Evaluations = dict[int, pl.DataFrame]
"""By seed a run's update, seconds and score at each; nothing of one that diverged."""


def _evaluations(found: pl.DataFrame | None, metric: str, split: str) -> Evaluations:
    if found is None:
        return {}
    of_split = pl.col("kind").eq("eval") & pl.col("split").eq(split) & pl.col(metric).is_finite()
    rows = found.filter(of_split).sort("update")
    if len(rows) <= rows["seed"].n_unique():
        return {}
    ended = rows.filter(pl.col("status") == "completed")
    ended = ended.select("seed", "update", "seconds", pl.col(metric).alias("score"))
    seeds = found["seed"].unique().sort()
    return {seed: ended.filter(pl.col("seed") == seed) for seed in seeds}


def _least(of_cells: Mapping[Cell, Evaluations], grid: Grid) -> float | None:
    """The worst of the methods' means at the last evaluation, of those better than chance."""
    levels = []
    for runs in of_cells.values():
        last = [rows["score"][-1] for rows in runs.values() if len(rows)]
        if last:
            levels.append(float(grid.scale.backward(grid.scale.forward(last).mean())))
    if grid.direction == "max":
        return min((level for level in levels if level > grid.worst), default=None)
    return max((level for level in levels if level < grid.worst), default=None)


@dataclass(frozen=True, eq=False)
class _Reached:
    """The runs of a cell that reach the target."""

    seeds: tuple[int, ...]
    of: int
    updates: Times | None
    seconds: Times | None


def _times(
    of_cells: Mapping[Cell, Evaluations], grid: Grid, target: float
) -> tuple[TimeToTarget, ...]:
    reached = {cell: _reached(runs, target, grid.direction) for cell, runs in of_cells.items()}
    updates = [(found.seeds, found.updates) for found in reached.values() if found.updates]
    usual = usual_time_sd(times for _, times in updates)
    usual_seconds = usual_time_sd(f.seconds for f in reached.values() if f.seconds)
    by_seeds: dict[tuple[int, ...], list[Floats]] = {}
    for seeds, times in updates:
        by_seeds.setdefault(seeds, []).append(times.logs)
    pairs = pairing(max(by_seeds.values(), key=np.size, default=[]))
    subject = [found for cell, found in reached.items() if cell.method.optimizer == SUBJECT]

    def against(found: _Reached) -> Estimate | None:
        other = subject[0] if len(subject) == 1 else found
        if other is found or found.updates is None or other.updates is None:
            return None
        how = pairs if found.seeds == other.seeds else UNPAIRED
        return ratio_of_times(found.updates, other.updates, how, usual)

    return tuple(
        TimeToTarget(
            method=cell.method,
            lr=cell.lr,
            reached=proportion(len(found.seeds), found.of),
            updates=mean_time(found.updates, usual) if found.updates else None,
            seconds=mean_time(found.seconds, usual_seconds) if found.seconds else None,
            against=against(found),
        )
        for cell, found in reached.items()
    )


def _reached(runs: Evaluations, target: float, direction: str) -> _Reached:
    first: dict[int, pl.DataFrame] = {}
    for seed, rows in runs.items():
        score = pl.col("score")
        there = rows.select(score >= target if direction == "max" else score <= target)
        places = there.to_series().arg_true()
        if len(places):
            first[seed] = rows[: int(places[0]) + 1].tail(2)  # the look before, and the one there
    return _Reached(tuple(first), len(runs), _looks(first, "update"), _looks(first, "seconds"))


def _looks(first: Mapping[int, pl.DataFrame], column: str) -> Times | None:
    if not first:
        return None
    found = [rows[column].to_list() for rows in first.values()]
    before = [float(times[0]) if len(times) > 1 else 0.0 for times in found]
    return Times(np.array([float(times[-1]) for times in found]), np.array(before))
