"""The store as tables: every run's result, and a run's curves."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import polars as pl

from experiments.tracking.archive import read_rows
from experiments.tracking.names import RESULT
from experiments.tracking.records import read_records
from experiments.tracking.result import DamagedResult, RunResult, read_result

_POLARS = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}


def _column(annotation: Any) -> Any:
    """The column's type for a field of a result; None for what is not a plain value."""
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    (kind,) = (kind for kind in kinds if kind is not NoneType)
    return pl.String if get_origin(kind) is Literal else _POLARS.get(kind)


_RESULT = {name: _column(field.annotation) for name, field in RunResult.model_fields.items()}
_ADDED = {"warmup": pl.String, "warmup_updates": pl.Int64, "folder": pl.String}

_COLUMNS: dict[str, Any] = {
    name: column for name, column in _RESULT.items() if column and name != "schema_version"
} | _ADDED
"""What every table of results has: a column has its type even where no run has a value."""


def run_folders(root: Path, task: str | None = None) -> Iterator[Path]:
    """The folders under ``root/<task>/`` that hold a result, in a fixed order."""
    pattern = f"{task or '*'}/*/{RESULT}"
    yield from sorted(path.parent for path in Path(root).glob(pattern))


def read_results(
    root: Path, task: str | None = None, *, tell: Callable[[str], object] | None = None
) -> pl.DataFrame:
    """One row a run that has a result, whatever its status; ``folder`` says where it lies.

    A result that cannot be read is named by ``tell`` and left out; without ``tell`` it raises
    :class:`~experiments.tracking.result.DamagedResult`.

    Columns: those of :class:`~experiments.tracking.result.RunResult` that are scalars,
    ``warmup`` and ``warmup_updates`` of the schedule, ``folder``, and ``hardware``, ``versions``
    and every scalar of the configuration as ``config.<section>.<field>``. Archived runs
    (:mod:`~experiments.tracking.archive`) are among them.
    """
    rows = []
    for folder in run_folders(root, task):
        try:
            result = read_result(folder)
        except DamagedResult as damage:
            if tell is None:
                raise
            tell(f"{damage}; left out here")
            continue
        if result is not None:
            rows.append(_row(result, folder))
    archived = read_rows(root)
    extra = {name: None for row in rows for name in row if name not in _COLUMNS}
    table = pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in _COLUMNS}, schema=_COLUMNS
    )
    table = table.with_columns(
        pl.Series(name, [row.get(name) for row in rows], strict=False) for name in extra
    )
    if archived is None:
        return table
    if task is not None:
        archived = archived.filter(pl.col("task") == task)
    return pl.concat([table, archived], how="diagonal_relaxed")


def _row(result: RunResult, folder: Path) -> dict[str, Any]:
    row = result.model_dump(exclude={"schema_version", "config", "hardware", "versions"})
    warmup = result.config.get("schedule", {}).get("warmup", {})
    row["warmup"], row["warmup_updates"] = warmup.get("kind"), warmup.get("updates")
    row["folder"] = str(folder)
    row["hardware"] = describe_hardware(result.hardware)
    row["versions"] = ", ".join(f"{k} {v}" for k, v in sorted(result.versions.items()))
    row.update(flatten(result.config, "config"))
    return row


def flatten(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a configuration by their dotted names; lists as text."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}.{key}")
        else:
            yield f"{prefix}.{key}", str(value) if isinstance(value, list) else value


def describe_hardware(facts: dict[str, Any]) -> str:
    """One line for a person: the GPU if the run used one, else processor and threads."""
    if facts.get("gpu"):
        return f"{facts['gpu']}{', captured' if facts.get('captured') else ''}"
    return f"{facts.get('cpu')}, {facts.get('threads')} of {facts.get('cores')} cores"


def read_metrics(folder: Path, *kinds: str) -> pl.DataFrame:
    """The records of one run, of these kinds (all without any), in the order of their writing.

    Raises :class:`~experiments.tracking.records.DamagedRecords`.
    """
    return pl.DataFrame(read_records(folder, *kinds), infer_schema_length=None)
