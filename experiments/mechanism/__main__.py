"""Entry point: why it works. Computes what needs no training; draws runs' histograms.

``python -m experiments.mechanism``                      everything: records and figures
``python -m experiments.mechanism fig9_simulation``      one of them
``python -m experiments.mechanism gradient_histograms``  Figs. 2 and 3, from the store's runs

It stands to ``experiments.report`` as ``experiments.train`` does: it makes records, the report
reads them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.analysis.cells import sections
from experiments.analysis.report.ridges import draw_histograms
from experiments.config.choices import suggestion
from experiments.errors import UserError
from experiments.mechanism.figures import draw
from experiments.mechanism.records import COMPUTATIONS, obtain, record_path
from experiments.mechanism.tables import effective_lengths
from experiments.terminal.arguments import Parser, folder
from experiments.terminal.console import console, exit_on_user_error, note, say
from experiments.tracking.store import read_results

HISTOGRAMS = "gradient_histograms"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = Parser(
        prog="python -m experiments.mechanism",
        description="Computes what of the paper needs no training, and draws it, with the "
        "histograms of the store's runs. A record that is there, with today's settings, is kept.",
    )
    names = ", ".join((*COMPUTATIONS, HISTOGRAMS))
    made.add_argument("names", nargs="*", metavar="name", help=f"{names} (default: all)")
    made.add_argument("--runs", type=folder, default=Path("runs"), help="the store (default: runs)")
    made.add_argument(
        "--out", type=folder, default=Path("reports"), help="where to draw (default: reports)"
    )
    made.add_argument("--again", action="store_true", help="compute also what is there")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute what the store lacks, draw it, and say where it lies."""
    asked = parser().parse_args(arguments)
    known = [*COMPUTATIONS, HISTOGRAMS]
    for name in asked.names:
        if name not in known:  # before anything is computed
            raise UserError(f"{name}: no such computation{suggestion(name, known)}")
    for name in asked.names or known:
        if name == HISTOGRAMS:
            written = histograms(asked.runs, asked.out / "figures")
        else:
            written = computed(name, asked.runs, asked.out / "figures", asked.again)
        for path in written:
            say(f"  {path}")


def computed(name: str, runs_dir: Path, folder: Path, again: bool) -> list[Path]:
    """The record ``name``, made if the store lacks it, and its figures."""
    record = obtain(runs_dir, name, again)
    say(f"{name}: {record_path(runs_dir, name)} (took {record['seconds']} s)")
    if name == "rectifier_vs_warmup":
        console.print(effective_lengths(record))
    return draw(name, record, folder)


def histograms(runs_dir: Path, folder: Path) -> list[Path]:
    """The figures of the runs that took histograms."""
    written = [
        path
        for section in sections(read_results(runs_dir, tell=note))
        for path in draw_histograms(section, folder)
    ]
    found = f"of the runs in {runs_dir}"
    if not written:
        found = f"no run in {runs_dir} took any; one does with runner.histograms.record=true"
    say(f"{HISTOGRAMS}: {found}")
    return written


if __name__ == "__main__":
    with exit_on_user_error():
        main()
