"""``REPORT.md``: what ran, what came out, what it says about the paper, and how to do it again."""

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from experiments.analysis.cells import SCORES, Grid, Section
from experiments.analysis.claims import NO_RUNS, Row, Verdict
from experiments.analysis.report.tables import ROBUSTNESS, cell_text, robustness_text, verdict_text
from experiments.analysis.report.translations import examples
from experiments.analysis.robustness import robustness
from experiments.analysis.wording import (
    WITHIN_WARMUP,
    banner,
    data_title,
    metric_title,
    rate,
)

_FIGURES = {
    "robustness": "Test metric against learning rate: completed runs, 95 % intervals over seeds",
    "profiles": "Share of runs that are better than a score, over all learning rates and seeds",
    "curves": "Training loss and held-out metric, each optimizer at its best rate (Fig. 5)",
    "rates": "Curves at every learning rate (Fig. 6)",
}


def report(found: Sequence[Section], rows: Sequence[Row], figures: dict[str, list[Path]]) -> str:
    """The whole document. ``figures``: by the section's name, paths relative to the document."""
    parts = ["# Report", _first_words(found, rows)]
    for section in found:
        parts.append(_section(section, figures.get(section.name, [])))
    parts += [claims(rows, level=2), _how_to_read(), _again(found)]
    return "\n\n".join(parts) + "\n"


def claims(rows: Sequence[Row], level: int = 1) -> str:
    """The scorecard as a document of its own, or as a part of the report."""
    head = "#" * level
    deciding = [row for row in rows if row.verdict is not None]
    beside = [row for row in rows if row.verdict is None]
    parts = [
        f"{head} The paper's claims",
        "Only runs of the `paper` and `recipe` protocols on the paper's data decide. Each rule was "
        "written before the runs (`experiments/analysis/claims/`); figures are those of "
        "`results/paper.yaml`.",
        _scorecard(deciding),
    ]
    if beside:
        parts += [
            f"{head}# Beside it: runs that decide nothing",
            "Mini or stand-in runs, with what the same rule would read from them. They are not the "
            "paper's setting and say nothing for or against it.",
            _scorecard(beside),
        ]
    commands = dict.fromkeys((row.command, None) for row in deciding if _open(row))
    if commands:
        parts.append(f"{head}# What would decide the rest")
        lines = [command for command, _ in commands]
        parts.append("```\n" + "\n".join(lines) + "\n```")
    return "\n\n".join(parts)


def _open(row: Row) -> bool:
    return row.verdict in (Verdict.NOT_RUN, Verdict.UNDECIDED)


def _scorecard(rows: Sequence[Row]) -> str:
    lines, reasons = [], []
    for row in rows:
        paper = [*row.paper]
        if row.unstated:
            paper.append(f"*not stated: {row.unstated}*")
        setting = f"{row.protocol}, {data_title(row.dataset)}"
        lines.append(
            [
                f"**{row.claim}** {row.where}",
                row.statement,
                "<br>".join(_text(text) for text in paper),
                "<br>".join(_text(text) for text in row.ours) or "–",
                setting,
                f"**{verdict_text(row)}**" if row.verdict else verdict_text(row),
            ]
        )
        reasons.append(f"- {row.claim} ({setting}): {_text(row.reason)}")
    header = ["claim", "statement", "paper", "ours", "protocol, data", "verdict"]
    return _table(header, lines) + "\n\nWhy:\n\n" + "\n".join(reasons)


def verdicts(rows: Sequence[Row]) -> str:
    """How many of which, what runs decide apart from what is computed and from others' findings."""
    parts = {
        "Claims of the paper that runs decide": [
            row for row in rows if row.claim[0] == "C" and row.claim not in NO_RUNS
        ],
        "that need none": [row for row in rows if row.claim in NO_RUNS],
        "findings of others": [row for row in rows if row.claim[0] == "X"],
    }
    return "; ".join(f"{what}: {_counted(of_part)}" for what, of_part in parts.items()) + "."


def _counted(rows: Sequence[Row]) -> str:
    counts = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _first_words(found: Sequence[Section], rows: Sequence[Row]) -> str:
    runs = sum(len(section.runs) for section in found)
    lines = [f"{runs} runs. {verdicts(rows)}"]
    lines += [f"- [{_text(section.title)}](#{_anchor(section.title)})" for section in found]
    return "\n".join([lines[0], "", *lines[1:]])


def _section(section: Section, figures: Sequence[Path]) -> str:
    parts: list[str] = [f"## {_text(section.title)}"]
    if warning := banner(section.task, section.protocol, section.dataset):
        parts.append("\n".join(f"> **{line}.**  " for line in warning.splitlines()))
    if section.within_warmup:
        parts.append(f"> {WITHIN_WARMUP}")
    parts.append(_what_ran(section))
    tables: dict[str, list[str]] = {}  # a run that is tested only at its end has one for all kinds
    for kind in section.kinds():
        grid = section.grid(kind)
        table = f"{_grid_table(grid)}\n\n{_robustness_table(grid)}"
        tables.setdefault(table, []).append(SCORES[kind])
    for table, kinds in tables.items():
        parts += [f"### Test {metric_title(section.metric)}: {', '.join(kinds)}", table]
    for path in figures:
        what = path.stem.removeprefix(f"{section.name}-")
        caption = _FIGURES.get(what)
        if caption is None:
            optimizer = what.removeprefix("rates-")
            caption = f"Curves at every learning rate, settings of {optimizer} apart (Fig. 7)"
        vector = path.with_suffix(".pdf")
        parts.append(f"![{caption}]({path.as_posix()})\n\n*{caption}* ([PDF]({vector.as_posix()}))")
    if (translated := examples(section)) is not None:
        parts += ["### Translations", translated]
    return "\n\n".join(parts)


def _what_ran(section: Section) -> str:
    runs = section.runs
    statuses = runs.group_by("status").len().sort("len", descending=True)
    by_status = ", ".join(f"{count} {status}" for status, count in statuses.iter_rows())
    commits = sorted(
        f"`{commit[:10]}`{' with uncommitted changes' if dirty else ''}" if commit else "unknown"
        for commit, dirty in runs.select("commit", "dirty").unique().iter_rows()
    )
    hours = (runs["wall_seconds"].sum() or 0.0) / 3600
    began, ended = str(runs["started"].min()), str(runs["finished"].max())
    chance = int(runs["at_chance"].sum())
    facts = {
        "Runs": f"{by_status}{f'; {chance} at chance' if chance else ''}",
        "What a run is": _distinct(runs, "setting"),
        "Lengths": section.lengths or "no warmup, no freeze",
        "Data": _distinct(runs, "origin"),
        "Experiments": _distinct(runs, "experiment"),
        "Commits": ", ".join(commits),
        "Hardware": _distinct(runs, "hardware"),
        "Versions": _distinct(runs, "versions"),
        "Time": f"{hours:.2f} h of runs, {began} to {ended}",
    }
    errors = runs.filter(pl.col("status") == "failed")["error"].drop_nulls().unique().to_list()
    if errors:
        facts["Errors"] = "; ".join(error.strip().splitlines()[-1] for error in sorted(errors)[:5])
    return "\n".join(f"- {name}: {_text(value)}" for name, value in facts.items())


def _distinct(runs: pl.DataFrame, column: str) -> str:
    values = runs[column].drop_nulls().unique().sort().to_list() if column in runs.columns else []
    return "; ".join(str(value) for value in values) or "unknown"


def _grid_table(grid: Grid) -> str:
    rows = []
    for method in grid.methods:
        best = grid.best(method)
        row = [_text(method.label)]
        for lr in grid.lrs:
            cell = grid.cells.get((method, lr))
            first, *rest = cell_text(cell, grid)
            first = f"**{first}**" if cell is not None and cell is best else first
            row.append("<br>".join([first, *rest]))
        rows.append(row)
    return _table(["optimizer", *(f"α = {rate(lr)}" for lr in grid.lrs)], rows)


def _robustness_table(grid: Grid) -> str:
    rows = []
    for numbers in robustness(grid):
        texts = robustness_text(numbers, grid)
        rows.append([_text(numbers.method.label), *("<br>".join(texts[key]) for key in ROBUSTNESS)])
    names = [name.replace("\n", " ") for name in ROBUSTNESS.values()]
    return _table(["optimizer", *names], rows) if rows else ""


def _how_to_read() -> str:
    return """## How to read the numbers

- Means are of completed runs, with n and a 95 % t interval over seeds, never narrower than 1.6
  standard errors of the SD that is usual in the section. One seed gives no interval; with two it
  is wide, because two seeds say little. Perplexities are averaged as logarithms (geometric mean).
  How each interval is made and how often it was measured to hold: `docs/statistics.md`.
- *final* is the test metric after the last update; *best on test* the best over all evaluations,
  as the authors' code reports it (it selects on the test set, so it is optimistic);
  *validation-selected* the test metric where a validation split did best.
- How many runs diverged stands beside the mean, with the 95 % interval of their share. In the
  robustness numbers a diverged run counts as a model that has learned nothing, as does one that
  ends worse; then they have no interval. Failed and interrupted runs have no score.
- Robustness, over the α that all methods ran at: *spread* is best − worst (of perplexities worst /
  best, ×); *plateau* the decades of α around the best whose mean is within 1 % of it, reckoned
  from chance (straight lines over log α; "≥": it reaches the grid's end); *expected* the mean
  under a log-uniform α. They depend on the grid's range. An interval needs the same seeds at
  every α; those of best, spread and plateau hold for all α at once.
- *P(RAdam better)* is the probability that a run of RAdam beats the row's optimizer at the same α
  and seed, ties counting half, with the exact interval over these pairs."""


def _again(found: Sequence[Section]) -> str:
    commands: dict[str, None] = {}
    for section in found:
        of_section = f"protocol={section.protocol} task.dataset={section.dataset}"
        names = section.runs["experiment"].drop_nulls().unique().sort().to_list()
        for name in names:
            commands[f"python -m experiments.sweep run experiment={name} {of_section}"] = None
        single = section.runs.filter(pl.col("experiment").is_null())
        if len(single):
            axes = {"optimizer": "optimizer", "optimizer.lr": "lr", "seed": "seed"}
            words = [f"{word}={_list(single[column])}" for word, column in axes.items()]
            task = f"task={section.task} {of_section}"
            commands[f"python -m experiments.train -m {task} {' '.join(words)}"] = None
    commands["python -m experiments.report   # this report, without training"] = None
    return "\n".join(
        [
            "## How to reproduce",
            "",
            "At the commits and with the versions named above; finished runs are not run again. "
            "What else a run was set to stands in its folder's `config.yaml`.",
            "",
            "```",
            *commands,
            "```",
        ]
    )


def _list(values: pl.Series) -> str:
    return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values.unique().sort())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def _text(text: str) -> str:
    """Free text (an error, a name, a data set's origin) so that it shows as text."""
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def _anchor(title: str) -> str:
    """The anchor that a Markdown viewer gives the heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
