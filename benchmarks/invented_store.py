"""Stores that were never trained: real ``result.json`` and ``metrics.jsonl`` with invented numbers.

For tests and benchmarks of what reads a store. ``write`` makes one run, ``write_grid`` a grid.
"""

import json
import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from experiments.tracking.result import RunResult

GOOD_RATE = {"sgd": 0.1, "adam": 0.003, "radam": 0.02, "adam_warmup": 0.006}
WIDTH = {"sgd": 1.0, "adam": 0.8, "radam": 2.2, "adam_warmup": 1.4}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def configuration(
    optimizer: str, lr: float, seed: int, *, warmup: int = 0, **changes: Any
) -> dict[str, Any]:
    """A resolved CIFAR-10 configuration; ``changes`` as ``protocol__name="mini"``."""
    kind = "linear" if optimizer == "adam_warmup" else "none"
    options = {"momentum": 0.9} if optimizer == "sgd" else {"betas": [0.9, 0.999]}
    config: dict[str, Any] = {
        "task": {
            **{"name": "cifar10", "dataset": "real", "depth": 20, "widths": [16, 32, 64]},
            **{"train_examples": None, "test_examples": None, "validation_examples": 0},
        },
        "protocol": {"name": "recipe", "epochs": 164, "batch_size": 128, "eval_every": 1},
        "optimizer": {"name": optimizer, "lr": lr, "weight_decay": 1e-4, **options},
        "schedule": {"name": "multi_step", "milestones": [81, 122], "gamma": 0.1},
        "training": {"precision": "fp32", "grad_clip": None, "accumulate": 1},
        "seed": seed,
        "experiment": "fig6_lr_robustness",
        "runner": {"device": "cpu"},
        "tracking": {"name": "local"},
    }
    config["schedule"]["warmup"] = {"kind": kind, "updates": warmup}
    for path, value in changes.items():
        *sections, last = path.split("__")
        place = config
        for section in sections:
            place = place[section]
        place[last] = value
    return config


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
    run_id = f"{rng.getrandbits(48):012x}"
    folder = root / str(config["task"]["name"]) / run_id
    folder.mkdir(parents=True, exist_ok=True)
    level = invented_score(optimizer, lr) + rng.gauss(0, 0.3) if final is None else final
    ran = max(1, epochs // 4) if status != "completed" else epochs
    records = list(_records(rng, level, lr, ran, updates_per_epoch, status))
    if histograms:
        config = {**config, "runner": {**config["runner"], "histograms": {"record": True}}}
        records = [*_histograms(rng), *records]
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    if status == "running":
        return folder
    last = records[-1]
    done = status == "completed"
    known: dict[str, Any] = {
        "schema_version": 1,
        "run_id": run_id,
        "task": config["task"]["name"],
        "protocol": config["protocol"]["name"],
        "dataset": config["task"]["dataset"],
        "setting": "ResNet-20, invented",
        "optimizer": optimizer,
        "lr": lr,
        "seed": seed,
        "experiment": config["experiment"],
        "status": status,
        "at_chance": False,
        "metric": "accuracy",
        "direction": "max",
        "chance": 10.0,
        "final": last["accuracy"] if done else None,
        "best": max(r["accuracy"] for r in records if r["kind"] == "eval"),
        "best_epoch": float(ran),
        "validation_selected": None,
        "train_loss": records[-2]["loss"],
        "updates": ran * updates_per_epoch,
        "epochs": float(ran),
        "parameters": 272_474,
        "wall_seconds": last["seconds"],
        "examples_per_second": 4096.0,
        "started": f"2026-01-{1 + seed % 28:02d}T08:00:00+00:00",
        "finished": f"2026-01-{1 + seed % 28:02d}T09:00:00+00:00",
        "commit": COMMIT,
        "dirty": False,
        "hardware": {"cpu": "invented", "cores": 2, "threads": 1, "device": "cpu"},
        "versions": {"torch": "2.6.0"},
        "origin": "invented",
        "error": "RuntimeError: invented" if status == "failed" else None,
        "config": config,
    }
    RunResult.model_validate({**known, **fields}).write(folder)
    return folder


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
