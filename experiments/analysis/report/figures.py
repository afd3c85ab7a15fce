"""The static figures: robustness, curves, profiles; each as PNG and PDF, all in one style.

A figure of stand-in or mini runs says so in its heading and in its file's name. Colours and
markers are the optimizers' own (``style.py``); legends stand outside the axes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

# First of the two: it chooses matplotlib's backend.
from experiments.analysis.report.drawing import (  # isort: skip
    COLUMN,
    PAGE,
    epochs,
    finish,
    fit_loss,
    fit_means,
    fit_metric,
    height,
    line,
    log_rates,
    mark_diverged,
    method_styles,
    paper_style,
    rate_styles,
    save,
)
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis.cells import SCORES, SUBJECT, Cell, Grid, Method, Section
from experiments.analysis.curves import (
    CellRecords,
    Curve,
    best_cells,
    curve,
    followed_split,
    read_curves,
    usual_sds,
)
from experiments.analysis.statistics import Floats, performance_profile
from experiments.analysis.style import Style, style
from experiments.analysis.wording import metric_title, rate

_DODGE = 0.012  # decades of α between two methods' intervals, so that none hides another
_BAND = (
    "band: 95 % interval of the mean over seeds, at each point; ×: a run diverged there; "
    "○: one ended there that had learned nothing"
)
_HOLLOW = "hollow: a run there learned nothing"


def draw_section(section: Section, kind: str, folder: Path) -> list[Path]:
    """Every figure that the section's runs allow; returns the PNGs (a PDF lies beside each)."""
    grid = section.grid(kind)
    methods = [method for method in grid.methods if grid.row(method)]
    if not methods:
        return []
    figures: list[tuple[str, Figure]] = []
    with paper_style():
        several = len({cell.lr for cell in grid.cells.values() if cell.n}) > 1
        if several:
            figures.append(("robustness", robustness_figure(section, grid, kind, methods)))
            figures.append(("profiles", profile_figure(section, grid, kind, methods)))
        records = read_curves(section)
        if records:
            figures.append(("curves", curves_figure(section, best_cells(grid), records)))
            together = same_rate(section, grid)
            if section.metric == "bleu" and together:
                figure = same_rate_figure(section, together, records)
                figures.append((f"same-rate-{together[0].lr:g}", figure))
            for what, chosen in _rate_panels(methods) if several else ():
                figures.append((what, rates_figure(section, grid, chosen, records)))
        return [save(figure, folder, section, what) for what, figure in figures]


def _rate_panels(methods: Sequence[Method]) -> list[tuple[str, list[Method]]]:
    """Fig. 6: the optimizers that have one setting; Fig. 7: each other's settings beside RAdam."""
    by_optimizer: dict[str, list[Method]] = {}
    for method in methods:
        by_optimizer.setdefault(method.optimizer, []).append(method)
    single = [group[0] for group in by_optimizer.values() if len(group) == 1]
    panels = [("rates", single)] if single else []
    for optimizer, group in by_optimizer.items():
        if len(group) > 1:
            beside = by_optimizer.get(SUBJECT, []) if optimizer != SUBJECT else []
            panels.append((f"rates-{optimizer}", beside[:1] + group))
    return panels


def robustness_figure(section: Section, grid: Grid, kind: str, methods: Sequence[Method]) -> Figure:
    """The metric against log α: means with intervals, one line a method, diverged cells marked."""
    size = (COLUMN, height(section, COLUMN, 2.5, len(methods), 2))
    figure, axes = plt.subplots(figsize=size)
    styles = method_styles(methods)
    for place, (method, drawn) in enumerate(styles.items()):
        dodge = 10 ** (_DODGE * (place - (len(styles) - 1) / 2))
        ended = [(cell.lr * dodge, mean) for cell in grid.row(method) if (mean := grid.mean(cell))]
        x, y = [x for x, _ in ended], [mean.value for _, mean in ended]
        axes.plot(x, y, **line(drawn), marker=drawn.marker, label=method.label, zorder=3)
        _mark_chance(axes, grid, method, drawn, dodge)
        for at, mean in ended:
            if mean.low is not None and mean.high is not None:
                axes.plot([at, at], [mean.low, mean.high], color=drawn.colour, linewidth=0.9)
                ends: dict[str, Any] = {"linestyle": "none", "marker": "_", "markersize": 4}
                axes.plot([at, at], [mean.low, mean.high], color=drawn.colour, **ends)
    fit_means(axes)
    if any(cell.at_chance for cell in grid.cells.values()):
        axes.plot([], [], "o", **_hollow(Style("#444444", None)), label=_HOLLOW)
    mark_diverged(axes, grid, styles)
    log_rates(axes, grid.lrs)
    axes.set_ylabel(f"test {metric_title(section.metric)}, {SCORES[kind]}")
    seeds = [cell.n for cell in grid.cells.values() if cell.n]
    finish(figure, section, columns=2, note=_intervals(min(seeds), max(seeds)))
    return figure


def curves_figure(section: Section, cells: Sequence[Cell], records: CellRecords) -> Figure:
    """Fig. 5: training loss and the held-out metric by epoch, each optimizer at its best α."""
    columns = 3
    size = (PAGE, height(section, PAGE, 2.3, len(cells), columns))
    figure, (loss, metric) = plt.subplots(1, 2, figsize=size)
    split = followed_split(records, section.metric)
    usual_loss = usual_sds(records, "loss")
    usual_metric = usual_sds(records, section.metric, split)
    for cell in cells:
        label = f"{cell.method.label}, α = {rate(cell.lr)}"
        drawn = style(cell.method.optimizer)
        trained = curve(records, cell, "loss", None, usual_loss)
        followed = curve(records, cell, section.metric, split, usual_metric)
        _draw_curve(loss, trained, drawn, label)
        _draw_curve(metric, followed, drawn, label)
    fit_metric([metric], section.direction)
    fit_loss([loss])
    loss.set_ylabel("training loss (nats)")
    metric.set_ylabel(f"{split} {metric_title(section.metric)}")
    for axes in (loss, metric):
        epochs(axes, bins=8)
    finish(figure, section, columns, note=f"each at its best α; {_BAND}")
    return figure


def same_rate(section: Section, grid: Grid) -> list[Cell]:
    """The cells at the α of the most optimizers and runs; of several of these at the protocol's
    own, else the smallest. Empty where no α has two."""
    presets = "config.protocol.presets.lr"
    own = set(section.runs[presets]) if presets in section.runs.columns else set()
    cells = ((grid.cells.get((method, lr)) for method in grid.methods) for lr in grid.lrs)
    by_rate = [[cell for cell in row if cell is not None and cell.n] for row in cells]

    def fitness(cells: list[Cell]) -> tuple[int, int, bool]:
        return len(cells), sum(c.n for c in cells), any(c.lr in own for c in cells)

    found = max(by_rate, key=fitness, default=[])
    return found if len(found) > 1 else []


def same_rate_figure(section: Section, cells: Sequence[Cell], records: CellRecords) -> Figure:
    """Fig. 1: training loss by epoch of all optimizers at one α."""
    columns = 2
    size = (COLUMN, height(section, COLUMN, 2.4, len(cells), columns))
    figure, axes = plt.subplots(figsize=size)
    usual = usual_sds(records, "loss")
    for method, drawn in method_styles([cell.method for cell in cells]).items():
        (cell,) = (cell for cell in cells if cell.method == method)
        _draw_curve(axes, curve(records, cell, "loss", None, usual), drawn, method.label)
    fit_loss([axes])
    axes.set_ylabel("training loss (nats)")
    epochs(axes, bins=8)
    note = _BAND.replace("; ", ";\n", 1)
    finish(figure, section, columns, note=f"α = {rate(cells[0].lr)}; {note}")
    return figure


def rates_figure(
    section: Section, grid: Grid, methods: Sequence[Method], records: CellRecords
) -> Figure:
    """Figs. 6 and 7: a column a method, a line an α; above the held-out metric, below the loss."""
    width = max(COLUMN, min(PAGE, 0.6 + 1.4 * len(methods)))
    size = (width, height(section, width, 3.6, len(grid.lrs), len(grid.lrs)))
    figure, panels = plt.subplots(
        2, len(methods), figsize=size, sharex=True, sharey="row", squeeze=False
    )
    styles = rate_styles(grid.lrs)
    split = followed_split(records, section.metric)
    usual_loss = usual_sds(records, "loss")
    usual_metric = usual_sds(records, section.metric, split)
    for method, (metric, loss) in zip(methods, panels.T, strict=True):
        for lr, drawn in styles.items():
            cell = grid.cells.get((method, lr))
            if cell is not None and cell.n:
                label = f"α = {rate(lr)}"
                followed = curve(records, cell, section.metric, split, usual_metric)
                trained = curve(records, cell, "loss", None, usual_loss)
                _draw_curve(metric, followed, drawn, label)
                _draw_curve(loss, trained, drawn, label)
        metric.set_title(_two_lines(method.label), color=style(method.optimizer).colour)
        epochs(loss, bins=4)
    fit_metric(panels[0], section.direction)
    fit_loss(panels[1])
    panels[0, 0].set_ylabel(f"{split} {metric_title(section.metric)}")
    panels[1, 0].set_ylabel("training loss (nats)")
    finish(figure, section, columns=len(grid.lrs), note=_BAND)
    return figure


def profile_figure(section: Section, grid: Grid, kind: str, methods: Sequence[Method]) -> Figure:
    """Performance profiles: the share of runs, over α and seeds, that are better than a score."""
    scores = np.unique(np.concatenate([cell.scores for cell in grid.cells.values()]))
    scores = scores[np.isfinite(scores)]
    size = (COLUMN, height(section, COLUMN, 2.2, len(methods), 2))
    figure, axes = plt.subplots(figsize=size)
    thresholds = _thresholds(scores)
    for method, drawn in method_styles(methods).items():
        strata = [cell.scores for cell in grid.row(method)]
        profile = performance_profile(strata, thresholds, grid.direction)
        share = 100 * profile.share
        axes.step(thresholds, share, where="post", **line(drawn), label=method.label)
    axes.set_ylim(-2, 102)
    if grid.direction == "min":
        axes.invert_xaxis()
    axes.set_xlabel(f"test {metric_title(section.metric)}, {SCORES[kind]}")
    axes.set_ylabel("runs that are better (%)")
    finish(figure, section, columns=2, note="over the grid's α, each weighing the same, and seeds")
    return figure


def _thresholds(scores: Floats) -> Floats:
    """The scores themselves, where a profile steps, and a little beyond; at most 300."""
    low, high = (scores[0], scores[-1]) if len(scores) else (0.0, 1.0)
    margin = 0.03 * (high - low or 1.0)
    inner = scores if len(scores) <= 300 else np.linspace(low, high, 300)
    return np.concatenate([[low - margin], inner, [high + margin]])


def _draw_curve(axes: Axes, found: Curve | None, drawn: Style, label: str) -> None:
    if found is None:
        axes.plot([], [], **line(drawn), label=label)
        return
    axes.plot(found.epochs, found.mean, **line(drawn), label=label)
    if found.band is not None:
        axes.fill_between(found.epochs, *found.band, color=drawn.colour, alpha=0.18, linewidth=0)
    for epoch, value in found.ends:
        axes.plot(epoch, value, "x", color=drawn.colour, markersize=6, markeredgewidth=1.5)
    for epoch, value in found.at_chance:
        axes.plot(epoch, value, "o", **_hollow(drawn))


def _mark_chance(axes: Axes, grid: Grid, method: Method, drawn: Style, dodge: float) -> None:
    """Hollow symbols, and one in the legend, where a run ended that had learned nothing."""
    for cell in grid.row(method):
        mean = grid.mean(cell)
        if cell.at_chance and mean is not None:
            look = {**_hollow(drawn), "marker": drawn.marker}
            axes.plot(cell.lr * dodge, mean.value, **look)


def _hollow(drawn: Style) -> dict[str, Any]:
    look = {"markerfacecolor": "white", "markeredgecolor": drawn.colour, "markeredgewidth": 1.2}
    return {"linestyle": "none", "markersize": 5.5, "zorder": 4, **look}


def _intervals(fewest: int, most: int) -> str:
    if most == 1:
        return "n = 1: no intervals; ×: diverged"
    many = f"n = {fewest}" if fewest == most else f"n = {fewest} to {most}"
    return f"completed runs, 95 % t intervals over seeds, {many}; ×: diverged"


def _two_lines(label: str) -> str:
    return label if len(label) < 13 else "\n".join(label.split(" ", 1))
