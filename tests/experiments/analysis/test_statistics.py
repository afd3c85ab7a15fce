"""Means, differences, probability of improvement and profiles, against scipy and by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.analysis.statistics import (
    Estimate,
    band,
    difference,
    mean,
    number,
    performance_profile,
    probability_of_improvement,
)

SCORES = np.array([91.2, 90.8, 91.5, 91.1, 90.9, 91.7, 91.0])
OTHERS = np.array([90.6, 90.9, 90.1, 90.7, 90.5])


def percentile_bootstrap(*samples: np.ndarray, statistic: object) -> tuple[float, float]:
    result = stats.bootstrap(
        samples, statistic, n_resamples=20_000, method="percentile", rng=np.random.default_rng(7)
    )
    return result.confidence_interval.low, result.confidence_interval.high


def test_mean_agrees_with_scipy() -> None:
    ours = mean(SCORES)
    low, high = percentile_bootstrap(SCORES, statistic=np.mean)
    assert ours.value == pytest.approx(SCORES.mean())
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.02)
    assert ours.n == 7


def test_difference_agrees_with_scipy() -> None:
    ours = difference(SCORES, OTHERS)
    low, high = percentile_bootstrap(
        SCORES, OTHERS, statistic=lambda a, b, axis=-1: a.mean(axis) - b.mean(axis)
    )
    assert ours.value == pytest.approx(SCORES.mean() - OTHERS.mean())
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.02)
    assert ours.n == 5


def test_one_seed_has_no_interval_and_says_so() -> None:
    one = mean([91.2])
    assert (one.value, one.low, one.high, one.n) == (91.2, None, None, 1)
    assert one.text() == "91.20, n = 1 (no interval)"
    assert difference([91.2], SCORES).low is None
    assert probability_of_improvement([[1.0]], [[0.0]], "max") == Estimate(1.0, None, None, 1)
    assert band([[1.0, 2.0]]) is None


def test_two_seeds_give_just_the_two() -> None:
    assert mean([90.0, 92.0]) == Estimate(91.0, 90.0, 92.0, 2)


def test_the_same_scores_give_the_same_interval() -> None:
    assert mean(SCORES) == mean(list(SCORES))


def test_nan_and_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        mean([91.0, np.nan])
    with pytest.raises(ValueError, match="at least one"):
        mean([])
    with pytest.raises(ValueError, match="direction"):
        probability_of_improvement([[1.0]], [[0.0]], "up")
    with pytest.raises(ValueError, match="strata"):
        probability_of_improvement([[1.0]], [], "max")


def test_infinite_scores_stay_infinite_and_two_failures_are_alike() -> None:
    failed = [np.inf, np.inf, np.inf]
    assert mean([36.0, 36.5, np.inf]).high == np.inf
    assert difference(failed, failed) == Estimate(0.0, 0.0, 0.0, 3)
    assert difference([36.0, 36.1, 36.2], failed).value == -np.inf


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
def test_the_interval_lies_within_the_seeds_and_holds_the_mean(values: list[float]) -> None:
    found = mean(values)
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert min(values) - slack <= found.low <= found.value + slack
    assert found.value - slack <= found.high <= max(values) + slack


def test_probability_of_improvement_is_the_mean_over_strata_of_mann_whitney() -> None:
    """Agarwal et al. 2021: P(X > Y) per task from the U statistic, averaged over tasks."""
    rng = np.random.default_rng(3)
    x = [rng.normal(0.5, 1, 6).round(1), rng.normal(0, 1, 4).round(1)]
    y = [rng.normal(0, 1, 5).round(1), rng.normal(0.2, 1, 7).round(1)]
    expected = np.mean(
        [
            stats.mannwhitneyu(a, b, alternative="greater").statistic / (len(a) * len(b))
            for a, b in zip(x, y, strict=True)
        ]
    )
    found = probability_of_improvement(x, y, "max")
    assert found.value == pytest.approx(expected)
    assert found.n == 4
    assert probability_of_improvement(y, x, "max").value == pytest.approx(1 - expected)
    assert probability_of_improvement(x, y, "min").value == pytest.approx(1 - expected)


def test_interval_of_the_probability_is_a_stratified_bootstrap() -> None:
    rng = np.random.default_rng(5)
    x, y = [rng.normal(0.7, 1, 8) for _ in range(3)], [rng.normal(0, 1, 8) for _ in range(3)]
    resampled = []
    for _ in range(4000):
        strata = []
        for a, b in zip(x, y, strict=True):
            a, b = rng.choice(a, len(a)), rng.choice(b, len(b))
            wins = [1.0 if p > q else 0.5 if p == q else 0.0 for p, q in itertools.product(a, b)]
            strata.append(np.mean(wins))
        resampled.append(np.mean(strata))
    found = probability_of_improvement(x, y, "max")
    assert (found.low, found.high) == pytest.approx(np.percentile(resampled, [2.5, 97.5]), abs=0.02)


def test_profile_counts_runs_and_weighs_strata_alike() -> None:
    strata = [[1.0, 2.0, 3.0, 4.0], [4.0, 4.0]]
    profile = performance_profile(strata, [0.0, 2.0, 3.5, 4.0], "max")
    assert profile.share == pytest.approx([1.0, (2 / 4 + 1) / 2, (1 / 4 + 1) / 2, 0.0])
    assert (profile.low <= profile.share).all()
    assert (profile.share <= profile.high).all()
    assert profile.n == 2
    turned = performance_profile([[-s for s in stratum] for stratum in strata], [-2.0], "min")
    assert turned.share == pytest.approx(profile.share[1])
    assert performance_profile([[1.0], [2.0, 3.0]], [0.0], "max").low is None


def test_band_is_the_pointwise_interval_of_the_mean() -> None:
    curves = np.stack([SCORES, SCORES + 1], axis=1)
    low, high = band(curves)
    at_first = mean(SCORES)
    assert (low[0], high[0]) == pytest.approx((at_first.low, at_first.high), abs=0.02)
    assert low[1] - low[0] == pytest.approx(1.0)


def test_numbers_for_people() -> None:
    assert [number(x) for x in (1.005, -0.001, -2.5, np.inf, -np.inf)] == [
        "1.00",
        "0.00",
        "−2.50",
        "∞",
        "−∞",
    ]
