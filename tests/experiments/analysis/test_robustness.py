"""The robustness numbers of whole grids, against grids worked out by hand."""

import math

import numpy as np
import pytest

from experiments.analysis.cells import Cell, Grid, Method
from experiments.analysis.robustness import Robustness, robustness
from experiments.analysis.statistics import LINEAR, LOG, Scale

METHOD, OTHER = Method("radam"), Method("adam")
Scores = dict[float, list[float]]


def cell(method: Method, lr: float, values: list[float], worst: float, first: int) -> Cell:
    """Values equal to ``worst`` are of diverged runs."""
    scores = np.array(values)
    seeds = tuple(range(first, first + len(values)))
    return Cell(method, lr, seeds, scores, scores != worst, 0, 0)


def grid(
    rows: dict[Method, Scores],
    direction: str = "max",
    worst: float = 10.0,
    lrs: list[float] | None = None,
    scale: Scale = LINEAR,
    first: int = 1,
) -> Grid:
    cells = {
        (method, lr): cell(method, lr, values, worst, first)
        for method, scores in rows.items()
        for lr, values in scores.items()
    }
    every = sorted(lrs or {lr for _, lr in cells})
    return Grid(tuple(rows), every, direction, worst, cells, scale)


def numbers(scores: Scores, direction: str = "max", worst: float = 10.0, **more) -> Robustness:
    (found,) = robustness(grid({METHOD: scores}, direction, worst, **more))
    return found


def around(value: float) -> list[float]:
    return [value - 0.1, value, value + 0.1]


def test_by_hand_for_a_metric_to_be_maximised() -> None:
    found = numbers({0.001: around(80.0), 0.01: around(100.0), 0.1: around(98.0)})
    assert found.best.value == pytest.approx(100.0)
    assert found.best_lr == 0.01
    assert found.spread.value == pytest.approx(20.0)
    # within 1 % of the 90 points above chance: .9/20 of the first decade, .9/2 of the second
    assert found.plateau.value == pytest.approx(0.045 + 0.45)
    assert not found.open_ended
    assert found.expected.value == pytest.approx((90.0 + 99.0) / 2)


def test_by_hand_for_perplexities() -> None:
    scores = {0.001: [80.0, 80.2, 79.8], 0.01: [40.0, 40.1, 39.9], 0.1: [40.4, 40.5, 40.3]}
    found = numbers(scores, "min", 800.0, scale=LOG)
    best, worst, last = (math.exp(np.log(scores[lr]).mean()) for lr in (0.01, 0.001, 0.1))
    assert (found.best.value, found.best_lr) == (pytest.approx(best), 0.01)
    assert found.best.low < best < found.best.high
    assert found.spread.value == pytest.approx(worst / best)
    assert found.expected.value == pytest.approx((worst * last * best**2) ** 0.25)
    assert found.expected.low < found.expected.value < found.expected.high
    tolerance = 0.01 * math.log(800 / best)
    assert found.plateau.value == pytest.approx(1 + tolerance / math.log(worst / best))
    assert found.open_ended


def test_uneven_rates_weigh_by_their_share_of_the_log_axis() -> None:
    found = numbers({0.001: around(0.0), 0.1: around(100.0), 1.0: around(100.0)}, worst=-1.0)
    assert found.expected.value == pytest.approx((2 * 50.0 + 1 * 100.0) / 3)


def test_constant_scores_are_on_the_plateau_everywhere() -> None:
    found = numbers({lr: around(91.0) for lr in (0.003, 0.01, 0.03, 0.1)})
    assert found.plateau.value == pytest.approx(math.log10(0.1 / 0.003))
    assert found.open_ended
    assert found.spread.value == 0.0


def test_to_fail_evenly_is_no_plateau() -> None:
    found = numbers({0.01: [10.0] * 3, 0.1: [10.0] * 3})
    assert (found.plateau.value, found.open_ended, found.spread.value) == (0.0, False, 0.0)
    assert found.diverged == 6
    without_chance = numbers({0.01: [math.inf] * 3, 0.1: [math.inf] * 3}, "min", math.inf)
    assert (without_chance.plateau, without_chance.spread.value) == (None, 0.0)


def test_a_divergence_costs_and_leaves_no_interval() -> None:
    kept = numbers({0.01: around(91.0), 0.1: around(91.0)})
    lost = numbers({0.01: around(91.0), 0.1: [91.0, 91.0, 10.0]})
    assert lost.spread.value > kept.spread.value
    assert lost.plateau.value < kept.plateau.value
    assert lost.expected.value < kept.expected.value
    assert lost.diverged == 1
    for estimate in (lost.best, lost.spread, lost.plateau, lost.expected):
        assert (estimate.low, estimate.n) == (None, 3)


def test_without_a_worst_value_a_divergence_costs_without_bound() -> None:
    scores = {0.01: around(40.0), 0.1: [40.0, 41.0, math.inf]}
    found = numbers(scores, "min", math.inf, scale=LOG)
    assert found.best.value == pytest.approx(40.0, rel=1e-4)
    assert found.spread.value == found.expected.value == math.inf
    assert found.plateau is None


def test_cells_of_unlike_seeds_give_no_interval() -> None:
    found = numbers({0.01: [91.0, 92.0], 0.1: [90.0]})
    for estimate in (found.best, found.spread, found.plateau, found.expected):
        assert (estimate.low, estimate.n) == (None, 1)


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


def test_methods_are_compared_over_the_rates_that_all_have() -> None:
    rows = {
        METHOD: {0.003: around(20.0), 0.01: around(91.0), 0.1: around(90.0)},
        OTHER: {0.01: around(90.0), 0.1: around(89.0)},
    }
    ours, theirs = robustness(grid(rows))
    assert ours.lrs == theirs.lrs == (0.01, 0.1)
    assert ours.missing == theirs.missing == (0.003,)
    assert ours.spread.value == theirs.spread.value == pytest.approx(1.0)


def test_without_common_rates_there_is_a_best_and_nothing_else() -> None:
    rows = {
        METHOD: {0.003: around(20.0), 0.01: around(91.0)},
        OTHER: {0.01: around(90.0), 0.1: around(89.0)},
    }
    for found, best in zip(robustness(grid(rows)), (91.0, 90.0), strict=True):
        assert found.best.value == pytest.approx(best)
        assert (found.spread, found.plateau, found.expected) == (None, None, None)
    single = robustness(grid({METHOD: {0.1: around(91.0)}, **rows}))
    assert single[0].spread is None
