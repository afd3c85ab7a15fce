"""``report export``: the report's numbers as CSV, and its tables as LaTeX that can be set."""

import re
import unicodedata
from pathlib import Path

import polars as pl
import pytest

from benchmarks.invented_store import RATES, learning_curve, only_section, run
from experiments.analysis.comparisons import Comparisons
from experiments.analysis.report.latex import escape
from experiments.analysis.statistics import number
from experiments.errors import UserError
from experiments.report import main

NASTY = r"a_b & 50 % #1 {x} ~ ^ \ $ <i>|"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three optimizers, one of them of a name that means something in LaTeX."""
    root = tmp_path_factory.mktemp("store")
    levels = {"adam": (30, 41, 48, 47), "radam": (47, 47, 43, 34), NASTY: (45, 44, 43, 42)}
    for optimizer, means in levels.items():
        for place, (lr, mean) in enumerate(zip(RATES, means, strict=True)):
            for seed in (1, 2, 3):
                lost = (optimizer, lr, seed) == (NASTY, 0.1, 3)
                curves = learning_curve(mean, 1.0, 8, seed, stop=3 if lost else None)
                status, score = "diverged" if lost else "completed", mean + seed * (place + 1) / 7
                run(root / "runs", optimizer, lr, seed, score, status=status, curves=curves)
    words = ["--runs", str(root / "runs"), "--out", str(root / "out")]
    main(["export", *words])
    main(words)
    return root


def table(root: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(root / "out" / "tables" / f"{name}.csv")


def test_the_tables_are_all_there_and_say_of_what_they_are(root: Path) -> None:
    names = ["cells", "robustness", "comparisons", "budget", "interaction", "times"]
    for name in names:
        of = table(root, name).select("task", "protocol", "dataset", "metric").unique()
        assert of.rows() == [("cifar10", "recipe", "real", "accuracy")]
    stems = {path.stem for path in (root / "out" / "tables").glob("*.csv")}
    assert stems == {*names, "claims"}
    assert table(root, "claims")["claim"].n_unique() == 20


def test_csv_holds_what_the_functions_return(root: Path) -> None:
    found = Comparisons(only_section(root / "runs").grid("final"))
    final = table(root, "comparisons").filter(pl.col("score") == "final")
    assert len(final) == 3 * (2 * (3 + 4) + 3)
    labels = {method.label: method for method in found.methods}
    for line in final.filter(pl.col("number") == "best").iter_rows(named=True):
        method, against = labels[line["method"]], labels.get(line["against"])
        compared = found.pair(method, against) if against else found.from_the_best(method)
        assert compared is not None
        expected = (compared.best.value, compared.best.low, compared.best.high, compared.best.n)
        assert (line["value"], line["low"], line["high"], line["n"]) == pytest.approx(expected)
    cells = table(root, "cells").filter(score="final", method=NASTY, lr=0.1).row(0, named=True)
    assert (cells["completed"], cells["diverged"]) == (2, 1)
    assert cells["diverged_share_low"] < 1 / 3 < cells["diverged_share_high"]


def test_what_the_report_prints_is_in_the_csv(root: Path) -> None:
    """Every number of the report's tables, to its two decimals."""
    known = set()
    for name in ("cells", "robustness", "comparisons", "budget", "times"):
        frame = table(root, name)
        for column in frame.select(pl.selectors.float()).columns:
            values = frame[column].drop_nulls()
            known |= {number(value) for value in values} | {number(value, 0) for value in values}
    text = (root / "out" / "REPORT.md").read_text().split("## The paper's claims")[0]
    printed = [
        found
        for line in text.splitlines()
        if line.startswith("|") and "---" not in line and not line.startswith("| optimizer")
        for found in re.findall(r"(?<![\w.−])−?\d+\.\d\d(?!\d)", line)
    ]
    assert len(printed) > 100
    assert set(printed) <= known


def test_latex_sets_what_it_says(root: Path) -> None:
    written = list((root / "out" / "tables").glob("*.tex"))
    assert {path.stem.rpartition("-")[2] for path in written} == {
        *("cells", "robustness", "comparisons", "budget", "claims")
    }
    for path in written:
        lines = [line for line in path.read_text().splitlines() if not line.startswith("%")]
        text = "\n".join(lines)
        bare = re.sub(r"\\[\\&%$#_{}]", "", text)  # without what is escaped
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert not set(bare) & set("%#_~<>|")
        assert "^" not in re.sub(r"\$\^\d\$", "", bare)
        strange = [c for c in text if not c.isascii() and unicodedata.category(c)[0] != "L"]
        assert not strange, f"{path.name}: {strange}"
        begin = lines[0].removeprefix(r"\begin{tabular}")
        columns = len(re.findall(r"[lr]|p\{[^}]*\}", begin[1:-1]))
        rows = [line for line in lines if line.endswith(r"\\")]
        assert len(rows) > 3
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}
        for rule in ("toprule", "midrule", "bottomrule"):
            assert text.count(f"\\{rule}") == 1


def test_every_special_sign_is_escaped() -> None:
    assert escape("50 % of a_b & c") == r"50 \% of a\_b \& c"
    assert escape("−1.2–3") == "$-$1.2--3"
    assert escape("{\\}") == r"\{\textbackslash{}\}"


def test_what_is_wrong_is_said_before_anything_is_written(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--target nan"):
        main(["export", "--runs", str(root / "runs"), "--out", str(tmp_path), "--target", "nan"])
    assert list(tmp_path.iterdir()) == []
