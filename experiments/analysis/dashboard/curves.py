"""The curves of a section's runs as the page reads them, and how they are thinned.

The records of a kind ("train", or a split) of all seeds of one cell share one grid of updates, so
that a mean over seeds is taken at points where every seed has been. A cell's curves of more than
``MOST`` points are thinned: the updates are cut into stretches, and of each the points stay at
which any of its seeds is lowest or highest, in any column. Nothing is averaged or moved.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.analysis.cells import Section
from experiments.analysis.curves import records_to_draw
from experiments.analysis.statistics import Floats
from experiments.tracking.records import Record, records_state

MOST = 400
"""Points of a curve on the page."""

BUDGET = 1_500_000
"""Points of a section's curves together (a run has several); a large store gets fewer each."""

LEAST = 40
WHERE = ("update", "epoch", "seconds")
NOT_THINNED_BY = ("lr",)
"""Columns that take no part in choosing points: α is drawn, but has no extremes of interest."""

Columns = dict[str, Floats]
RunCurves = dict[str, Columns]
"""By kind ("train", "test", "validation"): ``update``, ``epoch``, ``seconds`` and the values."""


class CurveReader:
    """Reads records into columns, those of a run again only after they have changed."""

    def __init__(self) -> None:
        self.known: dict[Path, tuple[tuple[int, int], RunCurves]] = {}

    def read(self, folder: Path) -> RunCurves:
        """The run's curves by kind; empty if there are none."""
        state = records_state(folder)
        if state is None:
            return {}
        known = self.known.get(folder)
        if known is None or known[0] != state:
            known = state, by_kind(records_to_draw(folder, "train", "eval"))
            self.known[folder] = known
        return known[1]


def by_kind(records: Iterable[Record]) -> RunCurves:
    """Training and evaluation records as columns."""
    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(record.get("split") or record["kind"], []).append(record)
    return {kind: _columns(found) for kind, found in rows.items()}


def _columns(rows: list[Record]) -> Columns:
    names = [name for name in rows[0] if name not in ("kind", "split")]
    return {name: np.array([row.get(name) for row in rows], dtype=float) for name in names}


def curves_data(section: Section, reader: CurveReader) -> dict[str, Any]:
    """The section's curves: ``grids`` of updates, and for each run, in the section's order, by
    kind the number of its grid and its columns; ``most`` says to how many points they are thinned.
    """
    runs = section.runs.with_row_index("place")
    points = max(LEAST, min(MOST, BUDGET // max(1, 4 * len(runs))))
    grids: dict[tuple[int, ...], int] = {}
    found: list[dict[str, Any]] = [{} for _ in range(len(runs))]
    thinned = 0
    for rows in runs.partition_by("method", "lr"):
        records = {
            place: reader.read(Path(folder))
            for place, folder in zip(rows["place"], rows["folder"], strict=True)
        }
        for kind in dict.fromkeys(kind for known in records.values() for kind in known):
            own = {place: known[kind] for place, known in records.items() if kind in known}
            for places, updates in _alike(own):
                columns = [own[place] for place in places]
                kept = thin(columns, points)
                thinned += len(kept) < len(updates)
                chosen = tuple(int(u) for u in updates[kept])
                grid = grids.setdefault(chosen, len(grids))
                for place, each in zip(places, columns, strict=True):
                    found[place][kind] = {"grid": grid, **_values(each, kept)}
    return {
        "grids": [list(grid) for grid in grids],
        "runs": found,
        "most": points if thinned else None,
    }


def _alike(own: dict[int, Columns]) -> Iterator[tuple[list[int], Floats]]:
    """The seeds that recorded at the same updates; one that ended early counts with the longest."""
    left = sorted(own, key=lambda place: -len(own[place]["update"]))
    while left:
        updates = own[left[0]]["update"]
        group = [
            p for p in left if np.array_equal(own[p]["update"], updates[: len(own[p]["update"])])
        ]
        yield group, updates
        left = [place for place in left if place not in group]


def thin(columns: list[Columns], most: int) -> NDArray[np.intp]:
    """The places of the points that stay: all, or about ``most``; first and last always do.

    ``columns``: one a seed, on one grid; the first is the longest.
    """
    length = len(columns[0]["update"])
    if length <= most:
        return np.arange(length)
    names = [n for n in columns[0] if n not in (*WHERE, *NOT_THINNED_BY)]
    curves = [column[name] for column in columns for name in names if name in column]
    stretches = max(8, most // (2 * len(curves)))
    starts = np.linspace(0, length, stretches + 1).astype(int)
    kept = {0, length - 1, *(len(curve) - 1 for curve in curves)}
    for curve in curves:
        for start, stop in itertools.pairwise(starts):
            part = curve[start:stop]
            if len(part) and np.isfinite(part).any():
                kept |= {start + int(np.nanargmin(part)), start + int(np.nanargmax(part))}
    return np.array(sorted(kept))


def _values(columns: Columns, kept: NDArray[np.intp]) -> dict[str, Any]:
    """The columns at the points that stay, to five digits, null where a number is not finite.

    ``epoch`` is left out: it is ``update`` times ``epochs_per_update``.
    """
    kept = kept[kept < len(columns["update"])]
    last = columns["update"][-1]
    ratio = columns["epoch"][-1] / last if "epoch" in columns and last else None
    names = [name for name in columns if name not in ("update", "epoch")]
    values = {name: rounded(columns[name][kept]) for name in names}
    return {"epochs_per_update": ratio, **values}


def rounded(values: Floats) -> list[float | None]:
    """To five significant digits; null where not finite."""
    values = np.where(np.isfinite(values), values, np.nan)
    with np.errstate(divide="ignore", over="ignore"):
        size = np.floor(np.log10(np.abs(values)))  # -inf for 0
        digits = np.clip(np.nan_to_num(4 - size, nan=0.0, posinf=0.0), -30, 30)
        scale = 10.0 ** np.abs(digits)
        fine, coarse = np.round(values * scale) / scale, np.round(values / scale) * scale
    near = np.where(digits >= 0, fine, coarse)
    return [None if math.isnan(value) else value for value in near.tolist()]
