"""Figs. 8 and 9, and the rectification beside warmups, as PNG and PDF from their records."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from experiments.analysis.report.drawing import (
    PAGE,
    line,
    paper_style,
    rate_styles,
    shared_legend,
    write_figure,
)
from experiments.analysis.style import Style, style
from experiments.analysis.wording import rate
from experiments.mechanism.records import Record

PAPER_BETA2 = 0.999

PLAIN, RECTIFIED = style("adam"), style("radam")
"""Adam's and RAdam's: their adaptive rates are what is compared."""

_TUNED = style("adam_warmup")
_UNTUNED = {
    "untuned_linear": ("untuned linear warmup", style("adam_untuned_linear")),
    "untuned_exponential": ("untuned exponential warmup", style("adam_untuned_exponential")),
}


def draw(name: str, record: Record, folder: Path) -> list[Path]:
    """Draw the record ``name``; returns the PNGs' paths (a PDF lies beside each)."""
    with paper_style():
        figures = {suffix: drawing(record) for suffix, drawing in DRAWINGS[name].items()}
        return [
            write_figure(figure, folder / f"{name}{suffix}.png")
            for suffix, figure in figures.items()
        ]


def fig8_variance(record: Record) -> Figure:
    """Fig. 8 on the left; on the right how far the first order is from the exact value."""
    rho, exact, first, difference = (
        np.array(record[key]) for key in ("rho", "exact", "first_order", "difference")
    )
    drawn = record["sampled"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.9))
    left.plot(rho, exact, color=PLAIN.colour, label="exact (Eq. 2)")
    left.plot(rho, first, color=RECTIFIED.colour, dashes=(4, 1.5), label="first order (Eq. 5)")
    left.plot(rho, difference, color="#707070", dashes=(1.5, 1.5), label="difference")
    _intervals(left, drawn, "sampled, 95 % interval")
    left.set_yscale("log")
    left.set_ylabel("Var[ψ] · σ²")
    right.plot(rho, difference / exact, color="#707070", dashes=(1.5, 1.5))
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xticks([5, 10, 20, 50, 100, 200, 500])
    right.set_xticks([], minor=True)
    right.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    right.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g} %"))
    right.set_ylabel("difference / exact value")
    for axes in (left, right):
        axes.set_xlabel("ρ")
    samples = record["settings"]["samples"]
    shared_legend(figure, 4, f"sampled: ψ² ~ Scale-inv-χ²(ρ, 1/σ²), {samples:,} draws each")
    return figure


def fig9_simulation(record: Record) -> Figure:
    """Fig. 9: one panel a μ, at the paper's β2."""
    updates, means = np.array(record["updates"]), record["means"]
    figure, panels = plt.subplots(2, 3, figsize=(PAGE, 4.2), sharex=True, squeeze=False)
    for place, (axes, mean) in enumerate(zip(panels.flat, means, strict=True)):
        _band(axes, updates, record, "adaptive", place, PLAIN, "ψ (without r)")
        _band(axes, updates, record, "rectified", place, RECTIFIED, "r·ψ (rectified)")
        if mean == 0:
            _prediction(axes, updates, record)
        _log_log(axes)
        axes.set_title(f"μ = {mean:g} σ")
    for axes in panels[:, 0]:
        axes.set_ylabel("variance · σ²")
    for axes in panels[-1]:
        axes.set_xlabel("update (log scale)")
    shared_legend(figure, 3, _note(record, f"β2 = {rate(record['beta2'])}"))
    return figure


def fig9_other_beta2(record: Record) -> Figure:
    """The same for each β2 of the record, at μ = 0."""
    updates, blocks = np.array(record["updates"]), [record, *record["others"]]
    blocks.sort(key=lambda block: block["beta2"])
    figure, panels = plt.subplots(1, len(blocks), figsize=(PAGE, 2.6), sharey=True, squeeze=False)
    for axes, block in zip(panels.flat, blocks, strict=True):
        _band(axes, updates, block, "adaptive", 0, PLAIN, "ψ (without r)")
        _band(axes, updates, block, "rectified", 0, RECTIFIED, "r·ψ (rectified)")
        _prediction(axes, updates, block)
        _log_log(axes)
        axes.set_title(f"β2 = {rate(block['beta2'])}")
        axes.set_xlabel("update (log scale)")
    panels[0, 0].set_ylabel("variance · σ²")
    shared_legend(figure, 3, _note(record, f"μ = {record['means'][0]:g}"))
    return figure


def rectifier_vs_warmup(record: Record) -> Figure:
    """Left: r_t and warmups at the paper's β2. Right: r_t for several β2, on the scale 1/(1−β2)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 3.4), sharey=True)
    updates, rows = np.array(record["updates"]), record["by_beta2"]
    papers = next(row for row in rows if row["beta2"] == PAPER_BETA2)
    lengths = ", ".join(f"{row['length']:,}" for row in record["linear"])
    for row in record["linear"]:
        tuned = f"linear warmup over {lengths}"
        left.plot(updates, row["weights"], color=_TUNED.colour, linewidth=0.8, label=tuned)
    for name, (label, drawn) in _UNTUNED.items():
        left.plot(updates, papers["weights"][name], **line(drawn), label=label)
    rectifier = papers["weights"]["rectifier"]
    left.plot(updates, rectifier, color=RECTIFIED.colour, linewidth=2, label="r_t")
    early = {"color": "#dddddd", "linewidth": 0, "label": "momentum updates, no adaptive step"}
    left.axvspan(1, papers["momentum_updates"] + 0.5, **early)
    left.set_title(f"β2 = {rate(PAPER_BETA2)}")
    left.set_xlabel("update t (log scale)")
    left.set_ylabel("weight ω_t")
    left.set_xlim(1, 10 / (1 - PAPER_BETA2))
    beta2s = [row["beta2"] for row in rows]
    for row, drawn in zip(rows, rate_styles(beta2s).values(), strict=True):
        label = f"r_t, β2 = {rate(row['beta2'])}"
        scaled = (1 - row["beta2"]) * updates
        right.plot(scaled, row["weights"]["rectifier"], **line(drawn), label=label)
    right.set_title("every β2")
    right.set_xlabel("(1 − β2)·t (log scale)")
    right.set_xlim(1e-3, 10)
    for axes in (left, right):
        axes.set_xscale("log")
    shared_legend(figure, 3, "")
    return figure


def _band(
    axes: Axes,
    updates: Any,
    block: Mapping[str, Any],
    name: str,
    row: int,
    drawn: Style,
    label: str,
) -> None:
    value, low, high = (
        np.array(block[key][row], dtype=float) for key in (name, f"{name}_low", f"{name}_high")
    )
    axes.plot(updates, value, color=drawn.colour, linewidth=1.1, label=label)
    axes.fill_between(updates, low, high, color=drawn.colour, alpha=0.25, linewidth=0)


def _prediction(axes: Axes, updates: Any, block: Mapping[str, Any]) -> None:
    expected = np.array(block["moving_average"], dtype=float)
    label = "Eq. 2 at ρ_t (Eq. 3: average as if simple)"
    axes.plot(updates, expected, color="#222222", dashes=(1.5, 1.5), linewidth=0.9, label=label)


def _log_log(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")


def _intervals(axes: Axes, drawn: Mapping[str, Any], label: str) -> None:
    value, low, high = (np.array(drawn[key]) for key in ("variance", "low", "high"))
    axes.errorbar(
        drawn["rho"],
        value,
        yerr=[value - low, high - value],
        fmt="o",
        markersize=2.5,
        color="#222222",
        elinewidth=0.8,
        label=label,
    )


def _note(record: Record, what: str) -> str:
    return f"{what}; {record['trajectories']:,} trajectories of N(μ, σ²); band: 95 % interval"


DRAWINGS: Mapping[str, Mapping[str, Callable[[Record], Figure]]] = {
    "fig8_variance": {"": fig8_variance},
    "fig9_simulation": {"": fig9_simulation, "-beta2": fig9_other_beta2},
    "rectifier_vs_warmup": {"": rectifier_vs_warmup},
}
