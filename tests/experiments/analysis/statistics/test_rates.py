"""Numbers over a grid of α, worked out by hand, and what must hold for every grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from experiments.analysis.statistics import best, expected, plateau, plateau_piece, spread

LRS = (0.001, 0.01, 0.1)
tables = arrays(float, st.tuples(st.just(3), st.integers(2, 6)), elements=st.floats(11, 99))


def same(*means: float) -> np.ndarray:
    return np.array(means)[:, None] + np.array([-0.1, 0.0, 0.1])


def length(means: list[float], failure: float = 0.0) -> float:
    begin, end = plateau_piece(means, LRS, failure)
    return end - begin


def test_by_hand() -> None:
    table = same(80.0, 100.0, 98.0)
    assert best(table).value == pytest.approx(100.0)
    assert spread(table).value == pytest.approx(20.0)
    assert expected(table, LRS).value == pytest.approx((90.0 + 99.0) / 2)
    assert length([80.0, 100.0, 98.0]) == pytest.approx(0.05 + 0.5)
    assert length([80.0, 100.0, 98.0], failure=50.0) == pytest.approx(0.025 + 0.25)


def test_a_plateau_is_one_piece() -> None:
    assert length([100.0, 50.0, 100.0]) == pytest.approx(0.02)
    assert length([99.9, 50.0, 100.0]) == pytest.approx(0.02)
    assert length([100.0, 100.0, 50.0]) == pytest.approx(1.02)
    assert length([91.0, 91.0, 91.0]) == pytest.approx(2.0)
    assert length([10.0, 10.0, 10.0], failure=10.0) == 0.0


@settings(max_examples=50, deadline=None)
@given(tables)
def test_a_plateau_does_not_depend_on_whether_accuracy_or_error_is_written(
    table: np.ndarray,
) -> None:
    accuracy = plateau(table, LRS, 10.0)
    as_error = plateau(-(100.0 - table), LRS, -90.0)
    in_fractions = plateau(table / 100, LRS, 0.1)
    for other in (as_error, in_fractions):
        assert other.value == pytest.approx(accuracy.value, abs=1e-6)


@settings(max_examples=80, deadline=None)
@given(tables)
def test_intervals_hold_their_values(table: np.ndarray) -> None:
    found = (best(table), spread(table), plateau(table, LRS, 10.0), expected(table, LRS))
    for estimate in found:
        if estimate.low is not None:
            slack = 1e-9 * max(1.0, abs(estimate.value))
            assert estimate.low - slack <= estimate.value <= estimate.high + slack
    assert spread(table).low is None or spread(table).low >= 0


@settings(max_examples=50, deadline=None)
@given(tables, arrays(float, 6, elements=st.floats(-30, 30)))
def test_what_all_cells_of_a_seed_share_is_no_part_of_the_spread(
    table: np.ndarray, shift: np.ndarray
) -> None:
    plain, moved = spread(table), spread(table + shift[: table.shape[1]])
    for a, b in ((plain.value, moved.value), (plain.low or 0, moved.low or 0)):
        assert a == pytest.approx(b, abs=1e-6)


def test_one_seed_has_values_only() -> None:
    one = same(80.0, 100.0, 98.0)[:, :1]
    for estimate in (best(one), spread(one), plateau(one, LRS, 10.0), expected(one, LRS)):
        assert (estimate.low, estimate.n) == (None, 1)


def test_a_failure_without_a_worst_value_costs_without_bound() -> None:
    table = np.array([[-3.6] * 3, [-np.inf] * 3, [-3.7] * 3])
    assert best(table).value == pytest.approx(-3.6)
    assert spread(table).value == np.inf
    assert expected(table, LRS).value == -np.inf
    assert spread(np.full((3, 3), -np.inf)).value == 0.0
