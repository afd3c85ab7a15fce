"""Thinning keeps every run's extremes and moves nothing; what is not finite is null."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import invented_store
from experiments.analysis.cells import sections
from experiments.analysis.dashboard.curves import (
    MOST,
    CurveReader,
    curves_data,
    rounded,
    thin,
)
from experiments.tracking.store import read_results


@given(st.integers(1, 4), st.integers(2, 3000), st.integers(40, 400), st.integers(0, 2**32 - 1))
def test_thinning_keeps_each_runs_extremes_and_ends(
    seeds: int, length: int, most: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    updates = np.arange(1, length + 1, dtype=float)
    columns = [{"update": updates, "loss": rng.normal(size=length)} for _ in range(seeds)]
    kept = thin(columns, most)
    assert kept[0] == 0
    assert kept[-1] == length - 1
    assert len(kept) <= max(most, 8 * 2 * seeds) + 2
    for column in columns:
        assert column["loss"].argmin() in kept
        assert column["loss"].argmax() in kept
    if length <= most:
        assert len(kept) == length


def test_a_spike_of_one_update_stays() -> None:
    loss = np.ones(10_000)
    loss[7_777] = 50.0
    kept = thin([{"update": np.arange(10_000.0), "loss": loss}], 100)
    assert 7_777 in kept


@given(st.lists(st.floats(width=64), max_size=20))
def test_rounding_keeps_five_digits(values: list[float]) -> None:
    for value, near in zip(values, rounded(np.array(values)), strict=True):
        if not np.isfinite(value):
            assert near is None
        elif 1e-25 < abs(value) < 1e25:
            assert near == pytest.approx(value, rel=1e-4)


def test_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    line = json.dumps({"kind": "train", "update": 1, "loss": None})
    (tmp_path / "metrics.jsonl").write_text(line + "\n" + line[:10])
    found = CurveReader().read(tmp_path)
    assert found["train"]["update"].tolist() == [1]
    assert np.isnan(found["train"]["loss"]).all()


def test_the_page_has_the_stores_numbers(tmp_path: Path) -> None:
    invented_store.write_grid(tmp_path, ["sgd"], (1.0, 0.1), (1, 2), epochs=12)
    (section,) = sections(read_results(tmp_path))
    data = curves_data(section, CurveReader())
    assert data["most"] is None
    for row, run in zip(section.runs.iter_rows(named=True), data["runs"], strict=True):
        lines = (Path(row["folder"]) / "metrics.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        for kind in ("train", "test"):
            known = [r for r in records if (r.get("split") or r["kind"]) == kind]
            updates = data["grids"][run[kind]["grid"]][: len(known)]
            assert updates == [r["update"] for r in known]
            epochs = [u * run[kind]["epochs_per_update"] for u in updates]
            assert epochs == pytest.approx([r["epoch"] for r in known])
            for column in ("loss", "accuracy", "seconds"):
                for value, record in zip(run[kind][column], known, strict=True):
                    if record[column] is None:
                        assert value is None
                    else:
                        assert value == pytest.approx(record[column], rel=1e-4), column


def test_long_curves_are_thinned_and_it_is_said(tmp_path: Path) -> None:
    invented_store.write_grid(tmp_path, ["sgd"], (0.1,), (1, 2, 3), epochs=3 * MOST)
    (section,) = sections(read_results(tmp_path))
    data = curves_data(section, CurveReader())
    assert data["most"] == MOST
    assert len({run["train"]["grid"] for run in data["runs"]}) == 1  # a mean needs one grid
    assert all(len(run["train"]["loss"]) <= MOST + 2 for run in data["runs"])
