"""What a rule may ask of the runs of one section."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.cells import Cell, Grid, Section
from experiments.analysis.claims.rules import MIN_SEEDS, NotRun, Sample, Unclear
from experiments.analysis.distortion import distortion
from experiments.analysis.style import title
from experiments.analysis.wording import rate
from experiments.tracking.records import read_records
from experiments.tracking.store import read_metrics

# Two rates are the same rate if they differ by less: Adam-2k runs at 3.086e-4 for 3e-4.
_SAME_RATE = 0.05

PRESET = "config.protocol.presets.lr"
"""The column with the α that the protocol gives where nobody asks for another."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The runs of one section, asked for by optimizer, α and other settings."""

    section: Section
    decides: bool
    """Whether these runs may decide a claim of the paper."""
    _grids: dict[str, Grid] = field(default_factory=dict, repr=False)

    def sample(self, optimizer: str, lr: float | None, kind: str, **settings: Any) -> Sample:
        """The test metric of one method at one α (None: the one it ran at, or of several its
        protocol's own, ``protocol.presets.lr``).

        ``kind``: a key of ``cells.SCORES``. ``settings``: columns of the store that the runs
        must have, ``warmup_updates=100`` or ``first_updates="adam"`` (an optimizer's option).
        """
        return self._of_cell(self._cell(optimizer, lr, kind, settings), settings)

    def best_sample(self, optimizer: str, kind: str, lrs: Sequence[float] | None = None) -> Sample:
        """The method at the α (and the settings) with the best mean; see :meth:`best_cell`."""
        return self._of_cell(self.best_cell(optimizer, kind, lrs), {})

    def best_cell(self, optimizer: str, kind: str, lrs: Sequence[float] | None = None) -> Cell:
        """The optimizer's cell with the best mean; ``lrs``: among these α only.

        α is chosen by the same test figures, as in the paper: optimistic, and equally so for all.
        A cell with too few seeds to decide is chosen only if there is no other.
        """
        cells = [
            cell
            for (method, lr), cell in self.grid(kind).cells.items()
            if method.optimizer == optimizer
            and cell.n
            and (lrs is None or any(_same(lr, wanted) for wanted in lrs))
        ]
        if not cells:
            where = "" if lrs is None else f" at α in {{{', '.join(rate(lr) for lr in lrs)}}}"
            raise NotRun(f"{title(optimizer)}{where}")
        cells = [cell for cell in cells if cell.n >= MIN_SEEDS] or cells
        choose = max if self.section.direction == "max" else min
        return choose(cells, key=self.grid(kind).value)

    def cells(self, optimizer: str, lrs: Sequence[float], kind: str) -> list[Cell]:
        """The optimizer's cells at each of ``lrs``, ascending; every one must have run."""
        return [self._cell(optimizer, lr, kind, {}) for lr in sorted(lrs)]

    def grid(self, kind: str) -> Grid:
        """The section's grid, made once."""
        if kind not in self._grids:
            self._grids[kind] = self.section.grid(kind)
        return self._grids[kind]

    def train_loss(self, optimizer: str, lr: float | None, **settings: Any) -> Sample:
        """The last training loss (nats); infinite for a diverged run."""
        rows = self._at(optimizer, lr, settings)
        values = [
            math.inf if row["status"] == "diverged" else row["train_loss"]
            for row in rows.iter_rows(named=True)
        ]
        return self._of_rows(rows, "training loss", values, "min", settings, digits=3)

    def last_train_accuracy(self, optimizer: str, lr: float, **settings: Any) -> Sample:
        """The training accuracy (%) of the last training record; chance for a diverged run."""

        def value(row: dict[str, Any]) -> float | None:
            records = _records(row, "train")
            return records["accuracy"][-1] if "accuracy" in records.columns else None

        rows = self._at(optimizer, lr, settings)
        values = [
            self.section.worst if row["status"] == "diverged" else value(row)
            for row in rows.iter_rows(named=True)
        ]
        return self._of_rows(rows, "training accuracy", values, "max", settings)

    def mean_train_loss(self, optimizer: str, lr: float, first: int, last: float) -> Sample:
        """Each run's mean training loss over the records of updates ``first`` < t ≤ ``last``;
        infinite for a run that diverged before ``last``."""

        def value(row: dict[str, Any]) -> float | None:
            if row["status"] == "diverged" and row["updates"] < last:
                return math.inf
            records = _records(row, "train")
            if records.is_empty():
                return None
            update = records["update"]
            chosen = records.filter((update > first) & (update <= last))["loss"]
            mean = chosen.fill_nan(None).mean()
            return None if mean is None else float(mean)  # type: ignore[arg-type]  # of floats

        rows = self._at(optimizer, lr, {})
        values = [value(row) for row in rows.iter_rows(named=True)]
        return self._of_rows(rows, "training loss", values, "min", {}, digits=3)

    def growth_of_tiny_gradients(self, optimizer: str, until: int) -> Sample:
        """Each run's largest growth, after its first histogram and up to update ``until``, of the
        share of gradient elements below e^-16 (`analysis.distortion`)."""

        def value(row: dict[str, Any]) -> float | None:
            records = read_records(row["folder"], "histogram")
            return distortion(records).growth(until) if records else None

        rows = self._at(optimizer, None, {})
        values = [value(row) for row in rows.iter_rows(named=True)]
        what = f"growth of the mass below e^-16, updates 1-{until}"
        return self._of_rows(rows, what, values, "min", {})

    def warmup_lengths(self, optimizer: str) -> list[int]:
        """The warmup lengths (updates) that the method ran with, ascending."""
        return sorted(self._rows(optimizer, {})["warmup_updates"].drop_nulls().unique().to_list())

    def _of_cell(self, cell: Cell, settings: dict[str, Any]) -> Sample:
        name = f"{_named(cell.method.label, settings)}, α = {rate(cell.lr)}"
        what = f"test {self.section.metric}"
        return Sample(name, what, cell.scores, self.section.direction, cell.diverged)

    def _of_rows(
        self,
        rows: pl.DataFrame,
        what: str,
        values: Sequence[float | None],
        direction: str,
        settings: dict[str, Any],
        digits: int = 2,
    ) -> Sample:
        name = f"{_named(rows['method'][0], settings)}, α = {rate(rows['lr'][0])}"
        kept = np.array([v for v in values if v is not None], dtype=float)
        if not len(kept):
            raise NotRun(f"{what} of {name}")
        diverged = int((rows["status"] == "diverged").sum())
        return Sample(name, what, kept, direction, diverged, digits)

    def _cell(self, optimizer: str, lr: float | None, kind: str, settings: dict[str, Any]) -> Cell:
        rows = self._at(optimizer, lr, settings)
        by_label = {method.label: method for method in self.section.methods}
        cell = self.grid(kind).cells[by_label[rows["method"][0]], rows["lr"][0]]
        if not cell.n:
            raise NotRun(self._asked(optimizer, lr, settings))
        return cell

    def _at(self, optimizer: str, lr: float | None, settings: dict[str, Any]) -> pl.DataFrame:
        """The scored runs of exactly one method at exactly one α."""
        asked = self._asked(optimizer, lr, settings)
        rows = self._rows(optimizer, settings)
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

    def _rows(self, optimizer: str, settings: dict[str, Any]) -> pl.DataFrame:
        rows = self.section.runs.filter(
            (pl.col("optimizer") == optimizer) & pl.col("status").is_in(["completed", "diverged"])
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


def _records(row: dict[str, Any], kind: str) -> pl.DataFrame:
    return read_metrics(row["folder"], kind)


def _same(a: float, b: float) -> bool:
    return abs(a / b - 1) < _SAME_RATE
