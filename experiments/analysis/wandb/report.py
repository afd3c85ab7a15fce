"""``python -m experiments.report wandb``: mirror part of the store, then save its views."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from experiments.analysis.cells import sections
from experiments.analysis.claims import scorecard
from experiments.config.schema import CONFIG_DIR, WandbTracking
from experiments.errors import UserError
from experiments.terminal.console import say
from experiments.tracking.wandb.mirror import check_mode, describe, mirror_runs

CONFIG = CONFIG_DIR / "tracking" / "wandb.yaml"


def mirror_store(results: pl.DataFrame, root: Path, only: list[str] | None, again: bool) -> None:
    """Mirror the runs (rows of the store), and online save the workspaces and the report.

    Each goes to the project and team of its own configuration; one that was tracked by the store
    alone to those of ``configs/tracking/wandb.yaml``. ``only``: the ids of the runs to take; None:
    all. What is mirrored already is left alone unless ``again``. Raises :class:`UserError` if there
    is nothing to mirror, or if a run could not be mirrored, after having tried the others.
    """
    if only:
        results = results.filter(pl.col("run_id").is_in(only))
    if results.is_empty():
        raise UserError(f"{root}: no such runs with a result, so nothing to mirror")
    check_mode()
    places: dict[WandbTracking, list[dict[str, Any]]] = {}
    for row in results.to_dicts():
        places.setdefault(tracking_of(row), []).append(row)
    online, missing, why = {}, 0, ""
    for tracking, rows in places.items():
        online[tracking], failed, first = _mirror(tracking, rows, again)
        missing, why = missing + failed, why or first
    if missing:
        raise UserError(
            f"{missing} of {len(results)} runs are not mirrored ({why or 'no answer'}); mend that "
            "and give the same command again"
        )
    if not all(online.values()):
        say(
            "The mirror is offline. Upload it with `wandb sync`, or set a key (`wandb login`) and "
            "give the same command again, which also saves the workspaces and the report."
        )
    for tracking, rows in places.items():
        if online[tracking]:
            mirrored = results.filter(pl.col("run_id").is_in([row["run_id"] for row in rows]))
            _save_views(tracking, mirrored, root)


def tracking_of(row: Mapping[str, Any]) -> WandbTracking:
    """Where a run (a row of the store) belongs in Weights & Biases."""
    settings = yaml.safe_load(CONFIG.read_text())
    if row.get("config.tracking.name") == "wandb":
        settings = {key: row[f"config.tracking.{key}"] for key in settings}
    return WandbTracking.model_validate(settings)


def _mirror(
    tracking: WandbTracking, rows: Sequence[Mapping[str, Any]], again: bool
) -> tuple[bool, int, str]:
    """Whether the mirror is online, how many runs are missing from it, and why the first is."""
    folders = [Path(row["folder"]) for row in rows]
    done, first, online = 0, "", False
    for folder, state, text in mirror_runs(folders, tracking, again):
        done += state == "done"
        name = folder.name if folder else "Weights & Biases"
        say(f"{name}: {describe(text) if state == 'done' else text}")
        first = first or (text if state == "failed" else "")
        online = state == "done" and "http" in text
    return online, len(folders) - done, first


def _save_views(tracking: WandbTracking, results: pl.DataFrame, root: Path) -> None:
    from experiments.analysis.wandb.views import save  # wandb-workspaces: only where it is needed

    found = sections(results)
    try:
        for address in save(found, scorecard(found, root), tracking.entity, tracking.project):
            say(f"  {address}")
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"the runs are mirrored, but the workspaces and the report could not be saved: {reason}"
        ) from None
