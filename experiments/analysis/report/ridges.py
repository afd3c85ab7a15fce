"""Figs. 2 and 3 from the store: histograms as stacked ridges, and the distortion as curves."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.cells import Method, Section
from experiments.analysis.curves import records_to_draw
from experiments.analysis.distortion import TINY, Distortion, distortion
from experiments.analysis.report.drawing import (
    PAGE,
    finish,
    height,
    line,
    method_styles,
    paper_style,
    save,
)
from experiments.analysis.statistics import Floats, band, typical_sd
from experiments.analysis.wording import rate

Runs = dict[Method, list[list[dict[str, Any]]]]
"""The histogram records of each method's runs at one α, one list a seed."""

LABELS = {
    "gradient": "log |g|",
    "momentum": "log |m|",
    "rate": "log of the rate l",
    "change": "log |Δθ|",
}
OVERLAP = 2.2
"""How many ridges' distances a ridge rises that has CUT of its elements in one bin."""

CUT = 0.25
"""Higher ridges are cut off here: a spike would flatten all others."""


def draw_histograms(section: Section, folder: Path) -> list[Path]:
    """The figures of the section's runs that took histograms, for each α; returns the PNGs."""
    written = []
    with paper_style():
        for lr in section.runs["lr"].unique().sort().to_list():
            runs = read_runs(section, lr)
            if not runs:
                continue
            for quantity in LABELS:
                figure = ridges_figure(section, runs, quantity, lr)
                if figure is not None:
                    written.append(save(figure, folder, section, f"{quantity}-histograms-{lr:g}"))
            figure = distortion_figure(section, runs, lr)
            written.append(save(figure, folder, section, f"distortion-{lr:g}"))
    return written


def read_runs(section: Section, lr: float) -> Runs:
    """The records of the section's runs at one α; methods without any are left out."""
    found: Runs = {}
    for method in section.methods:
        chosen = (pl.col("method") == method.label) & (pl.col("lr") == lr)
        folders = section.runs.filter(chosen).sort("seed")["folder"].to_list()
        taken = [records for path in folders if (records := records_to_draw(path, "histogram"))]
        if taken:
            found[method] = taken
    return found


def ridges_figure(section: Section, runs: Runs, quantity: str, lr: float) -> Figure | None:
    """One panel a method, one ridge an update (the first in front), all seeds together.

    None if no run recorded the quantity.
    """
    methods = [m for m, taken in runs.items() if any(quantity in r for rs in taken for r in rs)]
    if not methods:
        return None
    updates = sorted({r["update"] for m in methods for records in runs[m] for r in records})
    size = (PAGE, height(section, PAGE, 0.9 + 0.17 * len(updates), 0, 1))
    figure, panels = plt.subplots(1, len(methods), figsize=size, sharey=True, squeeze=False)
    for axes, (method, drawn) in zip(panels.flat, method_styles(methods).items(), strict=True):
        for place, update in enumerate(updates):
            edges, share = _pooled(runs[method], quantity, update)
            if edges is None:
                continue
            base, inner = len(updates) - 1 - place, share[1:-1]
            ridge = base + OVERLAP * np.minimum(inner / CUT, 1)
            shape = {"step": "post", "zorder": 2 + place}
            top, edges = np.append(ridge, ridge[-1]), edges[1:-1]
            axes.fill_between(edges, base, top, color=drawn.colour, alpha=0.75, lw=0, **shape)
            axes.plot(edges, top, drawstyle="steps-post", color="white", lw=0.5, zorder=2 + place)
            _beyond(axes, share, edges, base)
        axes.set_title(method.label, color=drawn.colour)
        if quantity == "gradient":
            axes.axvline(TINY, color="#444444", lw=0.6, dashes=(3, 2), zorder=1)
        axes.set_xlabel(LABELS[quantity])
        axes.grid(axis="y", visible=False)
    panels[0, 0].set_yticks(range(len(updates)), [f"{u:,}" for u in reversed(updates)])
    panels[0, 0].set_ylabel("update")
    seeds = max(len(taken) for taken in runs.values())
    note = (
        f"α = {rate(lr)}, all parameters, {seeds} seed{'s' * (seeds > 1)} together; natural "
        f"logarithm; ridges cut at {CUT:.0%} in a bin; numbers: the share beyond the axis, zeros "
        "included"
    )
    finish(figure, section, 1, note)
    return figure


def _beyond(axes: Axes, share: Floats, edges: Floats, base: float) -> None:
    """The shares of the outer bins in words: as ridges they would be bars that hide the others."""
    for part, x, side in ((share[0], edges[0], "left"), (share[-1], edges[-1], "right")):
        if part >= 0.005:
            place: dict[str, Any] = {"ha": side, "va": "bottom", "fontsize": 5, "color": "#444444"}
            axes.text(x, base + 0.08, f"{part:.0%}", zorder=30, **place)


def _pooled(taken: Sequence[Sequence[dict[str, Any]]], quantity: str, update: int) -> Any:
    """Edges, and the share of elements in each bin over all seeds; Nones if none was taken."""
    found = [r[quantity] for rs in taken for r in rs if r["update"] == update and quantity in r]
    elements = sum(histogram["elements"] for histogram in found)
    if not elements:
        return None, None
    counts = np.sum([histogram["counts"] for histogram in found], axis=0)
    return np.array(found[0]["edges"]), counts / elements


def distortion_figure(section: Section, runs: Runs, lr: float) -> Figure:
    """The mass below e^-16 and the median of log|g| by update: means over seeds with intervals."""
    size = (PAGE, height(section, PAGE, 2.4, len(runs), 3))
    figure, (left, right) = plt.subplots(1, 2, figsize=size)
    _, low, *_, high, _ = next(iter(runs.values()))[0][0]["gradient"]["edges"]
    found = {method: [distortion(records) for records in taken] for method, taken in runs.items()}
    for axes, values in (
        (left, {m: [100 * d.mass_below for d in each] for m, each in found.items()}),
        (right, {m: [np.clip(d.median, low, high) for d in each] for m, each in found.items()}),
    ):
        rows = {m: _at_updates(found[m], values[m]) for m in found}
        usual = _usual(rows.values())
        for method, drawn in method_styles(list(runs)).items():
            style = {**line(drawn), "marker": drawn.marker, "markersize": 2.5}
            _curve(axes, rows[method], usual, {**style, "label": method.label})
    left.set_ylabel(f"gradients below $e^{{{TINY:g}}}$ (%)")
    right.set_ylabel("median of log |g|")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlabel("update (log scale)")
    note = (
        f"α = {rate(lr)}; band: 95 % interval over seeds; a median below the bins is "
        f"drawn at {low:g}"
    )
    finish(figure, section, 3, note)
    return figure


ByUpdate = dict[int, Floats]
"""The values of a method's seeds at each update that all of them recorded."""


def _at_updates(found: Sequence[Distortion], values: Sequence[Floats]) -> ByUpdate:
    shared = sorted(set.intersection(*(set(d.updates) for d in found)))
    pairs = list(zip(found, values, strict=True))
    return {t: np.array([v[d.updates.index(t)] for d, v in pairs]) for t in shared}


def _usual(rows: Iterable[ByUpdate]) -> dict[int, float]:
    """The SD over seeds that is usual among the methods, at each update."""
    samples: dict[int, list[Floats]] = {}
    for row in rows:
        for update, values in row.items():
            samples.setdefault(update, []).append(values)
    return {update: typical_sd(each) or 0.0 for update, each in samples.items()}


def _curve(axes: Axes, row: ByUpdate, usual: dict[int, float], style: Any) -> None:
    """The mean over the seeds, with its band."""
    values = np.array(list(row.values())).T
    axes.plot(list(row), values.mean(axis=0), **style)
    interval = band(values, [usual[update] for update in row])
    if interval is not None:
        axes.fill_between(list(row), *interval, color=style["color"], alpha=0.18, linewidth=0)
