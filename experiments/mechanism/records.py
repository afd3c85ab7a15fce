"""The records of computations: ``runs/mechanism/<name>.json``, read by the claims and the page.

A record holds what its computation returned, its settings, and where and when it was made. One
with the settings that are asked for is kept, as a finished run is.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.mechanism import simulation, variance, warmups
from experiments.tracking import provenance
from experiments.tracking.result import now

Record = dict[str, Any]

VERSION = 1
"""Raise it when a computation changes: records of another version are made again."""

DIGITS = 6
"""Significant digits of the numbers in a record."""


@dataclass(frozen=True)
class Computation:
    """Something of the paper that needs no run: settings (a dataclass) and what to do with them."""

    compute: Callable[[Any], Mapping[str, Any]]
    settings: Any


COMPUTATIONS: Mapping[str, Computation] = {
    "fig8_variance": Computation(variance.fig8, variance.Fig8()),
    "fig9_simulation": Computation(simulation.fig9, simulation.Simulation()),
    "rectifier_vs_warmup": Computation(warmups.rectifier_vs_warmup, warmups.Comparison()),
}
"""The experiments that are computed, by name."""


def record_path(runs_dir: Path, name: str) -> Path:
    """Where the record ``name`` lies: in the store, beside the tasks' folders."""
    return runs_dir / "mechanism" / f"{name}.json"


def obtain(runs_dir: Path, name: str, again: bool = False) -> Record:
    """The record ``name``: the one in the store if it is of today's settings, else a fresh one.

    ``again``: make it in any case. Raises :class:`UserError` for a name that is not known.
    """
    if name not in COMPUTATIONS:
        raise UserError(f"{name}: no such computation; write one of {', '.join(COMPUTATIONS)}")
    found = None if again else kept(runs_dir, name)
    if found is not None:
        return found
    computation = COMPUTATIONS[name]
    started = time.perf_counter()
    data = _plain(computation.compute(computation.settings))
    commit, dirty = provenance.commit()
    record = {
        **_identity(name),
        "made": now(),
        "seconds": round(time.perf_counter() - started, 2),
        "commit": commit,
        "dirty": dirty,
        "hardware": provenance.hardware(torch.device("cpu")),
        "versions": provenance.versions(),
        **data,
    }
    write_atomic(record_path(runs_dir, name), json.dumps(record, allow_nan=False) + "\n")
    return record


def kept(runs_dir: Path, name: str) -> Record | None:
    """The record ``name`` (a key of COMPUTATIONS) in the store; None where there is none of today's
    settings."""
    found = _read(record_path(runs_dir, name))
    if found is None or {key: found.get(key) for key in _identity(name)} != _identity(name):
        return None
    return found


def _identity(name: str) -> Record:
    settings = asdict(COMPUTATIONS[name].settings)
    identity = {"name": name, "version": VERSION, "settings": settings}
    return dict(json.loads(json.dumps(identity)))  # tuples become lists, as in the file


def _read(path: Path) -> Record | None:
    """None where there is no record, or none that can be read: then it is made again."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _plain(value: Any) -> Any:
    """JSON's values: arrays as lists, rounded; null for what is not finite."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
