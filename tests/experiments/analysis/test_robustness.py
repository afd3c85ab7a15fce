"""The robustness numbers, against grids worked out by hand."""

import math

import numpy as np
import pytest

from experiments.analysis.cells import Cell, Grid, Method
from experiments.analysis.robustness import Robustness, robustness

METHOD = Method("radam")


def numbers(
    scores: dict[float, list[float]],
    direction: str = "max",
    worst: float = 10.0,
    diverged: int = 0,
    lrs: list[float] | None = None,
) -> Robustness:
    cells = {
        (METHOD, lr): Cell(METHOD, lr, np.array(values), diverged, 0, 0)
        for lr, values in scores.items()
    }
    grid = Grid((METHOD,), sorted(lrs or scores), direction, worst, cells)
    (found,) = robustness(grid)
    return found


def same(value: float) -> list[float]:
    return [value] * 3


def test_by_hand_for_a_metric_to_be_maximised() -> None:
    found = numbers({0.001: same(80.0), 0.01: same(100.0), 0.1: same(98.0)})
    assert found.best.value == 100.0
    assert found.best_lr == 0.01
    assert found.spread.value == 20.0
    # within 1 %: 1/20 of the first decade, 1/2 of the second
    assert found.plateau.value == pytest.approx(0.05 + 0.5)
    assert not found.open_ended
    assert found.expected.value == pytest.approx((90.0 + 99.0) / 2)


def test_by_hand_for_a_metric_to_be_minimised() -> None:
    found = numbers({0.001: same(44.0), 0.01: same(40.0), 0.1: same(40.2)}, "min", math.inf)
    assert (found.best.value, found.best_lr) == (40.0, 0.01)
    assert found.spread.value == pytest.approx(4.0)
    assert found.plateau.value == pytest.approx(0.1 + 1.0)  # up to 40.4
    assert found.open_ended
    assert found.expected.value == pytest.approx((42.0 + 40.1) / 2)


def test_uneven_rates_weigh_by_their_share_of_the_log_axis() -> None:
    found = numbers({0.001: same(0.0), 0.1: same(100.0), 1.0: same(100.0)}, worst=-1.0)
    assert found.expected.value == pytest.approx((2 * 50.0 + 1 * 100.0) / 3)


def test_constant_scores_are_on_the_plateau_everywhere() -> None:
    found = numbers({lr: same(91.0) for lr in (0.003, 0.01, 0.03, 0.1)})
    assert found.plateau.value == pytest.approx(math.log10(0.1 / 0.003))
    assert (found.spread.value, found.spread.low, found.spread.high) == (0.0, 0.0, 0.0)


def test_to_fail_evenly_is_no_plateau() -> None:
    for worst, direction in ((10.0, "max"), (math.inf, "min")):
        found = numbers({0.01: same(worst), 0.1: same(worst)}, direction, worst, diverged=3)
        assert found.plateau.value == 0.0
        assert found.spread.value == 0.0
        assert found.diverged == 6


def test_a_divergence_costs_spread_plateau_and_expected_score() -> None:
    kept = numbers({0.01: same(91.0), 0.1: same(91.0)})
    lost = numbers({0.01: same(91.0), 0.1: [91.0, 91.0, 10.0]}, diverged=1)
    assert lost.spread.value > kept.spread.value
    assert lost.plateau.value < kept.plateau.value
    assert lost.expected.value < kept.expected.value


def test_without_a_worst_value_a_divergence_costs_without_bound() -> None:
    found = numbers({0.01: same(40.0), 0.1: [40.0, 41.0, math.inf]}, "min", math.inf)
    assert found.best.value == 40.0
    assert found.spread.value == math.inf
    assert found.expected.value == math.inf
    assert found.plateau.value == 0.0


def test_one_seed_anywhere_gives_no_interval() -> None:
    found = numbers({0.01: [91.0, 92.0], 0.1: [90.0]})
    assert found.best.n == 1
    for estimate in (found.best, found.spread, found.plateau, found.expected):
        assert estimate.low is None


def test_intervals_hold_their_values_and_narrow_with_seeds() -> None:
    rng = np.random.default_rng(0)

    def width(n: int) -> float:
        found = numbers(
            {lr: list(m + rng.normal(0, 1, n)) for lr, m in ((0.01, 91.0), (0.1, 85.0))}
        )
        for estimate in (found.best, found.spread, found.plateau, found.expected):
            assert estimate.low <= estimate.value <= estimate.high
        return found.expected.high - found.expected.low

    assert width(30) < width(4)


def test_a_missing_cell_is_named() -> None:
    found = numbers({0.01: same(91.0), 0.1: same(90.0)}, lrs=[0.003, 0.01, 0.1])
    assert found.missing == (0.003,)
    assert found.lrs == (0.01, 0.1)


def test_one_rate_has_a_best_and_nothing_else() -> None:
    found = numbers({0.1: same(91.0)})
    assert found.best.value == 91.0
    assert (found.spread, found.plateau, found.expected) == (None, None, None)
