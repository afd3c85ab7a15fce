"""``REPORT.md``: what ran, what came out, what it says about the paper, and how to do it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from experiments.analysis.cells import SCORES, Section
from experiments.analysis.claims import Row, missing_runs, opening
from experiments.analysis.comparisons import Comparisons
from experiments.analysis.report.markdown import anchor, plain, table
from experiments.analysis.report.scorecard import claims_document
from experiments.analysis.report.text_tables import TextTable, section_tables
from experiments.analysis.report.translations import examples
from experiments.analysis.statistics import LOG
from experiments.analysis.style import title
from experiments.analysis.wording import (
    PROTOCOLS,
    WITHIN_WARMUP,
    banner,
    decides,
    in_paper,
    metric_title,
    rate,
)

_FIGURES = {
    "robustness": "Test metric against learning rate: completed runs, 95 % intervals over seeds",
    "profiles": "Share of runs that are better than a score, over all learning rates and seeds",
    "curves": "Training loss and held-out metric, each optimizer at its best rate (Fig. 5)",
    "rates": "Curves at every learning rate (Fig. 6)",
    "rates-": "Curves at every learning rate, settings of {} apart (Fig. 7)",
    "same-rate-": "Training loss of all optimizers at α = {} (Fig. 1)",
    "gradient-histograms-": "Gradients' magnitudes by update, α = {} (Figs. 2 and 3)",
    "momentum-histograms-": "The momentum's magnitudes by update, α = {}",
    "rate-histograms-": "The adaptive rate by update, α = {}",
    "change-histograms-": "Magnitudes of the change by update, α = {}",
    "distortion-": "How far the gradients' magnitudes are distorted, α = {}",
}
"""Captions by what the file is called after the section; one that ends in "-" goes on."""

_COMPUTED = {
    "fig8_variance": "Variance of the adaptive rate, exact and to first order (Fig. 8)",
    "fig9_simulation": "Simulated variance of the adaptive rate, with and without r_t (Fig. 9)",
    "fig9_simulation-beta2": "The same for other β2",
    "rectifier_vs_warmup": "r_t beside warmups",
}

_SHARED = ("Commits", "Hardware", "Versions")
"""What is said once where all sections have it in common."""


def report(
    found: Sequence[Section],
    rows: Sequence[Row],
    figures: Mapping[str, Sequence[Path]],
    computed: Sequence[Path] = (),
    target: float | None = None,
) -> str:
    """The whole document.

    Args:
        found: the store's sections.
        rows: the scorecard.
        figures: by the section's name, paths relative to the document.
        computed: those of the computations, likewise.
        target: of the times to a target; None: as each section suggests (`times.race`).
    """
    facts = [_what_ran(section) for section in found]
    shared = {name: facts[0][name] for name in _SHARED if len({f[name] for f in facts}) == 1}
    shared = shared if len(found) > 1 else {}
    parts = ["# Report", _first_words(found, rows)]
    if shared:
        parts.append("Of all runs:\n\n" + _listed(shared))
    for section, own in zip(found, facts, strict=True):
        said = {name: value for name, value in own.items() if name not in shared}
        parts.append(_section(section, said, figures.get(section.name, []), target))
    if computed:
        parts += ["## Computed, without training", *(_figure(p, p.stem) for p in computed)]
    parts += [claims_document(rows, level=2), _how_to_read(), _again(found)]
    return "\n\n".join(parts) + "\n"


def _first_words(found: Sequence[Section], rows: Sequence[Row]) -> str:
    """What was found: the claims, the strongest contrast, what is missing; and what follows."""
    runs = sum(len(section.runs) for section in found)
    parts = [f"{runs} runs. {opening(rows)}"]
    if (strongest := _strongest_contrast(found)) is not None:
        parts.append(strongest)
    if (missing := missing_runs(rows)) is not None:
        parts.append(missing)
    links = [f"- [{plain(section.title)}](#{anchor(section.title)})" for section in found]
    parts.append("\n".join([*links, "- [The paper's claims](#the-papers-claims)"]))
    return "\n\n".join(parts)


def _strongest_contrast(found: Sequence[Section]) -> str | None:
    """Of the sections that decide, or else of those nearest to them, the surest difference."""
    for section in sorted(found, key=_nearness):
        kind = next(iter(section.kinds()), None)
        strongest = None if kind is None else Comparisons(section.grid(kind)).strongest()
        if strongest is None or strongest.against is None or strongest.expected is None:
            continue
        ratio = section.scale is LOG
        said = (
            f"Of the expected scores the surest difference from {strongest.against.label}: "
            f"{plain(section.title)}, expected {section.metric} of {plain(strongest.method.label)} "
            f"{'divided by' if ratio else 'minus'} that of {strongest.against.label} = "
            f"{strongest.expected.text()}."
        )
        if decides(section.task, section.protocol, section.dataset):
            return said
        return f"{said} It is no run of the paper's setting, and decides nothing."
    return None


def _nearness(section: Section) -> tuple[bool, bool, int]:
    known = section.protocol in PROTOCOLS
    place = PROTOCOLS.index(section.protocol) if known else len(PROTOCOLS)
    return not in_paper(section.task), section.dataset != "real", place


def _section(
    section: Section, facts: Mapping[str, str], figures: Sequence[Path], target: float | None
) -> str:
    parts: list[str] = [f"## {plain(section.title)}"]
    if warning := banner(section.task, section.protocol, section.dataset):
        parts.append("\n".join(f"> **{line}.**  " for line in warning.splitlines()))
    if section.within_warmup:
        parts.append("> All runs lie inside RAdam's own warmup (see *How to read the numbers*).")
    parts.append(_listed(facts))
    parts += _tables(section, target)
    parts += [_figure(path, path.stem.removeprefix(f"{section.name}-")) for path in figures]
    if (translated := examples(section)) is not None:
        parts += ["### Translations", translated]
    return "\n\n".join(parts)


def _tables(section: Section, target: float | None) -> list[str]:
    found = section_tables(section, target)
    if found is None:
        return []
    named = ", ".join(SCORES[kind] for kind in section.kinds())
    parts = [f"### Test {metric_title(section.metric)}: {named}"]
    parts += [_markdown(found.cells), _markdown(found.robustness)]
    if found.comparisons is not None:
        parts += ["### Against each other", _markdown(found.comparisons)]
        parts += [found.interaction] if found.interaction else []
    if found.budget is not None:
        parts += ["### What tuning and time buy", _markdown(found.budget)]
    return parts


def _figure(path: Path, what: str) -> str:
    """A figure with its caption below. ``what``: a key of _FIGURES or _COMPUTED."""
    caption = {**_FIGURES, **_COMPUTED}.get(what)
    if caption is None:
        begins = [name for name in _FIGURES if name.endswith("-") and what.startswith(name)]
        caption = _FIGURES[begins[0]].format(_value(what.removeprefix(begins[0]))) if begins else ""
    vector = path.with_suffix(".pdf").as_posix()
    return f"![{what}]({path.as_posix()})\n\n*{caption}* ([PDF]({vector}))"


def _value(text: str) -> str:
    """An α as it is written elsewhere; anything else as it is."""
    try:
        return rate(float(text))
    except ValueError:
        return title(text)


def _what_ran(section: Section) -> dict[str, str]:
    runs = section.runs
    statuses = runs.group_by("status").len().sort("len", descending=True)
    by_status = ", ".join(f"{count} {status}" for status, count in statuses.iter_rows())
    if stopped := _list(runs.filter(pl.col("status") == "interrupted")["updates"]):
        by_status += f" (at update {stopped})"
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
    return facts


def _listed(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {plain(value)}" for name, value in facts.items())


def _distinct(runs: pl.DataFrame, column: str) -> str:
    values = runs[column].drop_nulls().unique().sort().to_list() if column in runs.columns else []
    return "; ".join(str(value) for value in values) or "unknown"


def _markdown(found: TextTable) -> str:
    rows = []
    for method, words in found.rows:
        row = [plain(method.label)]
        for word in words:
            first, *rest = word.lines
            row.append("<br>".join([f"**{first}**" if word.strong else first, *rest]))
        rows.append(row)
    header = ("optimizer", *(name.replace("\n", " ") for name in found.header))
    return table(header, rows) if rows else ""


def _how_to_read() -> str:
    return f"""## How to read the numbers

- Means are of completed runs, with n and a 95 % t interval over seeds, never narrower than 1.6
  standard errors of the SD that is usual in the section. One seed gives no interval; with two it
  is wide, because two seeds say little. Perplexities are averaged as logarithms (geometric mean).
  How each interval is made and how often it was measured to hold: `docs/statistics.md`.
- *final* is the test metric after the last update; *best on test* the best over all evaluations,
  as the authors' code reports it (it selects on the test set, so it is optimistic);
  *validation-selected* the test metric where a validation split did best. The last two stand in a
  cell where they differ from the first.
- *At chance*: the run ended no better than a model that learned nothing (guessing; for text, the
  frequencies of words). Figures mark such runs by hollow symbols.
- How many runs diverged stands beside the mean, with the 95 % interval of their share. In the
  robustness numbers a diverged run counts as a model that has learned nothing, as does one that
  ends worse; then they have no interval. Failed and interrupted runs have no score.
- Robustness, over the α that all methods ran at: *spread* is best − worst (of perplexities worst /
  best, ×); *plateau* the decades of α around the best whose mean is within 1 % of it, reckoned
  from chance (straight lines over log α; "≥": it reaches the grid's end); *expected* the mean
  under a log-uniform α. They depend on the grid's range. An interval needs the same seeds at
  every α; those of best, spread and plateau hold for all α at once.
- *Lost at next best α*: best − second best mean (of perplexities a ratio, ×). A lower end of 0
  says that which α is best is not known.
- *P(RAdam better)* is the probability that a run of RAdam beats the row's optimizer at the same α
  and seed, ties counting half, with the exact interval over these pairs.
- *Against each other*: differences (of perplexities ratios, ÷). Those of best and spread hold
  whichever α are the best ones; "best of the others" is whichever other optimizer is the best: a
  row whose interval lies on the good side of 0 (of ratios 1) is shown to be the best of all. The
  test of interaction is of "all curves are parallel"; below .05 they are not.
- *Best of k tried α*: each α once with one seed, and the best of k of them taken by this very
  score, as somebody does who tunes so: the mean over all choices of k of the grid's α, one number
  a seed (Tang et al., 2020). The same selection inflates all optimizers' numbers.
- *Updates to* a score: from the start to the first evaluation that reaches it, at the optimizer's
  best α; the geometric mean of the runs that come there, and how many do. The score is what the
  optimizer that comes least far ends at, or the `--target` that was given. Seconds mean something
  on like hardware alone.
- *RAdam's own warmup*: {WITHIN_WARMUP[0].lower()}{WITHIN_WARMUP[1:]}"""


def _again(found: Sequence[Section]) -> str:
    commands: dict[str, None] = {}
    for section in found:
        of_section = f"protocol={section.protocol} task.dataset={section.dataset}"
        names = section.runs["experiment"].drop_nulls().unique().sort().to_list()
        for name in names:
            commands[f"python -m experiments.sweep run experiment={name} {of_section}"] = None
        single = section.runs.filter(pl.col("experiment").is_null())
        for (status, updates), runs in single.group_by(
            "status",
            pl.when(pl.col("status") == "interrupted").then("updates"),
            maintain_order=True,
        ):
            axes = {"optimizer": "optimizer", "optimizer.lr": "lr", "seed": "seed"}
            words = [f"{word}={_list(runs[column])}" for word, column in axes.items()]
            if status == "interrupted":
                words.append(f"runner.stop_after={updates}")
            histograms = "config.runner.histograms.record"
            if histograms in runs.columns and runs[histograms].any():
                words.append("runner.histograms.record=true")
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
