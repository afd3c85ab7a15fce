"""What all figures share: styles of lines, axes, banner, legend, and files."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from experiments.analysis.cells import Grid, Method, Section
from experiments.analysis.style import Style, style
from experiments.analysis.wording import DECIDING, banner, rate
from experiments.files import write_atomic

COLUMN, PAGE = 3.5, 7.0
"""Widths in inches: a column, and a page's text."""

_ROOM = 0.35  # of the range of the means, for intervals beyond them
_LINE = 0.125  # inches that a line of 7 pt text takes
_WARNING = {"facecolor": "#FBE9E2", "edgecolor": "#D1410C", "linewidth": 0.6, "pad": 2.5}
_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.5), (3, 1.2, 1, 1.2), (1.2, 1.2))


def paper_style() -> Any:
    """The context in which every figure is made."""
    return plt.style.context(Path(__file__).with_name("paper.mplstyle"))


def method_styles(methods: Sequence[Method]) -> dict[Method, Style]:
    """Each method in its optimizer's style; several settings of one optimizer keep its hue and
    marker, from light to dark, with dashes of their own."""
    groups: dict[str, list[Method]] = {}
    for method in methods:
        groups.setdefault(method.optimizer, []).append(method)
    styles = {}
    for optimizer, group in groups.items():
        own = style(optimizer)
        for place, method in enumerate(group):
            if len(group) == 1:
                styles[method] = own
                continue
            shade = 0.45 - 0.9 * place / (len(group) - 1)  # above 0 lighter, below darker
            colour, dash = _shade(own.colour, shade), _DASHES[place % 4]
            styles[method] = replace(own, colour=colour, dash=dash)
    return styles


def rate_styles(lrs: Sequence[float]) -> dict[float, Style]:
    """α from dark to light, readable without colour, with dashes."""
    shades = matplotlib.colormaps["cividis"](np.linspace(0.0, 0.8, len(lrs)))
    pairs = zip(lrs, shades, strict=True)
    return {lr: Style(to_hex(shade), None, _DASHES[i % 4]) for i, (lr, shade) in enumerate(pairs)}


def _shade(colour: str, by: float) -> str:
    towards = 1.0 if by > 0 else 0.0
    red, green, blue = (c + abs(by) * (towards - c) for c in to_rgb(colour))
    return to_hex((red, green, blue))


def line(drawn: Style) -> dict[str, Any]:
    """Arguments of ``Axes.plot``."""
    return {"color": drawn.colour, **({"dashes": drawn.dash} if drawn.dash else {})}


def log_rates(axes: Axes, lrs: Sequence[float]) -> None:
    """α on a log axis, with the grid's own α as its ticks."""
    axes.set_xscale("log")
    axes.set_xticks(lrs)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda lr, _: rate(lr)))
    room = (max(lrs) / min(lrs)) ** 0.07
    axes.set_xlim(min(lrs) / room, max(lrs) * room)
    axes.set_xlabel("learning rate α (log scale)")


def mark_diverged(axes: Axes, grid: Grid, styles: dict[Method, Style]) -> None:
    """A × near the floor for each cell in which runs diverged, and how many of how many."""
    level: dict[float, int] = {}
    for method, drawn in styles.items():
        for cell in grid.row(method):
            if not cell.diverged:
                continue
            height = 0.04 + 0.08 * level.get(cell.lr, 0)
            level[cell.lr] = level.get(cell.lr, 0) + 1
            place: dict[str, Any] = {
                "transform": axes.get_xaxis_transform(),
                "zorder": 5,
                "clip_on": False,
            }
            axes.plot(
                cell.lr,
                height,
                "x",
                color=drawn.colour,
                markersize=5.5,
                markeredgewidth=1.6,
                **place,
            )
            axes.annotate(
                f"{cell.diverged} of {cell.n}",
                (cell.lr, height),
                xycoords=axes.get_xaxis_transform(),
                xytext=(-5, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=6,
                color=drawn.colour,
                path_effects=[withStroke(linewidth=2, foreground="white")],
                zorder=6,
            )


def epochs(axes: Axes, bins: int) -> None:
    """Whole epochs below."""
    axes.xaxis.set_major_locator(MaxNLocator(bins, integer=True))
    axes.set_xlabel("epoch")


def fit_means(axes: Axes) -> None:
    """All means (lines with a name), and of the intervals what has room: those of two seeds would
    dwarf the means."""
    named = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    if not named:
        return
    means = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in named])
    if not len(means) or means.max() == means.min():
        return
    span, drawn = means.max() - means.min(), _lines([axes])
    low = max(drawn.min(), means.min() - _ROOM * span)
    high = min(drawn.max(), means.max() + _ROOM * span)
    axes.set_ylim(low - 0.05 * span, high + 0.05 * span)


def fit_loss(row: Sequence[Axes]) -> None:
    """A log axis where the loss falls by more than a factor of ten; ``row`` shares its axis. Bands
    are cut off where they leave the lines' range: those of two seeds would dwarf them."""
    values = _lines(row)
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        row[0].set_yscale("log")
        row[0].yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        row[0].yaxis.set_minor_locator(NullLocator())
        row[0].set_ylim(0.8 * values.min(), 1.25 * values.max())
    elif len(values):
        room = 0.1 * (values.max() - values.min() or 1.0)
        row[0].set_ylim(values.min() - room, values.max() + room)


def fit_metric(row: Sequence[Axes], direction: str) -> None:
    """Leave out the steep first quarter of the curves, so that their ends can be told apart; bands
    are cut off as in `fit_loss`."""
    values, later = _lines(row), _lines(row, after=0.25)
    if not len(later):
        return
    room = 0.1 * (later.max() - later.min() or 1.0)
    if direction == "max":
        row[0].set_ylim(later.min() - room, values.max() + room)
    else:
        row[0].set_ylim(values.min() - room, later.max() + room)


def _lines(row: Sequence[Axes], after: float = 0.0) -> np.ndarray:
    """The values of the lines in the axes, from that share of the longest line on."""
    drawn = [np.asarray(line.get_xydata(), dtype=float) for axes in row for line in axes.lines]
    drawn = [points for points in drawn if len(points)]
    if not drawn:
        return np.array([])
    end = max(points[:, 0].max() for points in drawn)
    later = [points[points[:, 0] >= after * end, 1] for points in drawn]
    values = np.concatenate(later)
    return np.asarray(values[np.isfinite(values)])


def heading(section: Section, width: float) -> str:
    """What stands above every figure of the section: what it is, and what it is not."""
    lines = [section.title]
    if section.protocol not in DECIDING:
        lines += section.runs["setting"].drop_nulls().unique().sort().to_list()[:1]
    if warning := banner(section.task, section.protocol, section.dataset):
        lines += warning.splitlines()
    return "\n".join(_evenly(text, int(17 * width)) for text in lines)


def _evenly(text: str, most: int) -> str:
    """``text`` in as few lines of at most ``most`` characters as it takes, about equally long."""
    lines = textwrap.wrap(text, most)
    for width in range(most - 1, 10, -1):
        narrower = textwrap.wrap(text, width)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return "\n".join(lines)


def height(section: Section, width: float, axes: float, labels: int, columns: int) -> float:
    """A figure's height in inches: axes, heading and legend."""
    rows = -(-labels // columns)
    return axes + _LINE * (heading(section, width).count("\n") + 1) + 0.16 * (rows + 1)


def finish(figure: Figure, section: Section, columns: int, note: str) -> None:
    """Heading (boxed where it warns) above, legend and note below the axes."""
    warns = banner(section.task, section.protocol, section.dataset) is not None
    figure.suptitle(
        heading(section, figure.get_figwidth()),
        fontsize=7,
        linespacing=1.25,
        color="#8A2400" if warns else "#222222",
        bbox=_WARNING if warns else None,
    )
    shared_legend(figure, columns, note)


def shared_legend(figure: Figure, columns: int, note: str) -> None:
    """One legend for all axes, below them, each label once; under the note."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=columns,
        title=note,
        title_fontproperties={"size": 6},
    )


def save(figure: Figure, folder: Path, section: Section, what: str) -> Path:
    """`write_figure` under the section's name; returns the PNG's path."""
    return write_figure(figure, folder / f"{section.name}-{what}.png")


def write_figure(figure: Figure, path: Path) -> Path:
    """Write PNG and PDF, each whole or not at all; undated, so that equal figures are equal files.

    Returns ``path``, the PNG's.
    """
    undated: dict[Path, dict[str, Any]] = {
        path: {"Software": None},
        path.with_suffix(".pdf"): {"CreationDate": None, "Producer": None, "Creator": None},
    }
    for target, metadata in undated.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=target.suffix[1:], metadata=metadata)
        write_atomic(target, buffer.getvalue())
    plt.close(figure)
    return path
