"""The scorecard of the paper's claims, for a document and for the terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.analysis.claims import Row, Verdict, judged, opening, p_text
from experiments.analysis.report.markdown import plain, table
from experiments.analysis.style import NOT_RUN, NOT_SUPPORTED, PARTLY, SUPPORTED, UNDECIDED
from experiments.analysis.wording import data_title

VERDICT_COLOURS = {
    Verdict.SUPPORTED: SUPPORTED,
    Verdict.PARTLY: PARTLY,
    Verdict.BELOW_LEVEL: UNDECIDED,
    Verdict.NOT_SUPPORTED: NOT_SUPPORTED,
    Verdict.UNDECIDED: UNDECIDED,
    Verdict.NOT_RUN: NOT_RUN,
}


def claims_document(rows: Sequence[Row], level: int = 1) -> str:
    """The scorecard as a document of its own, or as a part of the report."""
    head = "#" * level
    ran = [row for row in rows if row.verdict not in (None, Verdict.NOT_RUN)]
    beside = [row for row in rows if row.verdict is None]
    missing = [row for row in rows if row.verdict is Verdict.NOT_RUN]
    parts = [
        f"{head} The paper's claims",
        opening(rows),
        "Only runs of the `paper` and `recipe` protocols on the paper's data decide. Each rule "
        "(`experiments/analysis/claims/`) has its margin, and the number of seeds at which it is "
        "looked at, from the paper's figures and not from ours; what p means and how often a rule "
        "is wrong: `docs/statistics.md`. Figures of the paper: `results/paper.yaml`.",
    ]
    if ran:
        parts.append(_ran(ran))
    if missing:
        parts += [f"{head}# Not run", _missing(missing)]
    if commands := dict.fromkeys(row.command for row in rows if open_to_runs(row)):
        parts += [
            f"{head}# What would decide them",
            "Finished runs are not run again; `sweep plan` in place of `sweep run` says what is "
            "left and what it costs here.",
            "```\n" + "\n".join(commands) + "\n```",
        ]
    if beside:
        parts += [
            f"{head}# Beside it: runs that decide nothing",
            "What the same rules would read from runs of other settings. They say nothing for or "
            "against the paper.",
            _ran(beside),
        ]
    return "\n\n".join(parts)


def open_to_runs(row: Row) -> bool:
    """Whether more runs would decide the row."""
    undecided = row.verdict in (Verdict.NOT_RUN, Verdict.UNDECIDED, Verdict.PARTLY)
    return undecided and row.command.startswith("python -m experiments.sweep")


def _ran(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        setting = plain(f"{row.protocol}, {data_title(row.dataset)}")
        ours = [f"*{setting}*", *map(plain, row.ours), *map(plain, row.levels)]
        why = "<br>".join(plain(part) for part in row.reason.split("; "))
        seeds = f"<br>*{seeds_text(row)}*" if row.planned else ""
        lines.append(
            [
                _claim(row),
                _paper(row),
                "<br>".join(ours),
                f"**{verdict_text(row)}**{_p(row)}<br>{why}{seeds}",
            ]
        )
    return table(["claim", "paper", "ours", "verdict, and why"], lines)


def _missing(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        needs = "" if row.reason.startswith("no ") else f"<br>{plain(row.reason)}"
        claim = _claim(row) + needs
        power = [_count(n) for n in row.needs or ()] or ["–", "–"]
        lines.append([claim, _paper(row), *power, str(row.planned or "–")])
    header = ["claim", "paper", "seeds for 80 % power", "for 95 %", "looked at with"]
    return table(header, lines)


def _claim(row: Row) -> str:
    """The statement, and how it is decided."""
    return f"**{row.claim}** {row.where}: {row.statement}.<br>*Decided by:* {plain(row.how)}"


def seeds_text(row: Row) -> str:
    """``3 seeds; 4 have 80 % power, 6 have 95 %; looked at with 5``."""
    have = f"{row.n} seed{'s' if row.n > 1 else ''}; " if row.n else ""
    first, second = (_count(n) for n in row.needs or (None, None))
    return f"{have}{first} have 80 % power, {second} have 95 %; looked at with {row.planned}"


def _count(seeds: int | None) -> str:
    return "over 1,000" if seeds is None else str(seeds)


def _paper(row: Row) -> str:
    texts = [plain(text) for text in row.paper]
    if row.unstated:
        texts.append(f"*not stated: {row.unstated}*")
    return "<br>".join(texts) or "–"


def _p(row: Row) -> str:
    if row.p is None:
        return ""
    adjusted = "" if row.p_holm is None else f" ({p_text(row.p_holm)} after Holm)"
    return f"<br>p = {p_text(row.p)}{adjusted}".replace("= <", "<")


def scorecard_table(rows: Sequence[Row]) -> RenderableType:
    """For the terminal, one below the other: statement, the paper's figures, ours, the verdict."""
    parts: list[RenderableType] = []
    for claim in judged(rows).values():
        first, shown = claim.rows[0], Table.grid(padding=(0, 1))
        shown.add_column(width=15)
        shown.add_column()
        heading = f"{first.where}. {first.statement[0].upper()}{first.statement[1:]}"
        shown.add_row(Text(claim.claim, style="bold"), Text(heading, style="bold"))
        shown.add_row("  paper", Text("; ".join(first.paper) or "gives no figure"))
        for row in claim.rows:
            setting = f"{row.protocol}, {data_title(row.dataset)}"
            colour = VERDICT_COLOURS[row.verdict] if row.verdict else "default"
            shown.add_row(
                Text(f"  {row.verdict or 'shown only'}", style=f"bold {colour}"),
                Text(f"{setting}: {'; '.join(row.ours) or row.reason}"),
                style="" if row.verdict else "dim",
            )
            if row.ours:
                said = row.reason if row.verdict else f"would read {row.reading}: {row.reason}"
                adjusted = "" if row.p_holm is None else f"; p after Holm {p_text(row.p_holm)}"
                shown.add_row("", Text(f"{said}{adjusted}"), style="dim")
            for level in row.levels:
                shown.add_row("", Text(level), style="dim")
        opened = [row for row in claim.rows if open_to_runs(row)]
        if opened:
            shown.add_row("  seeds", Text(seeds_text(opened[0])), style="dim")
            shown.add_row("  decided by", Text(opened[0].command), style="dim")
        parts += [shown, ""]
    return Group(*parts)


def verdict_text(row: Row) -> str:
    """The verdict; of runs that decide nothing, what the rule would say."""
    if row.verdict is not None:
        return str(row.verdict)
    return f"decides nothing (reads: {row.reading})"
