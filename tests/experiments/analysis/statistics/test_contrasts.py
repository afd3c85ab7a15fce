"""Comparisons of methods over their grids: by hand, and limits that hold whatever is best."""

import math
from itertools import combinations

import numpy as np
import pytest

from experiments.analysis.statistics import (
    difference_of_best,
    difference_of_spread,
    interaction_p,
    lost_to_next,
    per_seed_budget,
)

A = np.array([[90.0, 90.4], [91.0, 91.4], [88.0, 88.4]])
B = np.array([[89.0, 89.4], [87.0, 87.4], [90.5, 90.9]])


def noise(cells: int, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, (cells, n))


def test_values_by_hand() -> None:
    assert difference_of_best(A, B).value == pytest.approx(0.5)
    assert difference_of_spread(A, B).value == pytest.approx(3.0 - 3.5)
    assert lost_to_next(A).value == pytest.approx(1.0)


def test_a_budget_is_the_mean_over_all_choices_of_so_many_rates() -> None:
    table = np.random.default_rng(1).normal(size=(5, 3))
    for k in range(1, 6):
        for seed in range(3):
            every = [max(chosen) for chosen in combinations(table[:, seed], k)]
            assert per_seed_budget(table, k)[seed] == pytest.approx(np.mean(every))
    assert per_seed_budget(table, 1) == pytest.approx(table.mean(axis=0))
    assert per_seed_budget(table, 5) == pytest.approx(table.max(axis=0))
    for k in (0, 6):
        with pytest.raises(ValueError, match=f"budget of {k} among 5"):
            per_seed_budget(table, k)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_a_difference_and_its_opposite_have_opposite_limits(n: int) -> None:
    a, b = 91 + noise(4, n), 90 + noise(3, n, seed=1)
    for compare in (difference_of_best, difference_of_spread):
        one, other = compare(a, b), compare(b, a)
        assert one.value == pytest.approx(-other.value)
        assert (one.low, one.high) == (pytest.approx(-other.high), pytest.approx(-other.low))
        assert one.low < one.value < one.high


def test_what_all_cells_of_a_seed_share_leaves_no_trace() -> None:
    a, b, seeds = 91 + noise(4, 5), 90 + noise(4, 5, seed=1), np.array([0, 3, -5, 2, 9.0])
    for compare in (difference_of_best, difference_of_spread):
        plain, moved = compare(a, b), compare(a + seeds, b + seeds)
        assert (moved.low, moved.high) == (pytest.approx(plain.low), pytest.approx(plain.high))
    plain, moved = lost_to_next(a), lost_to_next(a + seeds)
    assert (moved.low, moved.high) == (pytest.approx(plain.low), pytest.approx(plain.high))
    assert interaction_p([a, b]) == pytest.approx(interaction_p([a + seeds, b + seeds]))


def test_a_clear_best_loses_and_alike_cells_may_lose_nothing() -> None:
    clear = lost_to_next(np.array([[80.0], [91.0], [85.0]]) + noise(3, 5))
    assert 5 < clear.low < 6 < clear.high < 7
    assert lost_to_next(91 + noise(3, 5)).low == 0.0


def test_interaction_is_seen_where_curves_cross_and_not_where_they_are_parallel() -> None:
    curve = np.array([[80.0], [90.0], [85.0]])
    assert interaction_p([curve + noise(3, 5), curve - 7 + noise(3, 5, seed=1)]) > 0.05
    assert interaction_p([curve + noise(3, 5), curve[::-1] + noise(3, 5, seed=1)]) < 1e-4


def test_one_seed_no_noise_and_failures_without_bound_have_no_interval() -> None:
    without = (
        A[:, :1],
        np.full((3, 3), 91.0),
        np.array([[-math.inf] * 3, [90.0, 91, 92], [89] * 3]),
    )
    for table in without:
        for found in (
            difference_of_best(table, table),
            difference_of_spread(table, table),
            lost_to_next(table),
        ):
            assert (found.low, found.high, found.se) == (None, None, None)
            assert not math.isnan(found.value)
        assert interaction_p([table, table]) is None


def test_unlike_seeds_and_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="2 seeds against 3"):
        difference_of_best(A, noise(3, 3))
    with pytest.raises(ValueError, match="without NaN"):
        difference_of_best(A, np.full((3, 2), math.nan))
    for found in (lambda: lost_to_next(A[:1]), lambda: difference_of_spread(A[:1], B)):
        with pytest.raises(ValueError, match="two cells"):
            found()
