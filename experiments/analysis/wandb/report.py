"""``python -m experiments.report wandb``: mirror part of the store, then save its views."""

from pathlib import Path

import polars as pl
import yaml

from experiments.analysis.cells import sections
from experiments.analysis.claims import scorecard
from experiments.config.schema import CONFIG_DIR, WandbTracking
from experiments.errors import UserError
from experiments.terminal.console import say
from experiments.tracking.wandb.mirror import describe, mirror_runs

CONFIG = CONFIG_DIR / "tracking" / "wandb.yaml"


def mirror_store(results: pl.DataFrame, root: Path, only: list[str] | None, again: bool) -> None:
    """Mirror the runs (rows of the store), and online save the workspaces and the report.

    ``only``: the ids of the runs to take; None: all. What is mirrored already is left alone unless
    ``again``. Raises :class:`UserError` if there is nothing to mirror, or if a run could not be
    mirrored, after having tried the others.
    """
    if only:
        results = results.filter(pl.col("run_id").is_in(only))
    if results.is_empty():
        raise UserError(f"{root}: no such runs with a result, so nothing to mirror")
    tracking = WandbTracking.model_validate(yaml.safe_load(CONFIG.read_text()))
    folders = [Path(folder) for folder in results["folder"]]
    done, failed, first, online = 0, 0, "", False
    for folder, state, text in mirror_runs(folders, tracking, again):
        done, failed = done + (state == "done"), failed + (state == "failed")
        name = folder.name if folder else "Weights & Biases"
        say(f"{name}: {describe(text) if state == 'done' else text}")
        first = first or (text if state == "failed" else "")
        online = state == "done" and "http" in text
    if failed or done < len(folders):
        raise UserError(
            f"{len(folders) - done} of {len(folders)} runs are not mirrored "
            f"({first or 'no answer'}); mend that and give the same command again"
        )
    if not online:
        say(
            "The mirror is offline. Upload it with `wandb sync`, or set a key (`wandb login`) and "
            "give the same command again, which also saves the workspaces and the report."
        )
        return
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
