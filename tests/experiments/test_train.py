"""One run, and several, through the real command line."""

from pathlib import Path

import polars as pl
import pytest

from experiments.tracking.store import read_metrics, read_results
from radam.zoo import ZOO
from tests.experiments.conftest import Command


@pytest.mark.slow
def test_every_optimizer_runs_to_a_result(
    command: Command, smoke: list[str], tmp_path: Path
) -> None:
    done = command("experiments.train", "-m", *smoke, f"optimizer={','.join(ZOO)}")
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "runs")
    assert sorted(results["optimizer"]) == sorted(ZOO)
    assert set(results["status"]) == {"completed"}
    assert set(results["updates"]) == {8}
    assert set(results["dataset"]) == {"standin"}
    assert results["final"].is_between(0, 100).all()
    assert (results["best"] >= results["final"]).all()
    for folder in results["folder"]:
        records = read_metrics(Path(folder))
        assert records["kind"].to_list() == ["train", "eval"] * 2
        assert records["update"].to_list() == [4, 4, 8, 8]


def test_divergence_is_a_result(command: Command, smoke: list[str], tmp_path: Path) -> None:
    done = command("experiments.train", *smoke, "optimizer=sgd", "optimizer.lr=1e30")
    assert done.returncode == 0, done.stderr
    assert "diverged at update" in done.stdout
    (result,) = read_results(tmp_path / "runs").to_dicts()
    assert result["status"] == "diverged"
    assert result["final"] is None
    assert result["updates"] < 8
    last = read_metrics(Path(result["folder"]))[-1]
    assert last["kind"].item() == "train"
    assert last["loss"].item() is None


def test_run_at_chance_is_flagged(command: Command, smoke: list[str], tmp_path: Path) -> None:
    done = command("experiments.train", *smoke, "optimizer=sgd", "optimizer.lr=1e-12")
    assert done.returncode == 0, done.stderr
    (result,) = read_results(tmp_path / "runs").to_dicts()
    assert result["status"] == "completed"
    assert result["at_chance"]


def test_validation_selected_is_kept_apart(
    command: Command, smoke: list[str], tmp_path: Path
) -> None:
    done = command("experiments.train", *smoke, "protocol.epochs=4", "task.validation_examples=32")
    assert done.returncode == 0, done.stderr
    (result,) = read_results(tmp_path / "runs").to_dicts()
    records = read_metrics(Path(result["folder"])).filter(pl.col("kind") == "eval")
    test = records.filter(pl.col("split") == "test")["accuracy"]
    validation = records.filter(pl.col("split") == "validation")["accuracy"]
    assert result["final"] == test[-1]
    assert result["best"] == test.max()
    assert result["validation_selected"] == test[int(validation.arg_max())]


def test_a_disk_that_is_full_leaves_one_line(
    command: Command, smoke: list[str], tmp_path: Path
) -> None:
    words = [w for w in smoke if not w.startswith("runner.runs_dir")]
    done = command("experiments.train", *words, "runner.runs_dir=/dev/full/runs")
    assert done.returncode == 2
    assert "/dev/full" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_choices_and_fields(command: Command) -> None:
    done = command("experiments.train", "--help")
    assert done.returncode == 0
    for part in ("optimizer:", "radam_4step", "protocol", "weight_decay", "experiments.sweep"):
        assert part in done.stdout
