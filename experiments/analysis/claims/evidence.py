"""What a rule may ask of the runs of one section."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.cells import Cell, Grid, Section
from experiments.analysis.claims.conditions import MIN_SEEDS
from experiments.analysis.claims.samples import Arm, Sample
from experiments.analysis.claims.verdict import NotRun, Unclear
from experiments.analysis.distortion import distortion
from experiments.analysis.statistics import typical_sd
from experiments.analysis.style import title
from experiments.analysis.wording import rate
from experiments.tracking.records import read_records
from experiments.tracking.store import read_metrics

# Two rates are the same rate if they differ by less: Adam-2k runs at 3.086e-4 for 3e-4.
_SAME_RATE = 0.05

PRESET = "config.protocol.presets.lr"
"""The column with the α that the protocol gives where nobody asks for another."""


ENDED = ("completed", "diverged")
STOPPED = (*ENDED, "interrupted", "failed")
"""Also those that were stopped on the way: for what a run shows long before its end."""

RESOLUTION = 0.01
"""Share of gradient elements: an SD over seeds below it is not believed."""

Value = Callable[[dict[str, Any]], float | None]
"""One number of a run, from its row; None where it has none."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The runs of one section, asked for by optimizer, α and other settings."""

    section: Section
    decides: bool
    """Whether these runs may decide a claim of the paper."""
    _grids: dict[str, Grid] = field(default_factory=dict, repr=False)

    def first(self, seeds: int) -> "Evidence":
        """With the first ``seeds`` seeds of each method and α alone, ascending."""
        ended = pl.col("status").is_in(ENDED)
        order = pl.struct((~ended).alias("later"), "seed")  # what has no score takes no place
        place = order.rank("dense").over("method", "lr")
        kept = self.section.runs.with_columns((place <= seeds).alias("kept"))["kept"]
        return Evidence(self.section.keep(kept), self.decides)

    def arm(
        self,
        optimizer: str,
        lr: float | None,
        kind: str,
        printed: str | None = None,
        **settings: Any,
    ) -> Arm:
        """The test metric of one method at one α (None: the one it ran at, or of several its
        protocol's own, ``protocol.presets.lr``).

        ``kind``: a key of ``cells.SCORES``. ``printed``: see ``Sample``. ``settings``: columns of
        the store that the runs must have, ``warmup_updates=100`` or ``first_updates="adam"`` (an
        optimizer's option).
        """
        cell = self._cell(optimizer, lr, kind, settings)
        return Arm((self._of_cell(cell, kind, printed, settings),))

    def best_arm(
        self,
        optimizer: str,
        kind: str,
        lrs: Sequence[float] | None = None,
        printed: str | None = None,
        *,
        all_of_them: bool = False,
        **settings: Any,
    ) -> Arm:
        """The method at all its α (``lrs``: among these) and settings, of which the best counts.

        A cell with too few seeds to decide is left out only where others are better: it may be the
        best that there is. ``all_of_them``: every one of ``lrs`` must have run, and counts.
        """
        if all_of_them:
            for lr in lrs or ():
                self._cell(optimizer, lr, kind, settings)
        rows = self._rows(optimizer, settings)
        labels = set(rows["method"].to_list())
        cells = [
            cell
            for (method, lr), cell in sorted(self.grid(kind).cells.items(), key=lambda c: c[0][1])
            if method.label in labels
            and cell.n
            and (lrs is None or any(_same(lr, wanted) for wanted in lrs))
        ]
        if not cells:
            where = "" if lrs is None else f" at α in {{{', '.join(rate(lr) for lr in lrs)}}}"
            raise NotRun(f"{title(optimizer)}{where}")
        enough = [cell for cell in cells if cell.n >= MIN_SEEDS]
        if enough and not all_of_them:
            up = 1.0 if self.section.direction == "max" else -1.0
            best = max(up * self.grid(kind).value(cell) for cell in enough)
            thin = [cell for cell in cells if cell.n < MIN_SEEDS]
            cells = enough + [cell for cell in thin if up * self.grid(kind).value(cell) > best]
        return Arm(tuple(self._of_cell(cell, kind, printed, settings) for cell in cells))

    def grid(self, kind: str) -> Grid:
        """The section's grid, made once."""
        if kind not in self._grids:
            self._grids[kind] = self.section.grid(kind)
        return self._grids[kind]

    def train_loss(
        self, optimizer: str, lr: float | None, printed: str | None = None, **settings: Any
    ) -> Arm:
        """The last training loss (nats)."""
        runs = self.section.runs.filter(pl.col("status") == "completed")
        losses = runs.drop_nulls("train_loss").partition_by("method", "lr")
        usual = typical_sd(rows["train_loss"].to_numpy() for rows in losses)
        what = ("training loss", "min", 3)

        def value(row: dict[str, Any]) -> float | None:
            found: float | None = row["train_loss"]
            return found

        return self._of_runs(optimizer, lr, value, what, printed, settings, typical=usual)

    def train_accuracy(
        self, optimizer: str, lr: float, printed: str | None = None, **settings: Any
    ) -> Arm:
        """The training accuracy (%) of the last training record."""
        what = ("training accuracy", "max", 2)
        return self._of_runs(optimizer, lr, _last_accuracy, what, printed, settings)

    def train_error(
        self, optimizer: str, lr: float, printed: str | None = None, **settings: Any
    ) -> Arm:
        """100 − the training accuracy (%)."""

        def value(row: dict[str, Any]) -> float | None:
            accuracy = _last_accuracy(row)
            return None if accuracy is None else 100 - accuracy

        what = ("training error", "min", 2)
        return self._of_runs(optimizer, lr, value, what, printed, settings)

    def mean_train_loss(self, optimizer: str, lr: float, first: int, last: float) -> Arm:
        """Each run's mean training loss over the records of updates ``first`` < t ≤ ``last``."""

        def value(row: dict[str, Any]) -> float | None:
            records = _records(row, "train")
            if records.is_empty():
                return None
            update = records["update"]
            chosen = records.filter((update > first) & (update <= last))["loss"]
            mean = chosen.fill_nan(None).mean()
            return None if mean is None else float(mean)  # type: ignore[arg-type]  # of floats

        what = (f"training loss, updates {first + 1:,}-{last:,}", "min", 3)
        return self._of_runs(optimizer, lr, value, what, None, {}, until=last)

    def growth_of_tiny_gradients(self, optimizer: str, until: int, after: int = 0) -> Arm:
        """Each run's largest growth, over updates ``after`` < t ≤ ``until``, of the share of
        gradient elements below e^-16 since its first histogram (`analysis.distortion`). Of every
        run that came so far, whatever became of it."""

        def value(row: dict[str, Any]) -> float | None:
            if row["updates"] < until:
                return None
            records = read_records(row["folder"], "histogram")
            return distortion(records).growth(until, after) if records else None

        what = (f"growth of the mass below e^-16, updates {after + 1:,}-{until:,}", "min", 2)
        return self._of_runs(
            optimizer, None, value, what, None, {}, statuses=STOPPED, typical=RESOLUTION
        )

    def best_lr(self, optimizer: str, kind: str) -> float:
        """The α with the optimizer's best mean."""
        arm = self.best_arm(optimizer, kind)
        return arm.best.lr

    def setting(self, optimizer: str, column: str, statuses: tuple[str, ...] = ENDED) -> set[Any]:
        """The values that a column of the store has in the optimizer's runs."""
        rows = self._rows(optimizer, {}, statuses)
        return set(rows[column].drop_nulls().to_list()) if column in rows.columns else set()

    def warmup_lengths(self, optimizer: str) -> list[int]:
        """The warmup lengths (updates) that the method ran with, ascending."""
        return sorted(self._rows(optimizer, {})["warmup_updates"].drop_nulls().unique().to_list())

    def _of_cell(
        self, cell: Cell, kind: str, printed: str | None, settings: dict[str, Any]
    ) -> Sample:
        grid = self.grid(kind)
        return Sample(
            name=f"{_named(cell.method.label, settings)}, α = {rate(cell.lr)}",
            lr=cell.lr,
            what=f"test {self.section.metric}",
            values=cell.scores,
            direction=self.section.direction,
            seeds=cell.seeds,
            completed=cell.completed,
            scale=grid.scale,
            typical=grid.typical,
            pairing=grid.pairing,
            at_chance=cell.at_chance,
            printed=printed,
        )

    def _of_runs(
        self,
        optimizer: str,
        lr: float | None,
        value: Value,
        what: tuple[str, str, int],
        printed: str | None,
        settings: dict[str, Any],
        *,
        statuses: tuple[str, ...] = ENDED,
        until: float | None = None,
        typical: float | None = None,
    ) -> Arm:
        """A number of each run; ``what``: its name, direction and digits. A run that diverged,
        ``until`` given before that update, has none that counts."""
        rows = self._at(optimizer, lr, settings, statuses).sort("seed")
        name = f"{_named(rows['method'][0], settings)}, α = {rate(rows['lr'][0])}"
        seeds, values, completed, chance = [], [], [], 0
        for row in rows.iter_rows(named=True):
            lost = row["status"] == "diverged" and (until is None or row["updates"] < until)
            lost = lost and statuses is ENDED
            found = None if lost else value(row)
            if found is None and not lost:
                continue
            seeds.append(row["seed"])
            values.append(math.nan if found is None else found)
            completed.append(not lost)
            chance += bool(row["at_chance"])
        if not values:
            raise NotRun(f"{what[0]} of {name}")
        sample = Sample(
            name=name,
            lr=rows["lr"][0],
            what=what[0],
            values=np.array(values, dtype=float),
            direction=what[1],
            seeds=tuple(seeds),
            completed=np.array(completed),
            digits=what[2],
            typical=typical,
            at_chance=chance,
            printed=printed,
        )
        return Arm((sample,))

    def _cell(self, optimizer: str, lr: float | None, kind: str, settings: dict[str, Any]) -> Cell:
        rows = self._at(optimizer, lr, settings)
        by_label = {method.label: method for method in self.section.methods}
        cell = self.grid(kind).cells[by_label[rows["method"][0]], rows["lr"][0]]
        if not cell.n:
            raise NotRun(self._asked(optimizer, lr, settings))
        return cell

    def _at(
        self,
        optimizer: str,
        lr: float | None,
        settings: dict[str, Any],
        statuses: tuple[str, ...] = ENDED,
    ) -> pl.DataFrame:
        """The runs of exactly one method at exactly one α."""
        asked = self._asked(optimizer, lr, settings)
        rows = self._rows(optimizer, settings, statuses)
        if lr is not None:
            rows = rows.filter((rows["lr"] / lr - 1).abs() < _SAME_RATE)
        if rows.is_empty():
            raise NotRun(asked)
        methods = rows["method"].unique().sort().to_list()
        if len(methods) > 1:
            raise Unclear(f"{asked} ran in several ways: {'; '.join(methods)}")
        if lr is None and rows["lr"].n_unique() > 1:
            own = rows.filter((rows["lr"] / rows[PRESET] - 1).abs() < _SAME_RATE)
            rows = rows if own.is_empty() else own
        rates = rows["lr"].unique().sort().to_list()
        if len(rates) > 1:
            raise Unclear(f"{asked} ran at several α: {', '.join(rate(lr) for lr in rates)}")
        return rows

    def _rows(
        self, optimizer: str, settings: dict[str, Any], statuses: tuple[str, ...] = ENDED
    ) -> pl.DataFrame:
        rows = self.section.runs.filter(
            (pl.col("optimizer") == optimizer) & pl.col("status").is_in(statuses)
        )
        for name, value in settings.items():
            column = name if name in rows.columns else f"config.optimizer.{name}"
            if column not in rows.columns:
                raise NotRun(self._asked(optimizer, None, settings))
            rows = rows.filter(pl.col(column) == value)
        return rows

    def _asked(self, optimizer: str, lr: float | None, settings: dict[str, Any]) -> str:
        at = "" if lr is None else f" at α = {rate(lr)}"
        return f"{_named(title(optimizer), settings)}{at}"


def _named(label: str, settings: dict[str, Any]) -> str:
    """The label with the settings that it does not say itself."""
    rest = [f"{k}={v}" for k, v in settings.items() if str(v) not in label]
    return f"{label} ({', '.join(rest)})" if rest else label


def _last_accuracy(row: dict[str, Any]) -> float | None:
    records = _records(row, "train")
    return records["accuracy"][-1] if "accuracy" in records.columns else None


def _records(row: dict[str, Any], kind: str) -> pl.DataFrame:
    """The records of one kind of a row's run."""
    return read_metrics(row["folder"], kind)


def _same(a: float, b: float) -> bool:
    return abs(a / b - 1) < _SAME_RATE
