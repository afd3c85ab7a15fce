"""Entry point: what the store says. Trains nothing.

``python -m experiments.report``          tables, claims, figures, REPORT.md
``python -m experiments.report table``    optimizer × α and robustness numbers, in the terminal
``python -m experiments.report claims``   the scorecard of the paper's claims
``python -m experiments.report figures``  the figures, PNG and PDF
``python -m experiments.report export``   every table of REPORT.md as tidy CSV and as LaTeX
``python -m experiments.report dashboard``  the page; with --live served here, following a sweep
``python -m experiments.report archive``  runs and records as two files, to publish and read again
``python -m experiments.report wandb``    the store in Weights & Biases, with its views
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from experiments.analysis.cells import SCORES, Section, sections
from experiments.analysis.claims import Row, as_data, opening, scorecard
from experiments.analysis.report.document import report as report_document
from experiments.analysis.report.latex import claims_latex, latex
from experiments.analysis.report.scorecard import claims_document, scorecard_table
from experiments.analysis.report.tables import summary_table
from experiments.analysis.report.text_tables import section_tables
from experiments.analysis.report.tidy import tidy
from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.terminal.arguments import Parser, folder
from experiments.terminal.console import console, exit_on_user_error, note, say
from experiments.tracking.archive import ROWS, add_to_archive, write_rows
from experiments.tracking.store import read_results

NOTHING = (
    "The store {root} holds no results yet. Run something first: `make reproduce-cifar`, or "
    "`python -m experiments.train optimizer=radam protocol=mini`."
)

BELONGS_TO = {"live": "dashboard", "run": "wandb", "again": "wandb"}
"""Options that only one of the things to do has."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = Parser(
        prog="python -m experiments.report",
        description="Tables, robustness numbers, figures and the scorecard of the paper's claims, "
        "made from the store of runs. Trains nothing.",
        epilog="Runs of different tasks, protocols and datasets are never mixed. Mini and stand-in "
        "runs are marked and decide no claim. How each claim is decided: "
        "experiments/analysis/claims/; the paper's own figures: results/paper.yaml.",
    )
    made.add_argument(
        "what",
        nargs="?",
        default="all",
        choices=("all", "table", "claims", "figures", "export", "archive", "dashboard", "wandb"),
        help="all: tables, claims, figures and REPORT.md (the default); or one of them; export: "
        "every table of REPORT.md as tidy CSV and as LaTeX; archive: add the runs, with their "
        "curves, to the archive --out, which --runs reads as it does a store; dashboard: one HTML "
        "file to look around in; wandb: mirror the runs to Weights & Biases",
    )
    made.add_argument("--runs", type=folder, default=Path("runs"), help="the store (default: runs)")
    made.add_argument(
        "--out", type=folder, default=Path("reports"), help="where to write (default: reports)"
    )
    made.add_argument("--task", help="only this task, such as cifar10")
    made.add_argument("--protocol", help="only this protocol: paper, recipe, short, mini or smoke")
    made.add_argument("--dataset", help="only this dataset: real or standin")
    made.add_argument(
        "--score",
        choices=tuple(SCORES),
        default="final",
        help="which test figure the terminal's tables and the figures show: after the last update "
        "(final, the default), the best over evaluations (best, the authors' way), or at the best "
        "validation figure; REPORT.md shows all three where they differ",
    )
    made.add_argument(
        "--target",
        type=float,
        help="the score of the times to a target (default: what the worst optimizer ends at); for "
        "one task",
    )
    made.add_argument(
        "--live", action="store_true", help="dashboard: serve it, following the store"
    )
    made.add_argument("--port", type=int, default=8765, help="dashboard --live: where (8765)")
    made.add_argument(
        "--run", action="append", help="wandb: only this run; may be given repeatedly"
    )
    made.add_argument("--again", action="store_true", help="wandb: also what is mirrored already")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the store, write what was asked for, and say where it lies."""
    asked = parser().parse_args(arguments)
    for option, what in BELONGS_TO.items():
        if getattr(asked, option) and asked.what != what:
            raise UserError(f"--{option}: belongs to {what}; write {what} --{option}")
    if asked.what == "dashboard":
        from experiments.analysis.dashboard import show  # plotly: only where it is needed

        show(asked.runs, asked.out, asked.port if asked.live else None, lambda: select(asked))
        return
    results = select(asked)
    if asked.what == "wandb":
        from experiments.analysis.wandb.report import mirror_store

        mirror_store(results, asked.runs, asked.run, asked.again)
        return
    found = sections(results)
    check_target(asked.target, found)
    if not found:
        say(NOTHING.format(root=asked.runs))
        if asked.what != "claims":
            return
    written: list[Path] = []
    if asked.what in ("all", "table"):
        console.print(summary_table(results, asked.score))
    if asked.what in ("all", "claims"):
        rows = scorecard(found, asked.runs)
        if asked.what == "claims":
            console.print(scorecard_table(rows))
        say(f"\n{opening(rows)}")
        written += write_claims(rows, asked.out)
    if asked.what in ("all", "figures"):
        figures = write_figures(found, asked.score, asked.out)
        computed = draw_records(asked.runs, asked.out / "figures")
        written += [path for paths in (*figures.values(), computed) for path in paths]
    if asked.what == "all":
        written.append(write_document(found, rows, figures, computed, asked.target, asked.out))
        written.append(write_rows(results, asked.out / ROWS))
    if asked.what == "archive" and found:
        written += add_to_archive(results, asked.out)
    if asked.what == "export":
        written += write_tables(found, scorecard(found, asked.runs), asked.target, asked.out)
    if written:
        say("\nWritten:")
    for path in written:
        say(f"  {path}")


def select(asked: argparse.Namespace) -> pl.DataFrame:
    """The store's rows that were asked for.

    Raises :class:`UserError` where the store is not there, or has nothing of that kind.
    """
    if not asked.runs.is_dir() and asked.runs != Path("runs"):
        raise UserError(f"--runs {asked.runs}: no such folder; give the store's folder")
    results = read_results(asked.runs, tell=note)
    for field in ("task", "protocol", "dataset"):
        wanted = getattr(asked, field)
        if wanted is None or results.is_empty():
            continue
        present = results[field].unique().sort().to_list()
        results = results.filter(pl.col(field) == wanted)
        if results.is_empty():
            raise UserError(f"--{field} {wanted}: no such runs; there are: {', '.join(present)}")
    return results


def check_target(target: float | None, found: Sequence[Section]) -> None:
    """Raises :class:`UserError` for a target that is no number, or of scores of several metrics."""
    metrics = sorted({section.metric for section in found})
    if target is not None and not math.isfinite(target):
        raise UserError(f"--target {target}: write a score, such as 90")
    if target is not None and len(metrics) > 1:
        raise UserError(
            f"--target {target:g}: the runs' scores are {', '.join(metrics)}; say of which with "
            "--task"
        )


def write_claims(rows: Sequence[Row], out: Path) -> list[Path]:
    """The scorecard for people and for programs."""
    text, data = out / "CLAIMS.md", out / "claims.json"
    write_atomic(text, claims_document(rows) + "\n")
    write_atomic(data, json.dumps(as_data(list(rows)), indent=2, ensure_ascii=False) + "\n")
    return [text, data]


def write_figures(found: Sequence[Section], kind: str, out: Path) -> dict[str, list[Path]]:
    """The figures of every section, by its name."""
    # matplotlib: only where it is needed
    from experiments.analysis.report.figures import draw_section
    from experiments.analysis.report.ridges import draw_histograms

    folder = out / "figures"
    return {
        section.name: draw_section(section, kind, folder) + draw_histograms(section, folder)
        for section in found
    }


def draw_records(runs: Path, folder: Path) -> list[Path]:
    """The figures of the computations whose records the store has."""
    if not (runs / "mechanism").is_dir():
        return []
    # torch: only where it is needed
    from experiments.mechanism.figures import draw
    from experiments.mechanism.records import COMPUTATIONS, kept

    records = {name: kept(runs, name) for name in COMPUTATIONS}
    drawn = [draw(name, record, folder) for name, record in records.items() if record is not None]
    return [path for paths in drawn for path in paths]


def write_document(
    found: Sequence[Section],
    rows: Sequence[Row],
    figures: dict[str, list[Path]],
    computed: Sequence[Path],
    target: float | None,
    out: Path,
) -> Path:
    """``REPORT.md``, with the figures' paths as seen from it."""
    relative = {name: [p.relative_to(out) for p in paths] for name, paths in figures.items()}
    path, own = out / "REPORT.md", [p.relative_to(out) for p in computed]
    write_atomic(path, report_document(found, rows, relative, own, target))
    return path


def write_tables(
    found: Sequence[Section], rows: Sequence[Row], target: float | None, out: Path
) -> list[Path]:
    """``tables/``: a CSV a table with the numbers of all sections, and a LaTeX file a section and
    table with the words of REPORT.md. All are made before the first is written."""
    files = {f"{name}.csv": table.write_csv() for name, table in tidy(found, rows, target).items()}
    for section in found:
        words = section_tables(section, target)
        for table in words.tables if words is not None else ():
            files[f"{section.name}-{table.name}.tex"] = latex(table, section.title)
    files["claims.tex"] = claims_latex(rows)
    for name, content in files.items():
        write_atomic(out / "tables" / name, content)
    return [out / "tables" / name for name in files]


if __name__ == "__main__":
    with exit_on_user_error():
        main()
