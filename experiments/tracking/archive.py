"""A store without its folders: ``runs.parquet`` and ``records.parquet``, small enough to publish.

A row a run with its whole configuration, commit and hardware, and its records, training curves
thinned. A folder with ``runs.parquet`` is read as a store of these runs: by the report, the claims
and the page. There are no checkpoints, logs or translations in it, and no folders of the machine
that made it. Reading it needs Parquet and JSON alone: nothing in it is run.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.tracking.records import Record, read_records

ROWS, RECORDS = "runs.parquet", "records.parquet"

MOST_TRAIN_RECORDS = 100
"""A run keeps of its training records; all of its others."""

_OF_THE_MACHINE = ("folder", "config.runner.runs_dir", "config.runner.data_dir")


def read_rows(root: Path) -> pl.DataFrame | None:
    """The archived runs of a folder, as rows of a store; None where none is archived.

    Raises :class:`UserError` for a file that is no such table.
    """
    path = Path(root) / ROWS
    if not path.is_file():
        return None
    try:
        rows = pl.read_parquet(path)
        place = pl.concat_str(pl.lit(f"{Path(root) / RECORDS}/"), "task", pl.lit("/"), "run_id")
        return rows.with_columns(place.alias("folder"))
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{path}: not the rows of a store ({error})") from None


def add_to_archive(rows: pl.DataFrame, out: Path) -> list[Path]:
    """Write the runs and their records to the archive ``out``, beside those that are there; a run
    that is there already is replaced. Returns the files."""
    fresh = _keys(rows)
    before = read_rows(out)
    kept = pl.DataFrame() if before is None else before.filter(~_keys(before).is_in(fresh))
    every = pl.concat([kept, rows], how="diagonal_relaxed") if len(kept) else rows
    every = every.sort("task", "protocol", "optimizer", "lr", "seed", "run_id")
    lines = [
        {"run": f"{row['task']}/{row['run_id']}", "record": json.dumps(record)}
        for row in every.select("task", "run_id", "folder").iter_rows(named=True)
        for record in thinned(read_records(Path(row["folder"])))
    ]
    table = pl.DataFrame(lines, schema={"run": pl.String, "record": pl.String})
    write_atomic(out / RECORDS, lambda file: table.write_parquet(file, compression_level=12))
    return [write_rows(every, out / ROWS), out / RECORDS]


def write_rows(rows: pl.DataFrame, path: Path) -> Path:
    """The rows alone, without the folders of the machine, which mean nothing elsewhere and tell
    where somebody works."""
    public = rows.drop(_OF_THE_MACHINE, strict=False)
    write_atomic(path, lambda file: public.write_parquet(file))
    return path


def thinned(records: Iterable[Record]) -> list[Record]:
    """With MOST_TRAIN_RECORDS of the training records at most, evenly spread, the last among
    them."""
    records = list(records)
    train = [place for place, record in enumerate(records) if record["kind"] == "train"]
    step = max(1, -(-len(train) // MOST_TRAIN_RECORDS))
    left_out = set(train) - set(train[::-1][::step])
    return [record for place, record in enumerate(records) if place not in left_out]


def _keys(rows: pl.DataFrame) -> pl.Series:
    return rows.select(pl.concat_str("task", pl.lit("/"), "run_id"))[:, 0]
