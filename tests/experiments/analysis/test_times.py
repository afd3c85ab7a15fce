"""Time to a target, from the records of a store."""

from pathlib import Path

import pytest

from benchmarks.invented_store import only_section, run
from experiments.analysis.times import Race, race

RATE = 0.1


def records(scores: list[float], split: str = "test") -> list[dict]:
    return [
        {"kind": "eval", "update": 10 * k, "epoch": k, "seconds": 2.0 * k, "split": split}
        | {"loss": 1.0, "accuracy": score}
        for k, score in enumerate(scores, 1)
    ]


def store(root: Path, curves: dict[str, list[list[float]]]) -> None:
    for optimizer, of_seeds in curves.items():
        for seed, scores in enumerate(of_seeds, 1):
            run(root, optimizer, RATE, seed, scores[-1], curves=records(scores))


def raced(root: Path, target: float | None = None) -> tuple[Race, dict]:
    section = only_section(root)
    found = race(section, section.grid("final"), target)
    return found, {row.method.optimizer: row for row in found.methods}


def test_first_evaluations_at_the_target_and_runs_that_never_come_there(tmp_path: Path) -> None:
    adam = [[20, 40, 60, 70], [20, 30, 60, 71], [20, 30, 40, 50]]
    radam = [[20, 60, 70, 80], [20, 61, 70, 80], [20, 62, 55, 80]]
    store(tmp_path, {"adam": adam, "radam": radam})
    found, row = raced(tmp_path, target=60)
    assert (found.target, found.split) == (60, "test")
    assert (row["adam"].runs, row["adam"].reached.n) == (2, 3)
    assert row["adam"].reached.low < 2 / 3 < row["adam"].reached.high
    assert row["adam"].updates.value == pytest.approx(30)
    assert row["adam"].seconds.value == pytest.approx(6)
    assert row["adam"].against.value == pytest.approx(1.5)
    assert row["radam"].updates.value == pytest.approx(20)
    assert row["radam"].updates.low < 20 < row["radam"].updates.high
    assert row["radam"].against is None


def test_the_target_is_what_the_worst_method_reaches_that_learned(tmp_path: Path) -> None:
    curves = {"adam": [[20, 50, 60]] * 2, "radam": [[20, 60, 80]] * 2, "sgd": [[10, 10, 10]] * 2}
    store(tmp_path, curves)
    found, row = raced(tmp_path)
    assert found.target == pytest.approx(60)
    assert (row["sgd"].runs, row["sgd"].updates, row["sgd"].against) == (0, None, None)
    assert row["adam"].updates.value == pytest.approx(30)
    assert row["radam"].updates.value == pytest.approx(20)


def test_a_diverged_run_does_not_come_there(tmp_path: Path) -> None:
    store(tmp_path, {"adam": [[20, 60, 70]] * 2, "radam": [[20, 60, 70]]})
    run(tmp_path, "radam", RATE, 2, None, status="diverged", curves=records([20, 65]))
    _, row = raced(tmp_path, target=60)
    assert (row["radam"].runs, row["radam"].reached.n) == (1, 2)
    assert row["adam"].runs == 2


def test_runs_without_curves_have_no_times(tmp_path: Path) -> None:
    for optimizer in ("adam", "radam"):
        run(tmp_path / "bare", optimizer, RATE, 1, 60.0)
        run(tmp_path / "end", optimizer, RATE, 1, 60.0, curves=records([60.0]))
    for name in ("bare", "end"):
        section = only_section(tmp_path / name)
        assert race(section, section.grid("final"), 50) is None
