"""What the page is given of comparisons."""

import json
from pathlib import Path

import pytest

from benchmarks.invented_store import grid, only_section
from experiments.analysis.comparisons import Comparisons, budgets
from experiments.analysis.dashboard.data import section_data


def test_comparisons_are_plain_values_and_the_functions_own(tmp_path: Path) -> None:
    means = {
        "adam": (80.0, 84.0, 91.0, 90.0),
        "radam": (91.0,) * 4,
        "sgd": (None, 85.0, 85.0, 80.0),
    }
    grid(tmp_path, means)
    section = only_section(tmp_path)
    known = Comparisons(section.grid("final"))
    said = section_data(section)["scores"]["final"]["comparisons"]
    assert json.loads(json.dumps(said, allow_nan=False))["tried"] == [1, 2, 3, 4]
    methods = list(section.methods)
    pairs = {(pair["method"], pair["against"]): pair for pair in said["pairs"]}
    assert len(pairs) == 3 + 3
    for (a, b), pair in pairs.items():
        own = known.from_the_best(methods[a]) if b is None else known.pair(methods[a], methods[b])
        assert own is not None
        assert pair["best"] == [own.best.value, own.best.low, own.best.high, own.best.n]
        assert (pair["spread"] is None) == (b is None)
    diverged = methods.index(next(m for m in methods if m.optimizer == "sgd"))
    assert [best[1:] for best in said["budgets"][diverged]] == [[None, None, 5]] * 4
    assert "without SGD" in said["interaction"]
    assert said["ratio"] is False


@pytest.mark.parametrize(
    ("rates", "shown"), [(0, []), (1, []), (3, [1, 2, 3]), (17, [1, 2, 3, 4, 6, 8, 12, 16, 17])]
)
def test_of_many_rates_a_few_budgets_are_shown(rates: int, shown: list[int]) -> None:
    assert budgets(rates) == shown
