"""Which runs may be averaged, and how failure counts."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.invented_store import only_section, run
from experiments.analysis.cells import sections
from experiments.tracking.store import read_results


def test_task_protocol_dataset_and_precision_never_meet(tmp_path: Path) -> None:
    run(tmp_path, "radam", 0.1, 1, 91.0)
    run(tmp_path, "radam", 0.1, 1, 91.0, protocol="mini")
    run(tmp_path, "radam", 0.1, 1, 91.0, protocol="mini", dataset="standin")
    run(tmp_path, "radam", 0.1, 1, 67.0, task="imagenet")
    run(tmp_path, "radam", 0.1, 1, 91.1, change={"training.precision": "bf16"})
    found = sections(read_results(tmp_path))
    assert [section.name for section in found] == [
        "cifar10-recipe-real-precision-bf16",
        "cifar10-recipe-real-precision-fp32",
        "cifar10-mini-real",
        "cifar10-mini-standin",
        "imagenet-recipe-real",
    ]
    assert all(len(section.runs) == 1 for section in found)
    assert "STAND-IN" in found[3].title
    assert "precision=bf16" in found[0].title


def test_an_optimizers_settings_make_methods_with_names(tmp_path: Path) -> None:
    for length in (1000, 200):
        run(tmp_path, "adam_warmup", 0.1, 1, 91.0, warmup_updates=length)
    run(tmp_path, "radam", 0.1, 1, 91.0)
    run(tmp_path, "radam", 0.1, 1, 91.0, options={"betas": [0.9, 0.99]})
    labels = [method.label for method in only_section(tmp_path).methods]
    assert labels == [
        "Adam+warmup 200",
        "Adam+warmup 1000",
        "RAdam (betas=[0.9, 0.999])",
        "RAdam (betas=[0.9, 0.99])",
    ]


def test_adam_2k_may_be_longer_by_its_freeze(tmp_path: Path) -> None:
    run(tmp_path, "radam", 3e-4, 1, 34.0, task="iwslt14_de_en")
    longer = {"protocol.updates": 72000}
    run(tmp_path, "adam_2k", 3.086e-4, 1, 34.0, task="iwslt14_de_en", change=longer)
    assert [method.label for method in only_section(tmp_path).methods] == ["Adam-2k", "RAdam"]


def test_seeds_are_averaged(tmp_path: Path) -> None:
    for seed, score in enumerate((90.0, 91.0, 92.0)):
        run(tmp_path, "radam", 0.1, seed, score)
    grid = only_section(tmp_path).grid("final")
    ((key, cell),) = grid.cells.items()
    assert (key[0].label, key[1], cell.n) == ("RAdam", 0.1, 3)
    assert grid.mean(cell).value == pytest.approx(91.0)


def test_a_diverged_run_scores_chance_and_is_counted(tmp_path: Path) -> None:
    run(tmp_path, "adam", 0.1, 1, 90.0)
    run(tmp_path, "adam", 0.1, 2, 85.0, status="diverged")  # it had reached 85 before
    for kind in ("final", "best"):
        (cell,) = only_section(tmp_path).grid(kind).cells.values()
        assert sorted(cell.scores) == [10.0, 90.0]
        assert (cell.diverged, cell.unscored, cell.all_diverged) == (1, 0, False)


def test_without_a_chance_level_a_diverged_run_scores_the_worst_there_is(tmp_path: Path) -> None:
    run(tmp_path, "adam", 0.001, 1, None, task="lm1b", status="diverged")
    section = only_section(tmp_path)
    (cell,) = section.grid("final").cells.values()
    assert section.direction == "min"
    assert cell.scores.tolist() == [float("inf")]
    assert cell.all_diverged


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_an_unfinished_run_has_no_score_and_is_counted(tmp_path: Path, status: str) -> None:
    run(tmp_path, "adam", 0.1, 1, 90.0)
    run(tmp_path, "adam", 0.1, 2, 50.0, status=status)
    (cell,) = only_section(tmp_path).grid("best").cells.values()
    assert (cell.scores.tolist(), cell.unscored) == ([90.0], 1)


def test_a_completed_run_whose_metric_is_not_a_number_has_no_score(tmp_path: Path) -> None:
    run(tmp_path, "adam", 0.1, 1, None)
    run(tmp_path, "adam", 0.1, 2, float("nan"))
    grid = only_section(tmp_path).grid("final")
    (cell,) = grid.cells.values()
    assert (cell.n, grid.mean(cell), cell.unscored) == (0, None, 2)


def test_final_best_and_validation_selected_stay_apart(tmp_path: Path) -> None:
    run(tmp_path, "adam", 0.1, 1, 90.0, final=88.0, best=90.0, validation_selected=89.0)
    section = only_section(tmp_path)
    assert section.kinds() == ["final", "best", "validation_selected"]
    grids = [section.grid(kind) for kind in section.kinds()]
    assert [grid.mean(*grid.cells.values()).value for grid in grids] == [88.0, 90.0, 89.0]


def test_best_cell_follows_the_metrics_direction(tmp_path: Path) -> None:
    for lr, perplexity in ((0.1, 40.0), (0.01, 36.0)):
        run(tmp_path, "adam", lr, 1, perplexity, task="lm1b")
    grid = only_section(tmp_path).grid("final")
    assert grid.best(grid.methods[0]).lr == 0.01


def test_lengths_are_said(tmp_path: Path) -> None:
    run(tmp_path, "adam_2k", 0.1, 1, 90.0, options={"freeze_updates": 16})
    run(tmp_path, "adam_warmup", 0.1, 1, 90.0, warmup_updates=64)
    said = only_section(tmp_path).lengths
    assert said == "Adam-2k freezes 16 updates; Adam+warmup warms up over 64 updates"


def test_an_empty_store_has_no_sections(tmp_path: Path) -> None:
    assert sections(read_results(tmp_path)) == []


def test_a_seed_counts_once_however_often_it_was_run(tmp_path: Path) -> None:
    """As where a store of before has 0 and 0.0 as two runs; a run that ended counts first."""
    for number, score, status in (
        (0, 70.0, "failed"),
        (1, 90.0, "completed"),
        (2, 90.0, "completed"),
    ):
        run(tmp_path / str(number), "radam", 0.1, 1, score, status=status)
    run(tmp_path / "3", "radam", 0.1, 2, 92.0)
    results = pl.concat([read_results(tmp_path / str(n)) for n in range(4)], how="diagonal_relaxed")
    (section,) = sections(results)
    (cell,) = section.grid("final").cells.values()
    assert cell.seeds == (1, 2)
    assert list(cell.scores) == [90.0, 92.0]
    assert len(section.runs) == 2


def test_other_data_make_another_section(tmp_path: Path) -> None:
    """And runs of before, which do not say what they read, meet those of the only data."""
    for seed, data in enumerate((None, "a1", "a1")):
        run(tmp_path, "radam", 0.1, seed, 90.0, data=data)
    assert [len(section.runs) for section in sections(read_results(tmp_path))] == [3]
    run(tmp_path, "radam", 0.1, 7, 90.0, data="b2")
    assert [len(section.runs) for section in sections(read_results(tmp_path))] == [2, 1, 1]


def test_a_run_that_was_stopped_early_does_not_make_a_protocol_short(tmp_path: Path) -> None:
    run(tmp_path, "radam", 0.1, 1, None, status="interrupted", updates=10)
    assert not only_section(tmp_path).within_warmup
    run(tmp_path, "radam", 0.1, 2, 50.0, updates=10)
    assert only_section(tmp_path).within_warmup
    run(tmp_path, "radam", 0.1, 3, 50.0, updates=5000)
    assert not only_section(tmp_path).within_warmup
