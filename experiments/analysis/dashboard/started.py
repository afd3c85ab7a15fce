"""Runs that have begun and have no result yet, as rows of the store's table."""

from pathlib import Path
from typing import Any

import polars as pl
import yaml

from experiments.tasks.registry import TASKS
from experiments.tracking.names import CONFIG
from experiments.tracking.result import DamagedResult, RunState, read_result
from experiments.tracking.run_folder import RunFolder
from experiments.tracking.store import flatten


def with_started(results: pl.DataFrame, root: Path) -> pl.DataFrame:
    """``results`` (of the store ``root``) and a row for each run that has begun without a result
    that can be read.

    Only runs of a task with results, or whose task is known here, can be shown: the metric's name
    stands in the task.
    """
    known = set(results["folder"]) if "folder" in results.columns else set()
    folders = sorted(path.parent for path in Path(root).glob(f"*/*/{CONFIG}"))
    states = {f: state for f in folders if str(f) not in known and (state := _state(f)) is not None}
    rows = [row for folder, state in states.items() if (row := _row(folder, state)) is not None]
    if not rows:
        return results
    started = pl.DataFrame(rows, infer_schema_length=None)
    return pl.concat([results, started], how="diagonal_relaxed")


def _state(folder: Path) -> RunState | None:
    """None for a run that has a result."""
    try:
        if read_result(folder) is not None:
            return None
    except DamagedResult:
        return "damaged"
    return "running" if RunFolder(folder).busy else "killed"


def _row(folder: Path, state: RunState) -> dict[str, Any] | None:
    try:
        config = yaml.safe_load((folder / CONFIG).read_text())
        metric = TASKS[config["task"]["name"]].model_validate(config["task"]).metric
        warmup = config["schedule"]["warmup"]
        return {
            "run_id": folder.name,
            "task": config["task"]["name"],
            "protocol": config["protocol"]["name"],
            "dataset": config["task"]["dataset"],
            "optimizer": config["optimizer"]["name"],
            "lr": float(config["optimizer"]["lr"]),
            "seed": config["seed"],
            "experiment": config.get("experiment"),
            "status": state,
            "at_chance": False,
            "metric": metric.name,
            "direction": metric.direction,
            "chance": metric.chance,
            "warmup": warmup["kind"],
            "warmup_updates": warmup["updates"],
            "folder": str(folder),
            **dict(flatten(config, "config")),
        }
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return None  # a folder that is just being written, or is not one of ours
