"""Methods against each other, from stores whose truth is known."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.invented_store import RATES, grid, only_section, run
from experiments.analysis.cells import Method
from experiments.analysis.comparisons import Comparisons

FLAT, PEAKED = (91.0, 91.0, 91.0, 91.0), (80.0, 84.0, 91.0, 90.0)  # at RATES: .1, .03, .01, .003


def comparisons(root: Path) -> tuple[Comparisons, dict[str, Method]]:
    found = Comparisons(only_section(root).grid("final"))
    return found, {method.optimizer: method for method in found.methods}


def test_differences_have_the_sign_of_the_first_and_hold_the_truth(tmp_path: Path) -> None:
    grid(tmp_path, {"adam": PEAKED, "radam": FLAT, "sgd": (85.0,) * 4})
    found, method = comparisons(tmp_path)
    assert found.subject == method["radam"]
    pair = found.pair(method["adam"], method["radam"])
    assert pair.best.low < 0 < pair.best.high
    assert pair.spread.low < 11 < pair.spread.high
    log = np.log10(sorted(RATES))
    expected = np.trapezoid(PEAKED[::-1], log) / np.ptp(log)
    assert pair.expected.low < expected - 91 < pair.expected.high < 0
    last = found.from_the_best(method["sgd"])
    assert last.best.high < -5
    assert last.spread is None
    assert found.from_the_best(method["radam"]).expected.low > 0


def test_the_winner_may_change_with_the_budget(tmp_path: Path) -> None:
    grid(tmp_path, {"adam": (80.0, 84.0, 92.0, 90.0), "radam": FLAT})
    found, method = comparisons(tmp_path)
    differences = [
        found.budget_difference(method["adam"], method["radam"], k).value for k in (1, 2, 3, 4)
    ]
    assert differences[0] < -4
    assert differences[3] > 0.5
    assert differences == sorted(differences)
    for k, difference in enumerate(differences, 1):
        own, other = (found.budget(method[name], k).value for name in ("adam", "radam"))
        assert difference == pytest.approx(own - other)
    assert found.budget(method["adam"], 5) is None


def test_crossing_curves_interact_and_parallel_ones_do_not(tmp_path: Path) -> None:
    grid(tmp_path / "crossing", {"adam": PEAKED, "radam": PEAKED[::-1]})
    assert comparisons(tmp_path / "crossing")[0].interaction < 1e-6
    grid(tmp_path / "parallel", {"adam": PEAKED, "radam": tuple(m - 3 for m in PEAKED)})
    assert comparisons(tmp_path / "parallel")[0].interaction > 0.01


def test_perplexities_are_compared_as_ratios(tmp_path: Path) -> None:
    for name, means in {"adam": (80, 60, 40, 50), "radam": (44, 44, 44, 44)}.items():
        for lr, mean in zip(RATES, means, strict=True):
            for seed in (1, 2, 3):
                run(tmp_path, name, lr, seed, mean * (1 + 0.001 * seed), task="lm1b")
    found, method = comparisons(tmp_path)
    pair = found.pair(method["adam"], method["radam"])
    assert pair.best.value == pytest.approx(40 / 44)
    assert pair.spread.value == pytest.approx(2.0)
    assert found.budget(method["adam"], 4).value == pytest.approx(40, rel=0.01)
    assert found.budget(method["adam"], 1).value == pytest.approx(
        (80 * 60 * 40 * 50) ** 0.25, rel=0.01
    )


def test_a_diverged_run_leaves_values_and_no_interval(tmp_path: Path) -> None:
    grid(tmp_path, {"adam": (None, 84.0, 91.0, 90.0), "radam": FLAT}, seeds=3)
    found, method = comparisons(tmp_path)
    pair = found.pair(method["adam"], method["radam"])
    numbers = [pair.best, pair.expected, pair.spread, found.budget(method["adam"], 2)]
    numbers.append(found.budget_difference(method["adam"], method["radam"], 2))
    assert all((each.low, each.n) == (None, 3) for each in numbers)
    assert pair.spread.value == pytest.approx(81, abs=1)
    assert found.budget(method["radam"], 2).low is not None


def test_a_method_at_one_rate_is_compared_by_its_best_alone(tmp_path: Path) -> None:
    grid(tmp_path, {"adam": PEAKED, "radam": FLAT})
    for seed in range(1, 6):
        run(tmp_path, "sgd", 0.1, seed, 90.0 + 0.1 * seed)
    found, method = comparisons(tmp_path)
    pair = found.pair(method["sgd"], method["radam"])
    assert pair.best.low < -0.7 < pair.best.high
    assert (pair.expected, pair.spread) == (None, None)
    assert found.budget(method["sgd"], 2) is None
    assert found.pair(method["adam"], method["radam"]).expected is not None
    assert found.interaction < 1e-3
