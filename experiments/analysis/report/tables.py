"""For the terminal: the tables of the sections."""

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.analysis.cells import Method, sections
from experiments.analysis.comparisons import Comparisons
from experiments.analysis.report.text_tables import (
    TextTable,
    cells_table,
    interaction_text,
    robustness_table,
)
from experiments.analysis.style import style
from experiments.analysis.wording import WITHIN_WARMUP, banner

IN_TERMINAL = ("best", "spread", "plateau", "expected", "beaten")
"""The robustness numbers for which 80 columns have room."""


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


def _name(method: Method) -> Text:
    return Text(method.label, style=style(method.optimizer).colour)
