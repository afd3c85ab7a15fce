"""The tables of a section: optimizer × α, robustness numbers, the scorecard; for a terminal.

The words of a cell are made once, by the ``*_text`` functions, for the terminal and the report.
"""

from collections.abc import Sequence

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.analysis.cells import SCORES, SUBJECT, Cell, Grid, Method, Section, sections
from experiments.analysis.claims import Row, Verdict
from experiments.analysis.robustness import Robustness, robustness
from experiments.analysis.statistics import LOG, Estimate, number, probability_of_improvement
from experiments.analysis.style import NOT_RUN, NOT_SUPPORTED, SUPPORTED, UNDECIDED, style
from experiments.analysis.wording import (
    WITHIN_WARMUP,
    banner,
    data_title,
    metric_title,
    rate,
)

ROBUSTNESS = {
    "best": "best mean",
    "spread": "spread",
    "plateau": "plateau,\ndecades",
    "expected": "expected",
    "beaten": "P(RAdam\nbetter)",
}
"""Columns of the robustness numbers, explained in the report."""

VERDICT_COLOURS = {
    Verdict.SUPPORTED: SUPPORTED,
    Verdict.NOT_SUPPORTED: NOT_SUPPORTED,
    Verdict.UNDECIDED: UNDECIDED,
    Verdict.NOT_RUN: NOT_RUN,
}


def summary_table(results: pl.DataFrame, kind: str = "final") -> RenderableType:
    """For every section: the table optimizer × α and the robustness numbers, with its warning.

    ``results``: rows of the store (``read_results``); ``kind``: a key of ``cells.SCORES``.
    """
    parts: list[RenderableType] = []
    for section in sections(results):
        parts.append(Text(f"\n{section.title}", style="bold"))
        settings = section.runs["setting"].drop_nulls().unique().sort().to_list()
        parts += [Text(text, style="dim") for text in (*settings[:3], section.lengths) if text]
        if warning := banner(section.task, section.protocol, section.dataset):
            parts.append(Text(warning, style="bold red"))
        if section.within_warmup:
            parts.append(Text(WITHIN_WARMUP, style="red"))
        grid = section.grid(kind)
        parts.append(grid_table(section, grid, kind))
        parts.append(robustness_table(section, grid, kind))
    return Group(*parts)


def grid_table(section: Section, grid: Grid, kind: str) -> Table:
    """Optimizer × α: mean, 95 % interval, n, divergences; each method's best α in bold."""
    average = f"{grid.scale.average} of completed runs, 95 % interval, n"
    table = _table(f"test {metric_title(section.metric)}, {SCORES[kind]}: {average}")
    for lr in grid.lrs:
        table.add_column(f"α = {rate(lr)}", justify="right")
    for method in grid.methods:
        best = grid.best(method)
        cells = [grid.cells.get((method, lr)) for lr in grid.lrs]
        texts = [
            Text("\n".join(cell_text(cell, grid)), style="bold" if cell and cell is best else "")
            for cell in cells
        ]
        table.add_row(_name(method), *texts)
    return table


def robustness_table(section: Section, grid: Grid, kind: str) -> Table:
    """The robustness numbers of every method with runs."""
    table = _table(f"learning-rate robustness, {SCORES[kind]}, α from {_range(grid)}")
    for name in ROBUSTNESS.values():
        table.add_column(name, justify="right")
    for numbers in robustness(grid):
        texts = robustness_text(numbers, grid)
        table.add_row(_name(numbers.method), *("\n".join(texts[key]) for key in ROBUSTNESS))
    return table


def _table(title: str) -> Table:
    table = Table(
        title=title,
        title_style="italic",
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("optimizer")
    return table


def scorecard_table(rows: Sequence[Row]) -> RenderableType:
    """The claims one below the other: statement, the paper's figures, ours, and the verdict."""
    parts: list[RenderableType] = []
    for claim in dict.fromkeys(row.claim for row in rows):
        found = [row for row in rows if row.claim == claim]
        first, table = found[0], Table.grid(padding=(0, 1))
        table.add_column(width=15)
        table.add_column()
        heading = f"{first.where}. {first.statement[0].upper()}{first.statement[1:]}"
        table.add_row(Text(claim, style="bold"), Text(heading, style="bold"))
        table.add_row("  paper", Text("; ".join(first.paper) or "gives no figure"))
        for row in found:
            setting = f"{row.protocol}, {data_title(row.dataset)}"
            colour = VERDICT_COLOURS[row.verdict] if row.verdict else "default"
            table.add_row(
                Text(f"  {row.verdict or 'shown only'}", style=f"bold {colour}"),
                Text(f"{setting}: {'; '.join(row.ours) or row.reason}"),
                style="" if row.verdict else "dim",
            )
            if row.ours:
                said = row.reason if row.verdict else f"would read {row.reading}: {row.reason}"
                table.add_row("", Text(said), style="dim")
        if any(row.verdict in (Verdict.NOT_RUN, Verdict.UNDECIDED) for row in found):
            table.add_row("  decided by", Text(first.command), style="dim")
        parts += [table, ""]
    return Group(*parts)


def verdict_text(row: Row) -> str:
    """The verdict; of runs that decide nothing, what the rule would say."""
    if row.verdict is not None:
        return str(row.verdict)
    return f"decides nothing (reads: {row.reading})"


def cell_text(cell: Cell | None, grid: Grid) -> list[str]:
    """Mean of the completed runs, its interval, n and what went wrong, as short lines."""
    if cell is None:
        return ["not run"]
    if not cell.n:
        return [f"{cell.unscored} without a score"]
    if cell.all_diverged:
        return ["diverged", f"{cell.diverged} of {cell.n}"]
    lines = [*_lines(grid.mean(cell)), f"n = {cell.n - cell.diverged}"]
    if cell.diverged:
        lines.append(f"{cell.diverged} of {cell.n} diverged{_percent(cell.how_often)}")
    if cell.at_chance:
        lines.append(f"{cell.at_chance} at chance")
    if cell.unscored:
        lines.append(f"{cell.unscored} without a score")
    return lines


def robustness_text(numbers: Robustness, grid: Grid) -> dict[str, list[str]]:
    """The numbers by the keys of ROBUSTNESS, as short lines; "–" where a grid of one α has none."""
    best = [*_lines(numbers.best), f"at {rate(numbers.best_lr)}"]
    if numbers.diverged:
        best.append(f"{numbers.diverged} diverged")
    if numbers.missing:
        best.append(f"not at {', '.join(rate(lr) for lr in numbers.missing)}")
    plateau, spread = _lines(numbers.plateau), _lines(numbers.spread)
    if grid.scale is LOG:
        spread[0] = f"× {spread[0]}"
    if numbers.plateau is not None and numbers.open_ended and numbers.plateau.value > 0:
        plateau[0] = f"≥ {plateau[0]}"
    return {
        "best": best,
        "spread": spread,
        "plateau": plateau,
        "expected": _lines(numbers.expected),
        "beaten": _lines(beaten_by_radam(numbers.method, grid)),
    }


def beaten_by_radam(method: Method, grid: Grid) -> Estimate | None:
    """How probable it is that a run of RAdam beats one of the method, over α and seeds of both."""
    radam = [m for m in grid.methods if m.optimizer == SUBJECT]
    if len(radam) != 1 or method.optimizer == SUBJECT:
        return None
    ours = {cell.lr: dict(zip(cell.seeds, cell.scores, strict=True)) for cell in grid.row(radam[0])}
    pairs = []
    for cell in grid.row(method):
        theirs = dict(zip(cell.seeds, cell.scores, strict=True))
        shared = sorted(theirs.keys() & ours.get(cell.lr, {}).keys())
        if shared:
            pairs.append(([ours[cell.lr][s] for s in shared], [theirs[s] for s in shared]))
    if not pairs:
        return None
    return probability_of_improvement([x for x, _ in pairs], [y for _, y in pairs], grid.direction)


def _lines(estimate: Estimate | None) -> list[str]:
    """The value, and its interval if it has one."""
    if estimate is None:
        return ["–"]
    lines = [number(estimate.value)]
    if estimate.low is not None and estimate.high is not None:
        lines.append(f"{number(estimate.low)}–{number(estimate.high)}")
    return lines


def _percent(share: Estimate | None) -> str:
    """The interval of a share; "" without one."""
    if share is None or share.low is None or share.high is None:
        return ""
    return f" ({100 * share.low:.0f}–{100 * share.high:.0f} %)"


def _range(grid: Grid) -> str:
    lrs = [cell.lr for cell in grid.cells.values() if cell.n]
    return f"{rate(min(lrs))} to {rate(max(lrs))}" if lrs else "none"


def _name(method: Method) -> Text:
    return Text(method.label, style=style(method.optimizer).colour)
