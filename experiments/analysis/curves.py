"""Training and test curves of a section's runs, read from the store when they are drawn.

What is drawn leaves out a run whose records are damaged, and names it; what is decided by rule
reads :func:`~experiments.tracking.records.read_records`, which raises."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from experiments.analysis.cells import Cell, Grid, Section
from experiments.analysis.statistics import Floats, band, typical_sd
from experiments.terminal.console import note
from experiments.tracking.records import DamagedRecords, Record, read_records

COLUMNS = ["kind", "update", "epoch", "seconds", "split", "loss"]
OF_RUN = ["seed", "status", "at_chance"]


@dataclass(frozen=True, eq=False)
class Curve:
    """The mean over a cell's seeds at each epoch, and its 95 % interval (None with one seed)."""

    epochs: Floats
    mean: Floats
    band: tuple[Floats, Floats] | None
    n: int
    ends: tuple[tuple[float, float], ...]
    """Epoch and last value of each run that diverged; from there on the mean is of the others."""
    at_chance: tuple[tuple[float, float], ...]
    """The same of each run that came to its end and had learned nothing."""


CellRecords = dict[tuple[str, float], pl.DataFrame]
"""The records of each cell's runs, by the method's label and α."""


def records_to_draw(folder: Path, *kinds: str) -> list[Record]:
    """As :func:`~experiments.tracking.records.read_records`, but damage is said, and left out."""
    try:
        return read_records(folder, *kinds)
    except DamagedRecords as damage:
        note(f"{damage}; left out here")
        return []


def read_curves(section: Section) -> CellRecords:
    """All records of the section's scored runs: COLUMNS, the metric, and of the run OF_RUN. Read
    once for all figures; runs without records are left out."""
    runs = section.runs.filter(pl.col("status").is_in(["completed", "diverged"]))
    schema: dict[str, type[pl.DataType]] = dict.fromkeys((*COLUMNS, section.metric), pl.Float64)
    schema |= {"kind": pl.String, "split": pl.String}
    parts: dict[tuple[str, float], list[pl.DataFrame]] = {}
    for row in runs.select("method", "lr", "folder", *OF_RUN).iter_rows(named=True):
        found = records_to_draw(row["folder"], "train", "eval")
        if not found:
            continue
        records = pl.DataFrame(found, infer_schema_length=None)
        known = [pl.col(n).cast(t) for n, t in schema.items() if n in records.columns]
        absent = [pl.lit(None, t).alias(n) for n, t in schema.items() if n not in records.columns]
        owner = [pl.lit(row[name]).alias(name) for name in OF_RUN]
        part = records.select(known + absent).select([*schema, *owner])
        parts.setdefault((row["method"], row["lr"]), []).append(part)
    return {key: pl.concat(frames) for key, frames in parts.items()}


def followed_split(records: CellRecords, metric: str) -> str:
    """The held-out split whose metric was followed while training: "test", or "validation" where
    a run scores the test set only at its end, as in translation."""
    scored = pl.col("kind").eq("eval") & pl.col(metric).is_finite()
    for split in ("test", "validation"):
        of_split = (frame.filter(scored, pl.col("split") == split) for frame in records.values())
        if any(len(found) > found["seed"].n_unique() for found in of_split):
            return split
    return "test"


UsualSds = Mapping[float, float]
"""By epoch the SD over seeds that is usual among a section's cells."""


def usual_sds(records: CellRecords, column: str, split: str | None = None) -> UsualSds:
    """Of one column at each epoch at which a cell has two seeds; ``split`` as in `curve`."""
    samples: dict[float, list[Floats]] = {}
    for found in records.values():
        chosen = _of_column(found, column, split)
        by_epoch = chosen.group_by("epoch").agg(pl.col(column).cast(pl.Float64))
        for epoch, values in by_epoch.filter(pl.col(column).list.len() > 1).iter_rows():
            samples.setdefault(epoch, []).append(np.array(values))
    return {epoch: sd for epoch, cells in samples.items() if (sd := typical_sd(cells))}


def curve(
    records: CellRecords,
    cell: Cell,
    column: str,
    split: str | None = None,
    usual: UsualSds | None = None,
) -> Curve | None:
    """A cell's curve of one column ("loss", or the metric) by epoch; None without records.

    ``split``: of that held-out split's evaluations; None: of training (means since the record
    before). ``usual``: with it no band is narrower than is usual (`statistics.band`).
    """
    found = records.get((cell.method.label, cell.lr))
    chosen = None if found is None else _of_column(found, column, split)
    if chosen is None or chosen.is_empty():
        return None
    table = chosen.pivot("seed", index="epoch", values=column, aggregate_function="last")
    table = table.sort("epoch")
    values = table.drop("epoch").to_numpy().T
    epochs = table["epoch"].to_numpy()
    together = ~np.isnan(values).any(axis=0)
    typical = [(usual or {}).get(epoch, 0.0) for epoch in epochs[together].tolist()]
    interval = band(values[:, together], typical) if together.any() else None
    return Curve(
        epochs=epochs,
        mean=np.nanmean(values, axis=0),
        band=None if interval is None else _widen(interval, together),
        n=len(values),
        ends=_ends(chosen.filter(pl.col("status") == "diverged"), column),
        at_chance=_ends(chosen.filter("at_chance", pl.col("status") == "completed"), column),
    )


def _ends(chosen: pl.DataFrame, column: str) -> tuple[tuple[float, float], ...]:
    last = chosen.sort("epoch").group_by("seed", maintain_order=True).last()
    return tuple(zip(last["epoch"].to_list(), last[column].to_list(), strict=True))


def _of_column(found: pl.DataFrame, column: str, split: str | None) -> pl.DataFrame:
    finite = found.filter(pl.col(column).is_finite())
    if split is None:
        return finite.filter(pl.col("kind") == "train")
    return finite.filter(pl.col("kind") == "eval", pl.col("split") == split)


def best_cells(grid: Grid) -> list[Cell]:
    """Each optimizer's best cell: its best α (and warmup length) by the mean."""
    chosen: dict[str, Cell] = {}
    sign = 1 if grid.direction == "max" else -1
    for method in grid.methods:
        cell = grid.best(method)
        if cell is None:
            continue
        before = chosen.get(method.optimizer)
        if before is None or sign * grid.value(cell) > sign * grid.value(before):
            chosen[method.optimizer] = cell
    return list(chosen.values())


def _widen(interval: tuple[Floats, Floats], where: np.ndarray) -> tuple[Floats, Floats]:
    """The interval with gaps where some seed has no record."""
    low, high = np.full(len(where), np.nan), np.full(len(where), np.nan)
    low[where], high[where] = interval
    return low, high
