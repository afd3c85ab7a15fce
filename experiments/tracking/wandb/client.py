"""The process that hands runs to Weights & Biases; ``mirror.py`` starts it.

It reads the store and nothing else, so a run under way, a finished one and one of last year are
mirrored by the same code; and whatever the network, the disk or the client do, they do it to this
process, never to a run. It imports no torch: it starts in about a second.

Standard output carries one JSON object a line, for the parent: ``{"folder", "state", "text"}``.
"""

import argparse
import contextlib
import hashlib
import json
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from experiments.files import write_atomic
from experiments.tracking.names import CONFIG, METRICS, MIRROR, RESULT
from experiments.tracking.records import Record, RecordFollower
from experiments.tracking.result import SUMMARY, RunResult, marked, read_result

OUT = os.dup(1)
"""Where the parent reads; what wandb prints goes elsewhere."""

POLL_SECONDS = 1.0
INIT_SECONDS = 30.0
LEAST_FREE = 2**20
"""Bytes; wandb does not report a full disk, so what it wrote to one is not believed."""

# The store's columns (experiments/tracking/store.py) for what else would have a longer name.
SHORT = {
    "optimizer_lr": "lr",
    "task_dataset": "dataset",
    "schedule_warmup_kind": "warmup",
    "schedule_warmup_updates": "warmup_updates",
}


def flat_config(config: dict[str, Any]) -> dict[str, Any]:
    """The scientific configuration with one level of keys, as W&B filters it: ``protocol_epochs``.

    A section's name stands under the section (``optimizer``: "radam"). W&B advises against dots.
    """
    found: dict[str, Any] = {}
    for section, value in config.items():
        if section in ("runner", "tracking"):
            continue
        for key, leaf in _leaves(value, section):
            found[SHORT.get(key, key)] = leaf
    return found


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield key, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, key if name == "name" else f"{key}_{name}")


def history_row(record: Record) -> dict[str, Any]:
    """One record of ``metrics.jsonl`` as W&B's keys: ``train/loss``, ``test/accuracy``, ...

    Null, which stands for a number that is not finite, is NaN here. A value with ``edges`` and
    ``counts`` is a histogram.
    """
    row: dict[str, Any] = {key: record[key] for key in ("update", "epoch") if key in record}
    prefix = record.get("split") or record["kind"]
    for key, value in record.items():
        if key not in ("kind", "split", "update", "epoch"):
            row[f"{prefix}/{key}"] = _value(value)
    return row


def _value(value: Any) -> Any:
    if value is None:
        return math.nan
    if isinstance(value, dict) and value.keys() >= {"edges", "counts"}:
        import wandb

        return wandb.Histogram(np_histogram=(value["counts"], value["edges"]))
    return value


def tags(config: dict[str, Any], commit: str | None) -> list[str]:
    """Protocol, dataset and commit."""
    found = [config["protocol"]["name"], config["task"]["dataset"]]
    return [*found, commit[:12]] if commit else found


def cell(config: dict[str, Any]) -> str:
    """The run without its seed, to group by: ``adam_warmup(64) α=0.03 · 3f2a``.

    The digits are of all settings: runs that differ in any are never averaged.
    """
    settings = {
        section: config[section] for section in ("task", "optimizer", "schedule", "training")
    }
    length = {key: value for key, value in config["protocol"].items() if key != "presets"}
    content = json.dumps([settings, length], sort_keys=True)
    return f"{label(config)} · {hashlib.sha256(content.encode()).hexdigest()[:4]}"


def label(config: dict[str, Any]) -> str:
    """The run without its seed, for people: ``adam_warmup(64) α=0.03``."""
    warmup = config["schedule"]["warmup"]
    length = f"({warmup['updates']})" if warmup["kind"] == "linear" else ""
    optimizer = config["optimizer"]
    return f"{optimizer['name']}{length} α={optimizer['lr']:g}"


def fingerprint(folder: Path) -> str:
    """Changes whenever what is mirrored of a run changes."""
    digest = hashlib.sha256()
    for part in (CONFIG, METRICS, RESULT):
        path = folder / part
        digest.update(path.read_bytes() if path.exists() else b"")
        digest.update(b"\0")
    return digest.hexdigest()


def read_mirror(folder: Path) -> dict[str, Any] | None:
    """What is known of a run's mirror; None if it has none."""
    try:
        return dict(json.loads((folder / MIRROR).read_bytes()))
    except (OSError, ValueError):
        return None


class Client:
    """Feeds the runs of a store to wandb, one after the other."""

    def __init__(self, project: str, entity: str | None, mode: str, parent: int | None) -> None:
        self.project, self.entity, self.parent = project, entity, parent
        self.mode = self._decide(mode)

    def _decide(self, mode: str) -> str:
        """Online where wandb finds a key; it cannot ask for one, as there is no terminal."""
        import wandb

        asked = os.environ.get("WANDB_MODE", "online") if mode == "auto" else mode
        if asked == "offline":
            return "offline"
        tell(None, "connecting")
        try:
            wandb.login()
        except wandb.errors.UsageError as error:
            if mode == "online" or "No API key" not in str(error):
                raise
            return "offline"
        return "online"

    def mirror(self, folder: Path, commit: str | None, again: bool) -> None:
        """Mirror one run, following it as long as it goes on, if it is the parent's."""
        record = read_mirror(folder)
        current = {"mode": self.mode, "project": self.project, "fingerprint": fingerprint(folder)}
        current |= {"entity": self.entity} if self.entity else {}
        if not again and record and current.items() <= record.items():
            tell(folder, "done", record["where"])
            return
        tell(folder, "connecting" if self.mode == "online" else "offline")
        config = yaml.safe_load((folder / CONFIG).read_text())
        result = read_result(folder)
        run = self._open(folder, config, result.commit if result else commit)
        tell(folder, self.mode)
        for row in self._rows(folder):
            if row["update"] >= run.starting_step:  # a resumed W&B run has the others already
                run.log(row, step=row["update"])
        self._close(run, folder)

    def _open(self, folder: Path, config: dict[str, Any], commit: str | None) -> Any:
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            init_timeout=INIT_SECONDS,
            x_disable_stats=self.parent is None,
        )
        if self.parent is not None:
            settings.x_stats_pid, settings.x_stats_track_process_tree = self.parent, True
        run = wandb.init(
            project=self.project,
            entity=self.entity,
            id=folder.name,
            name=f"{label(config)} seed {config['seed']}",
            group=config["experiment"],
            job_type=config["optimizer"]["name"],
            tags=tags(config, commit),
            config={**flat_config(config), "cell": cell(config)},
            dir=str(folder),
            mode=self.mode,  # type: ignore[arg-type]  # one of W&B's words
            resume="allow" if self.mode == "online" else None,
            reinit="finish_previous",
            settings=settings,
        )
        run.define_metric("*", step_metric="update")
        return run

    def _rows(self, folder: Path) -> Iterator[dict[str, Any]]:
        """The run's records; of one that goes on, until it has a result or its process is gone."""
        records = RecordFollower(folder)
        while True:
            ended = self.parent is None or os.getppid() != self.parent
            ended = ended or (folder / RESULT).exists()
            yield from map(history_row, records.new())
            if ended:
                return
            time.sleep(POLL_SECONDS)

    def _close(self, run: Any, folder: Path) -> None:
        result = read_result(folder)
        if result is not None:
            run.summary.update(_summary(result))
            facts = {"commit": result.commit, "dirty": result.dirty}
            run.config.update({**facts, "hardware": result.hardware, "versions": result.versions})
            if result.status == "interrupted" and self.mode == "online":
                run.mark_preempting()
        url, path = run.url, Path(run.settings.sync_dir)
        ended = result is not None and result.status in ("completed", "diverged")
        run.finish(exit_code=0 if ended else 1)
        if shutil.disk_usage(folder / "wandb").free < LEAST_FREE:
            raise OSError(f"no space left in {folder / 'wandb'}")
        for old in (folder / "wandb").glob("offline-run-*"):
            if old.resolve() != path.resolve():  # this one has all that they had
                shutil.rmtree(old, ignore_errors=True)
        where = str(path) if self.mode == "offline" else url
        record = {
            "mode": self.mode,
            "project": self.project,
            "entity": self.entity,
            "where": where,
            "url": url,
            "fingerprint": fingerprint(folder),
        }
        write_atomic(folder / MIRROR, json.dumps(record, indent=2) + "\n", new_folder=False)
        tell(folder, "done", where)


def _summary(result: RunResult) -> dict[str, Any]:
    fields = result.model_dump(include=set(marked(SUMMARY)))
    return {key: value for key, value in fields.items() if value is not None}


def tell(folder: Path | None, state: str, text: str = "") -> None:
    """A line for the parent, if there still is one."""
    line = {"folder": str(folder) if folder else None, "state": state, "text": text}
    with contextlib.suppress(OSError):
        os.write(OUT, json.dumps(line).encode() + b"\n")


def main() -> None:
    """Mirror the folders named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--project", required=True)
    parser.add_argument("--entity")
    parser.add_argument("--mode", required=True)
    parser.add_argument("--follow", type=int, metavar="PID", help="the process of the run")
    parser.add_argument("--commit")
    parser.add_argument("--again", action="store_true", help="also what is mirrored already")
    chosen = parser.parse_args()
    os.dup2(2, 1)
    if chosen.follow is not None:
        os.nice(10)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)  # meant for the run, which then ends in order
    try:
        client = Client(chosen.project, chosen.entity, chosen.mode, chosen.follow)
    except Exception as error:
        tell(None, "failed", _line(error))
        sys.exit(1)
    for folder in chosen.folders:
        try:
            client.mirror(folder, chosen.commit, chosen.again)
        except Exception as error:
            tell(folder, "failed", _line(error))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


if __name__ == "__main__":
    main()
