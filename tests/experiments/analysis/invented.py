"""Invented stores, written through the store's own classes and read back by its own reader."""

import copy
import hashlib
import json
import math
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from experiments.analysis.cells import Section, sections
from experiments.config.compose import compose
from experiments.config.validate import resolve
from experiments.tasks.registry import TASKS
from experiments.tracking.result import RunResult
from experiments.tracking.store import read_results

RATES = (0.1, 0.03, 0.01, 0.003)


@lru_cache
def configuration(task: str, protocol: str) -> dict[str, Any]:
    """The suite's own configuration of RAdam."""
    return resolve(compose([f"task={task}", f"protocol={protocol}"])).model_dump(mode="json")


def run(
    root: Path,
    optimizer: str,
    lr: float,
    seed: int,
    score: float | None,
    *,
    task: str = "cifar10",
    protocol: str = "recipe",
    dataset: str = "real",
    status: str = "completed",
    train_loss: float | None = 0.05,
    warmup_updates: int = 0,
    options: dict[str, Any] | None = None,
    change: dict[str, Any] | None = None,
    curves: Iterable[dict[str, Any]] = (),
    **fields: Any,
) -> Path:
    """One run with its records; returns its folder. ``change``: dotted fields of the config."""
    config = copy.deepcopy(configuration(task, protocol))
    config["task"]["dataset"] = dataset
    composed = config["optimizer"]
    own = {"momentum": 0.9} if optimizer == "sgd" else {"betas": composed["betas"]}
    shared = {"name": optimizer, "lr": lr, "weight_decay": composed["weight_decay"]}
    config["optimizer"] = shared | own | (options or {})
    config["schedule"]["warmup"] = {
        "kind": "linear" if warmup_updates else "none",
        "updates": warmup_updates,
    }
    config |= {"seed": seed}
    for name, value in (change or {}).items():
        section, field = name.split(".")
        if field in config[section]:  # SGD has no betas to change
            config[section][field] = value
    identity = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    metric = TASKS[task].model_validate(config["task"]).metric
    finished = score if status == "completed" else None
    values: dict[str, Any] = {
        "schema_version": 1,
        "run_id": identity,
        "task": task,
        "protocol": protocol,
        "dataset": dataset,
        "setting": "ResNet-8 (8-16-32), 4,096 images, 8 epochs of 32 updates",
        "optimizer": optimizer,
        "lr": lr,
        "seed": seed,
        "experiment": "fig6_lr_robustness",
        "status": status,
        "at_chance": False,
        "metric": metric.name,
        "direction": metric.direction,
        "chance": metric.chance,
        "final": finished,
        "best": score,
        "best_epoch": 1.0,
        "validation_selected": None,
        "train_loss": train_loss,
        "updates": 256 if protocol == "mini" else 64124,
        "epochs": 164.0,
        "parameters": 272474,
        "wall_seconds": 60.0,
        "examples_per_second": 1000.0,
        "started": "2025-01-01T00:00:00+00:00",
        "finished": "2025-01-01T00:01:00+00:00",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "dirty": False,
        "hardware": {"cpu": "Invented CPU", "cores": 2, "threads": 1, "device": "cpu"},
        "versions": {"torch": "2.15.0"},
        "origin": "invented",
        "error": None,
        "config": config,
    }
    folder = root / task / identity
    folder.mkdir(parents=True, exist_ok=True)
    RunResult(**(values | fields)).write(folder)
    lines = [json.dumps(record) for record in curves]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


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
