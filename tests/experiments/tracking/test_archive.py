"""A store published as two files, and read again."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.invented_store import learning_curve, only_section, run
from experiments.analysis.cells import sections
from experiments.analysis.claims import scorecard
from experiments.analysis.dashboard.curves import CurveReader, curves_data
from experiments.errors import UserError
from experiments.report import main
from experiments.tracking.archive import MOST_TRAIN_RECORDS, thinned
from experiments.tracking.records import read_records
from experiments.tracking.store import read_results


def store(root: Path, seeds: range = range(1, 3)) -> Path:
    for optimizer, score in (("adam", 90.5), ("radam", 91.4)):
        for seed in seeds:
            curves = learning_curve(score, 0.1, 6, seed)
            run(root, optimizer, 0.03, seed, score + 0.01 * seed, curves=curves)
    return root


def archive(root: Path, out: Path) -> None:
    main(["archive", "--runs", str(root), "--out", str(out)])


def test_an_archive_is_read_as_the_store_it_was_made_of(tmp_path: Path) -> None:
    root, out = store(tmp_path / "runs"), tmp_path / "results"
    archive(root, out)
    assert {path.name for path in out.iterdir()} == {"runs.parquet", "records.parquet"}
    before, after = read_results(root), read_results(out)
    assert len(after) == 4
    for row in before.iter_rows(named=True):
        (same,) = after.filter(pl.col("run_id") == row["run_id"]).iter_rows(named=True)
        assert same["final"] == row["final"]
        assert same["config.optimizer.name"] == row["config.optimizer.name"]
        for kinds in ((), ("eval",)):
            assert read_records(same["folder"], *kinds) == read_records(row["folder"], *kinds)


def test_nothing_of_the_machine_is_published(tmp_path: Path) -> None:
    archive(store(tmp_path / "runs"), tmp_path / "results")
    written = b"".join(path.read_bytes() for path in (tmp_path / "results").iterdir())
    assert str(tmp_path).encode() not in written
    assert (
        "config.runner.data_dir" not in pl.read_parquet(tmp_path / "results/runs.parquet").columns
    )


def test_runs_are_added_to_those_that_are_there_and_none_stands_twice(tmp_path: Path) -> None:
    out = tmp_path / "results"
    archive(store(tmp_path / "a"), out)
    archive(store(tmp_path / "b", range(2, 5)), out)
    found = read_results(out)
    assert sorted(found["seed"]) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert all(read_records(folder, "eval") for folder in found["folder"])
    archive(out, out)  # of itself: nothing changes
    assert read_results(out).drop("folder").equals(found.drop("folder"))


def test_report_claims_and_page_show_it(tmp_path: Path) -> None:
    out, reports = tmp_path / "results", tmp_path / "reports"
    archive(store(tmp_path / "runs"), out)
    main(["--runs", str(out), "--out", str(reports)])
    assert "4 runs." in (reports / "REPORT.md").read_text()
    assert (reports / "figures").exists()
    rows = scorecard(sections(read_results(out)), out)
    assert "missing: SGD" in next(row.reason for row in rows if row.claim == "C07")
    main(["dashboard", "--runs", str(out), "--out", str(reports)])
    assert "holds no results" not in (reports / "dashboard.html").read_text()
    (section,) = sections(read_results(out))
    drawn, before = (
        curves_data(of, CurveReader())["runs"] for of in (section, only_section(tmp_path / "runs"))
    )
    assert sorted(map(str, drawn)) == sorted(map(str, before))


def test_training_records_are_thinned_and_no_others() -> None:
    train = [{"kind": "train", "update": t} for t in range(1, 1001)]
    others = [{"kind": "eval", "update": t} for t in range(100, 1001, 100)]
    kept = thinned([*train, *others])
    left = [record["update"] for record in kept if record["kind"] == "train"]
    assert len(left) <= MOST_TRAIN_RECORDS
    assert left[-1] == 1000
    assert [record for record in kept if record["kind"] == "eval"] == others
    assert thinned(train[:50]) == train[:50]


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs.parquet").write_text("no table")
    with pytest.raises(UserError, match=r"runs\.parquet: not the rows of a store"):
        read_results(tmp_path)
