"""Entry point: the experiments of the paper that are computed instead of trained.

``python -m experiments.mechanism``                  all of them: records and figures
``python -m experiments.mechanism fig9_simulation``  one

It stands to ``experiments.report`` as ``experiments.train`` does: it makes records, the report
reads them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from experiments.console import console, exit_on_user_error, say
from experiments.errors import UserError
from experiments.mechanism.figures import draw
from experiments.mechanism.records import COMPUTATIONS, obtain, record_path
from experiments.mechanism.tables import effective_lengths


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = _Parser(
        prog="python -m experiments.mechanism",
        description="Computes what of the paper needs no training, and draws it. A record that "
        "is there, with today's settings, is kept.",
    )
    names = ", ".join(COMPUTATIONS)
    made.add_argument("names", nargs="*", metavar="name", help=f"{names} (default: all)")
    made.add_argument("--runs", type=Path, default=Path("runs"), help="the store (default: runs)")
    made.add_argument(
        "--out", type=Path, default=Path("reports"), help="where to draw (default: reports)"
    )
    made.add_argument("--again", action="store_true", help="compute also what is there")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute what the store lacks, draw it, and say where it lies."""
    asked = parser().parse_args(arguments)
    for name in asked.names or COMPUTATIONS:
        record = obtain(asked.runs, name, asked.again)
        say(f"{name}: {record_path(asked.runs, name)} (took {record['seconds']} s)")
        if name == "rectifier_vs_warmup":
            console.print(effective_lengths(record))
        for path in draw(name, record, asked.out / "figures"):
            say(f"  {path}")


if __name__ == "__main__":
    with exit_on_user_error():
        main()
