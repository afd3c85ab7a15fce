"""Means, differences and ratios against scipy's tests; the floor; what has no interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.analysis.statistics import (
    LOG,
    Estimate,
    Pairing,
    band,
    difference,
    mean,
    number,
    p_above,
    p_below,
    ratio,
    typical_sd,
)

SCORES = np.array([91.2, 90.8, 91.5, 91.1, 90.9, 91.7, 91.0])
OTHERS = np.array([90.6, 90.9, 90.1, 90.7, 90.5])
PAIRED = Pairing(icc=0.9, p=1e-6)
several = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


def test_a_mean_has_students_interval() -> None:
    ours = mean(SCORES)
    theirs = stats.ttest_1samp(SCORES, 0.0).confidence_interval()
    assert ours.value == pytest.approx(SCORES.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.n == 7


def test_a_difference_is_welchs_or_paired() -> None:
    welch = difference(SCORES, OTHERS)
    theirs = stats.ttest_ind(SCORES, OTHERS, equal_var=False)
    interval = theirs.confidence_interval()
    assert (welch.low, welch.high, welch.n) == pytest.approx((interval.low, interval.high, 5))
    assert p_above(welch) == pytest.approx(theirs.pvalue / 2)
    pairs = difference(SCORES[:5], OTHERS, PAIRED)
    interval = stats.ttest_rel(SCORES[:5], OTHERS).confidence_interval()
    assert (pairs.low, pairs.high) == pytest.approx((interval.low, interval.high))
    assert difference(SCORES, OTHERS, PAIRED) == welch  # unequal numbers cannot be pairs


def test_a_ratio_is_of_geometric_means() -> None:
    found, turned = ratio(SCORES, OTHERS), ratio(OTHERS, SCORES)
    assert found.value == pytest.approx(stats.gmean(SCORES) / stats.gmean(OTHERS))
    assert (found.low, found.high) == pytest.approx((1 / turned.high, 1 / turned.low))
    with pytest.raises(ValueError, match="positive"):
        ratio(SCORES, [0.0, 1.0])


def test_what_lies_together_by_chance_is_not_more_certain_than_is_usual() -> None:
    usual = typical_sd([[0.0, 1.0], [3.0, 4.1], [7.0, 7.9], [10.0, 90.0]])
    assert usual == pytest.approx(typical_sd([[0.0, 1.0], [3.0, 4.1], [7.0, 7.9], [10.0, 30.0]]))
    alike = mean([37.28, 37.29], usual)
    assert alike.high - alike.low == pytest.approx(2 * 1.6 * usual / np.sqrt(2))
    same = mean([5.0, 5.0, 5.0], usual)
    assert same.low < 5.0 < same.high
    apart = [30.0, 90.0]
    assert mean(apart, usual) == mean(apart)


def test_the_usual_sd_is_that_of_the_cells() -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(0, 0.25, (4000, 3))
    assert typical_sd(cells) == pytest.approx(0.25, rel=0.05)
    assert typical_sd([[1.0], [2.0]]) is None


def test_no_interval_from_one_seed_from_equal_ones_and_from_failures() -> None:
    assert mean([91.2]) == Estimate(91.2, None, None, 1)
    assert mean([91.2]).text() == "91.20, n = 1 (no interval)"
    assert mean([5.0, 5.0]).low is None
    assert difference([91.2], SCORES).low is None
    assert band([[1.0, 2.0]]) is None
    failed = [np.inf, np.inf, np.inf]
    assert mean([36.0, 36.5, np.inf]) == Estimate(np.inf, None, None, 3)
    assert difference(failed, failed) == Estimate(0.0, None, None, 3)
    assert difference([36.0, 36.1, 36.2], failed).value == -np.inf


def test_nan_and_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        mean([91.0, np.nan])
    with pytest.raises(ValueError, match="at least one"):
        mean([])


@settings(max_examples=60, deadline=None)
@given(several, several, st.floats(-5, 5), st.floats(0, 100))
def test_intervals_and_p_values_say_the_same(
    a: list[float], b: list[float], shift: float, usual: float
) -> None:
    for pairing in (PAIRED, Pairing(0.0, 1.0)):
        found = difference(a, b, pairing, usual)
        if found.low is None:
            continue
        assert found.low <= found.value <= found.high
        limit = found.value + shift * (found.high - found.low)
        assert (p_above(found, limit) < 0.025) == (limit < found.low)
        assert (p_below(found, limit) < 0.025) == (limit > found.high)
        turned = difference(b, a, pairing, usual)
        assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_band_is_the_pointwise_interval_of_the_mean() -> None:
    low, high = band(np.stack([SCORES, SCORES + 1], axis=1))
    at_first = mean(SCORES)
    assert (low[0], high[0]) == pytest.approx((at_first.low, at_first.high))
    assert low[1] - low[0] == pytest.approx(1.0)


def test_an_interval_of_logs_is_told_in_the_metrics_unit() -> None:
    told = LOG.back(mean(np.log([36.0, 37.0, 38.0])))
    assert told.value == pytest.approx(stats.gmean([36.0, 37.0, 38.0]))
    assert 0 < told.low < told.value < told.high
    assert told.se is None
    assert told.within(36.5, 40.0).low == 36.5


def test_numbers_for_people() -> None:
    assert [number(x) for x in (1.005, -0.001, -2.5, np.inf, -np.inf)] == [
        "1.00",
        "0.00",
        "−2.50",
        "∞",
        "−∞",
    ]
