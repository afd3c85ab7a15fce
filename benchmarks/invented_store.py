"""Stores that were never trained: real ``result.json`` and ``metrics.jsonl`` with invented numbers.

For tests and benchmarks of what reads a store. ``write`` makes a run with the records of a whole
training, ``write_grid`` a grid of them; ``run`` makes one with a score and records that are given,
``grid`` a grid of them.
"""

import copy
import hashlib
import json
import math
import random
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from experiments.analysis.cells import Section, sections
from experiments.config.compose import compose
from experiments.config.validate import resolve
from experiments.tasks.registry import TASKS
from experiments.tracking.result import RunResult
from experiments.tracking.store import read_results

GOOD_RATE = {"sgd": 0.1, "adam": 0.003, "radam": 0.02, "adam_warmup": 0.006}
WIDTH = {"sgd": 1.0, "adam": 0.8, "radam": 2.2, "adam_warmup": 1.4}
RATES = (0.1, 0.03, 0.01, 0.003)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@lru_cache
def _composed(task: str, protocol: str) -> dict[str, Any]:
    """The suite's own configuration of RAdam."""
    return resolve(compose([f"task={task}", f"protocol={protocol}"])).model_dump(mode="json")


def configuration(
    optimizer: str,
    lr: float,
    seed: int,
    *,
    warmup: int = 0,
    task: str = "cifar10",
    protocol: str = "recipe",
    options: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A resolved configuration; ``changes`` as ``protocol__name="mini"``."""
    config = copy.deepcopy(_composed(task, protocol))
    config["task"]["dataset"] = "real"
    composed = config["optimizer"]
    own = {"momentum": 0.9} if optimizer == "sgd" else {"betas": composed["betas"]}
    shared = {"name": optimizer, "lr": lr, "weight_decay": composed["weight_decay"]}
    config["optimizer"] = shared | own | (options or {})
    kind = "linear" if warmup else "none"
    config["schedule"]["warmup"] = {"kind": kind, "updates": warmup}
    config |= {"seed": seed, "experiment": "fig6_lr_robustness"}
    for path, value in changes.items():
        *folders, last = path.split("__")
        place = config
        for folder in folders:
            place = place[folder]
        if folders != ["optimizer"] or last in place:  # SGD has no betas to change
            place[last] = value
    return config


def _save(
    root: Path, config: dict[str, Any], records: Iterable[dict[str, Any]], /, **fields: Any
) -> Path:
    """Write a run and return its folder. ``fields`` of the result replace the invented ones."""
    identity = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    folder = root / str(config["task"]["name"]) / identity
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in records))
    if fields["status"] == "running":
        return folder
    metric = TASKS[config["task"]["name"]].model_validate(config["task"]).metric
    known: dict[str, Any] = {
        "schema_version": 1,
        "run_id": identity,
        "task": config["task"]["name"],
        "protocol": config["protocol"]["name"],
        "dataset": config["task"]["dataset"],
        "setting": "ResNet-8 (8-16-32), 4,096 images, 8 epochs of 32 updates",
        "optimizer": config["optimizer"]["name"],
        "lr": config["optimizer"]["lr"],
        "seed": config["seed"],
        "experiment": config["experiment"],
        "at_chance": False,
        "metric": metric.name,
        "direction": metric.direction,
        "chance": metric.chance,
        "best_epoch": 1.0,
        "validation_selected": None,
        "updates": 256 if config["protocol"]["name"] == "mini" else 64124,
        "epochs": 164.0,
        "parameters": 272_474,
        "wall_seconds": 60.0,
        "examples_per_second": 1000.0,
        "started": "2025-01-01T00:00:00+00:00",
        "finished": "2025-01-01T00:01:00+00:00",
        "commit": COMMIT,
        "dirty": False,
        "hardware": {"cpu": "Invented CPU", "cores": 2, "threads": 1, "device": "cpu"},
        "versions": {"torch": "2.15.0"},
        "origin": "invented",
        "error": "RuntimeError: invented" if fields["status"] == "failed" else None,
        "config": config,
    }
    RunResult.model_validate(known | fields).write(folder)
    return folder


def run(
    root: Path,
    optimizer: str,
    lr: float,
    seed: int,
    score: float | None,
    *,
    dataset: str = "real",
    status: str = "completed",
    train_loss: float | None = 0.05,
    warmup_updates: int = 0,
    task: str = "cifar10",
    protocol: str = "recipe",
    options: dict[str, Any] | None = None,
    change: dict[str, Any] | None = None,
    curves: Iterable[dict[str, Any]] = (),
    **fields: Any,
) -> Path:
    """One run that came to ``score``; its folder. ``change``: dotted fields of the config."""
    changes = {key.replace(".", "__"): value for key, value in (change or {}).items()}
    config = configuration(
        *(optimizer, lr, seed), warmup=warmup_updates, task=task, protocol=protocol,
        options=options, task__dataset=dataset, **changes,
    )  # fmt: skip
    known = {
        "status": status,
        "final": score if status == "completed" else None,
        "best": score,
        "train_loss": train_loss,
    }
    return _save(root, config, curves, **(known | fields))


def write(
    root: Path,
    config: dict[str, Any],
    *,
    status: str = "completed",
    final: float | None = None,
    epochs: int = 20,
    updates_per_epoch: int = 32,
    histograms: bool = False,
    **fields: Any,
) -> Path:
    """Write one run and return its folder. ``fields`` replace those of the result."""
    optimizer, lr, seed = (config["optimizer"]["name"], config["optimizer"]["lr"], config["seed"])
    rng = random.Random(json.dumps(config))
    level = invented_score(optimizer, lr) + rng.gauss(0, 0.3) if final is None else final
    ran = max(1, epochs // 4) if status != "completed" else epochs
    records = list(_records(rng, level, lr, ran, updates_per_epoch, status))
    last = records[-1]
    known: dict[str, Any] = {
        "status": status,
        "setting": "ResNet-20, invented",
        "final": last["accuracy"] if status == "completed" else None,
        "best": max(r["accuracy"] for r in records if r["kind"] == "eval"),
        "best_epoch": float(ran),
        "train_loss": records[-2]["loss"],
        "updates": ran * updates_per_epoch,
        "epochs": float(ran),
        "wall_seconds": last["seconds"],
        "started": f"2026-01-{1 + seed % 28:02d}T08:00:00+00:00",
        "finished": f"2026-01-{1 + seed % 28:02d}T09:00:00+00:00",
    }
    if histograms:
        config = {**config, "runner": {**config["runner"], "histograms": {"record": True}}}
        records = [*_histograms(rng), *records]
    return _save(root, config, records, **(known | fields))


def invented_score(optimizer: str, lr: float) -> float:
    """A parabola over log α, wide or narrow as the optimizer."""
    best, width = GOOD_RATE.get(optimizer, 0.01), WIDTH.get(optimizer, 1.0)
    return 91.0 - 4.0 * (math.log10(lr / best) / width) ** 2


def _records(
    rng: random.Random, level: float, lr: float, epochs: int, per_epoch: int, status: str
) -> Iterable[dict[str, Any]]:
    for epoch in range(1, epochs + 1):
        progress = 1 - math.exp(-5 * epoch / epochs)
        where = {"update": epoch * per_epoch, "epoch": float(epoch)}
        loss: float | None = round(2.3 * math.exp(-3 * progress) + rng.random() * 0.05, 6)
        if status == "diverged" and epoch == epochs:
            loss = None
        accuracy = round(10 + (level - 10) * progress + rng.gauss(0, 0.2), 4)
        if epoch == epochs:
            accuracy = round(level, 4)
        train = {"seconds": round(epoch * 2.0, 3), "lr": lr, "loss": loss, "accuracy": accuracy}
        yield {"kind": "train", **where, **train}
        test = {"split": "test", "loss": round(0.4 + 2 * math.exp(-2 * progress), 6)}
        yield {
            **{"kind": "eval", **where, "seconds": round(epoch * 2.0 + 0.1, 3)},
            **{**test, "accuracy": accuracy},
        }


def _histograms(rng: random.Random) -> Iterable[dict[str, Any]]:
    edges = [-20.5 + 0.5 * place for place in range(43)]
    for update in (1, 5, 10, 25):
        counts = [
            int(1000 * math.exp(-((edge + 8) ** 2) / 20) + rng.random()) for edge in edges[:-1]
        ]
        field = {"edges": edges, "counts": counts, "zeros": 0, "elements": sum(counts)}
        where = {"update": update, "epoch": update / 32, "seconds": 0.1}
        yield {"kind": "histogram", **where, "gradient": field, "change": field}


def write_grid(
    root: Path,
    optimizers: Sequence[str] = ("sgd", "adam", "radam"),
    lrs: Sequence[float] = (0.1, 0.03, 0.01, 0.003),
    seeds: Sequence[int] = (1, 2, 3),
    epochs: int = 20,
    **changes: Any,
) -> list[Path]:
    """Every combination as a run; SGD at more than .5 diverges."""
    made = []
    for optimizer in optimizers:
        warmup = 500 if optimizer == "adam_warmup" else 0
        for lr in lrs:
            for seed in seeds:
                config = configuration(optimizer, lr, seed, warmup=warmup, **changes)
                status = "diverged" if optimizer == "sgd" and lr > 0.5 else "completed"
                made.append(write(root, config, status=status, epochs=epochs))
    return made


def grid(
    root: Path, means: dict[str, Iterable[float]], seeds: int = 5, noise: float = 0.1, **fields: Any
) -> None:
    """Runs of each optimizer at RATES with scores around the means given; None: diverged."""
    rng = np.random.default_rng(0)
    for optimizer, values in means.items():
        for lr, value in zip(RATES, values, strict=True):
            for seed in range(1, seeds + 1):
                if value is None:
                    run(root, optimizer, lr, seed, None, **{**fields, "status": "diverged"})
                else:
                    run(root, optimizer, lr, seed, value + noise * rng.normal(), **fields)


def learning_curve(
    score: float, loss: float, epochs: int, seed: int, stop: int | None = None
) -> list[dict[str, Any]]:
    """Records of a run that comes to ``score`` and ``loss``, or diverges at epoch ``stop``."""
    rng = np.random.default_rng(seed)
    records = []
    for epoch in range(1, epochs + 1):
        share = 1 - math.exp(-4 * epoch / epochs)
        accuracy = 10 + (score - 10) * share + rng.normal() * (1 - share) * 4
        training = 2.3 + (loss - 2.3) * share + abs(rng.normal()) * 0.03
        both = {"update": 32 * epoch, "epoch": float(epoch), "seconds": 2.0 * epoch}
        ended = stop is not None and epoch >= stop
        records.append(
            {"kind": "train", **both, "lr": 0.1, "loss": None if ended else training}
            | {"accuracy": accuracy - 1}
        )
        if ended:
            break
        records.append(
            {"kind": "eval", **both, "split": "test", "loss": training + 0.1, "accuracy": accuracy}
        )
    return records


def only_section(root: Path) -> Section:
    """The one section of a store."""
    (section,) = sections(read_results(root))
    return section
