"""For the terminal: the tables of the sections, and the scorecard."""

from collections.abc import Sequence

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.analysis.cells import Method, sections
from experiments.analysis.claims import Row, Verdict
from experiments.analysis.comparisons import Comparisons
from experiments.analysis.report.text_tables import (
    TextTable,
    cells_table,
    interaction_text,
    robustness_table,
)
from experiments.analysis.style import NOT_RUN, NOT_SUPPORTED, SUPPORTED, UNDECIDED, style
from experiments.analysis.wording import WITHIN_WARMUP, banner, data_title

IN_TERMINAL = ("best", "spread", "plateau", "expected", "beaten")
"""The robustness numbers for which 80 columns have room."""

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
        parts.append(rich_table(cells_table(section, kind)))
        parts.append(rich_table(robustness_table(grid, kind, IN_TERMINAL)))
        if said := interaction_text(Comparisons(grid)):
            parts.append(Text(said, style="dim"))
    return Group(*parts)


def rich_table(found: TextTable) -> Table:
    """A table of a section for the terminal; what stands out in bold."""
    table = _table(found.title)
    for name in found.header:
        table.add_column(name, justify="right")
    for method, cells in found.rows:
        texts = (Text("\n".join(w.lines), style="bold" if w.strong else "") for w in cells)
        table.add_row(_name(method), *texts)
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


def _name(method: Method) -> Text:
    return Text(method.label, style=style(method.optimizer).colour)
