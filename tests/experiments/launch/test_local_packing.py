"""Runs side by side on one device have the numbers of the same runs alone, whatever befalls one."""

from pathlib import Path

import pytest

from experiments.launch.grid import expand
from experiments.tracking.result import read_result
from experiments.tracking.store import read_metrics
from experiments.training.run import run
from experiments.training.signals import StopRequest
from tests.experiments.launch.conftest import SMOKE, Checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

GRID = [*SMOKE, "optimizer=sgd,radam", "optimizer.lr=0.03,1e30"]


def test_a_diverging_neighbour_changes_nothing(checkout: Checkout, store: Path) -> None:
    """Four at once, two of them at a rate that no run survives; then each by itself."""
    checkout.sweep("run", *GRID, f"runner.runs_dir={store}", "launcher.jobs=4", code=0)
    statuses = set()
    for config in expand([*GRID, f"runner.runs_dir={store.parent / 'alone'}"]):
        folder = store / config.task.name / config.run_id
        packed, alone = read_result(folder), run(config, StopRequest(), [])
        assert packed is not None
        assert (packed.status, packed.final, packed.updates) == (
            (alone.status, alone.final, alone.updates)
        )
        records = [read_metrics(path).drop("seconds") for path in (folder, config.folder)]
        assert records[0].equals(records[1])
        statuses.add(packed.status)
    assert statuses == {"completed", "diverged"}
