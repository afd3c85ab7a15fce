"""What the page shows, as plain values: sections with their grids and runs, and the claims.

Everything that is a statistic is computed here or taken from where it is; the page's own code
draws, chooses and sorts, and computes only what depends on a choice (the mean of chosen curves).
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from experiments.analysis.cells import SCORES, Cell, Grid, Method, Section
from experiments.analysis.claims import Row
from experiments.analysis.comparisons import Comparisons, budgets
from experiments.analysis.curves import best_cells
from experiments.analysis.dashboard.histograms import histograms_data
from experiments.analysis.report.scorecard import VERDICT_COLOURS, verdict_text
from experiments.analysis.report.text_tables import (
    ROBUSTNESS,
    cell_text,
    interaction_text,
    robustness_text,
)
from experiments.analysis.robustness import robustness
from experiments.analysis.statistics import CONFIDENCE, LOG, Estimate, quantile
from experiments.analysis.style import style
from experiments.analysis.wording import WITHIN_WARMUP, banner, data_title, metric_title, rate
from experiments.tracking.result import TABLE, marked
from experiments.tracking.wandb.client import read_mirror

DASHES = ("solid", "dot", "dash", "longdash", "dashdot", "longdashdot")
"""Tell an optimizer's methods (lengths of warmup, say) apart: its colour is one."""


def section_data(section: Section) -> dict[str, Any]:
    """One section: its grids by kind of score, its robustness numbers, its runs."""
    kinds = section.kinds() or ["final"]
    warning = banner(section.task, section.protocol, section.dataset)
    return {
        "name": section.name,
        "title": section.title,
        "task": section.task,
        "warning": warning,
        "note": WITHIN_WARMUP if section.within_warmup else None,
        "lengths": section.lengths if warning else "",
        "settings": section.runs["setting"].drop_nulls().unique().sort().to_list(),
        "origins": section.runs["origin"].drop_nulls().unique().sort().to_list(),
        "metric": section.metric,
        "metric_title": metric_title(section.metric),
        "average": section.scale.average,
        "direction": section.direction,
        "methods": [method_data(method, section.methods) for method in section.methods],
        "lrs": (lrs := section.grid(kinds[0]).lrs),
        "rates": [rate(lr) for lr in lrs],
        "scores": {kind: score_data(section.grid(kind)) for kind in kinds},
        "score_titles": {kind: SCORES[kind] for kind in kinds},
        "robustness_titles": {k: v.replace("\n", " ") for k, v in ROBUSTNESS.items()},
        "quantiles": t_quantiles(section),
        "histograms": histograms_data(section, lrs),
        "runs": runs_data(section),
    }


def t_quantiles(section: Section) -> list[float | None]:
    """By the number of seeds, for the intervals of chosen curves: Student's, of 95 %."""
    most = section.runs["seed"].n_unique()
    share = (1 + CONFIDENCE) / 2
    return [None, None, *(quantile(n - 1, share) for n in range(2, most + 1))]


def method_data(method: Method, methods: Sequence[Method]) -> dict[str, Any]:
    """How a method is named and drawn: the colour is its optimizer's."""
    drawn = style(method.optimizer)
    kin = [other for other in methods if other.optimizer == method.optimizer]
    own = ",".join(f"{2.5 * length:g}px" for length in drawn.dash) or "solid"
    return {
        "label": method.label,
        "optimizer": method.optimizer,
        "colour": drawn.colour,
        "symbol": drawn.symbol,
        "dash": own if len(kin) == 1 else DASHES[kin.index(method) % len(DASHES)],
    }


def score_data(grid: Grid) -> dict[str, Any]:
    """The cells (method and α by their place), the robustness numbers, each optimizer's best."""
    places = {method: place for place, method in enumerate(grid.methods)}
    return {
        "cells": [
            {"method": places[cell.method], "lr": grid.lrs.index(cell.lr), **cell_data(cell, grid)}
            for cell in grid.cells.values()
        ],
        "robustness": [
            {"method": places[numbers.method], "texts": robustness_text(numbers, grid)}
            for numbers in robustness(grid)
        ],
        "best": [[places[cell.method], grid.lrs.index(cell.lr)] for cell in best_cells(grid)],
        "comparisons": comparisons_data(Comparisons(grid), places),
    }


def comparisons_data(found: Comparisons, places: Mapping[Method, int]) -> dict[str, Any]:
    """Every pair of methods, each against the best of all others (``against`` null), the best of so
    many tried rates by method, and what is said of the interaction with α."""
    pairs = [found.pair(a, b) for a, b in combinations(found.methods, 2)]
    best = [each for m in found.methods if (each := found.from_the_best(m)) is not None]
    tried = budgets(found.most_rates)
    return {
        "ratio": found.grid.scale is LOG,
        "pairs": [
            {
                "method": places[each.method],
                "against": None if each.against is None else places[each.against],
                **{n: _estimate(getattr(each, n)) for n in ("best", "expected", "spread")},
            }
            for each in (*pairs, *best)
        ],
        "tried": tried,
        "budgets": {
            places[m]: [_estimate(found.budget(m, k)) for k in tried] for m in found.methods
        },
        "interaction": interaction_text(found),
    }


def _estimate(found: Estimate | None) -> list[float | int | None] | None:
    """Value, low, high and n; a number that is not finite is null."""
    if found is None:
        return None
    return [_finite(found.value), _finite(found.low), _finite(found.high), found.n]


def cell_data(cell: Cell, grid: Grid) -> dict[str, Any]:
    """Mean and interval; null where there is none or it is infinite, as the words then say."""
    mean = grid.mean(cell)
    return {
        "mean": _finite(mean.value if mean else None),
        "low": _finite(mean.low if mean else None),
        "high": _finite(mean.high if mean else None),
        "n": cell.n,
        "diverged": cell.diverged,
        "text": cell_text(cell, grid),
    }


def runs_data(section: Section) -> dict[str, Any]:
    """The runs by column. What their configurations share is said once."""
    runs = section.runs
    labels = [method.label for method in section.methods]
    config = [c for c in runs.columns if c.startswith("config.") and c.count(".") > 1]
    config = [c for c in config if not c.startswith(("config.runner.", "config.tracking."))]
    varying = [c for c in config if runs[c].n_unique() > 1]
    return {
        "columns": {
            **{name: _plain(runs[name]) for name in marked(TABLE) if name in runs.columns},
            "method": [labels.index(label) for label in runs["method"]],
            "mirror": [_mirror(Path(folder)) for folder in runs["folder"]],
        },
        "shared": {c[7:]: _plain(runs[c])[0] for c in config if c not in varying},
        "varying": {c[7:]: _plain(runs[c]) for c in varying},
    }


def _mirror(folder: Path) -> str | None:
    """The run's address in W&B, if it is mirrored online; nothing that is not a web address."""
    url = (read_mirror(folder) or {}).get("url")
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None


def claims_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The scorecard, a claim with all its rows."""
    found = []
    for claim in dict.fromkeys(row.claim for row in rows):
        own = [row for row in rows if row.claim == claim]
        first = own[0]
        found.append(
            {
                "claim": claim,
                "where": first.where,
                "statement": first.statement,
                "paper": list(first.paper),
                "unstated": first.unstated,
                "command": first.command,
                "rows": [
                    {
                        "runs": f"{row.protocol}, {data_title(row.dataset)}",
                        "ours": list(row.ours),
                        "n": row.n,
                        "verdict": verdict_text(row),
                        "colour": VERDICT_COLOURS[row.verdict] if row.verdict else None,
                        "levels": list(row.levels),
                        "p": row.p,
                        "p_holm": row.p_holm,
                        "reason": row.reason,
                    }
                    for row in own
                ],
            }
        )
    return found


def _plain(column: pl.Series) -> list[Any]:
    return [_finite(v) if isinstance(v, float) else v for v in column.to_list()]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
