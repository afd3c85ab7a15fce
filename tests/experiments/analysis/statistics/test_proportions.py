"""How often: exact intervals, probability of improvement, profiles."""

import numpy as np
import pytest
from scipy import stats

from experiments.analysis.statistics import (
    Estimate,
    performance_profile,
    probability_of_improvement,
    proportion,
)


@pytest.mark.parametrize(("k", "n"), [(0, 3), (1, 5), (5, 10), (7, 7)])
def test_a_proportion_has_the_exact_interval(k: int, n: int) -> None:
    theirs = stats.binomtest(k, n).proportion_ci(method="exact")
    ours = proportion(k, n)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.value == k / n
    assert proportion(1, 1).low is None


def test_probability_of_improvement_counts_runs_of_one_rate_and_seed() -> None:
    x = [[3.0, 2.0, 5.0], [1.0, 1.0, 2.0]]
    y = [[2.0, 2.0, 6.0], [0.0, 0.0, 0.0]]
    found = probability_of_improvement(x, y, "max")
    assert found.value == pytest.approx((1 + 0.5 + 0 + 3) / 6)
    assert found.n == 3
    assert probability_of_improvement(y, x, "max").value == pytest.approx(1 - found.value)
    assert probability_of_improvement(x, y, "min").value == pytest.approx(1 - found.value)
    low, high = found.low, found.high
    turned = probability_of_improvement(y, x, "max")
    assert (low, high) == pytest.approx((1 - turned.high, 1 - turned.low))


def test_its_interval_never_has_no_width() -> None:
    wins = probability_of_improvement([[2.0, 2.0]] * 4, [[1.0, 1.0]] * 4, "max")
    assert wins.low < wins.high == 1.0
    assert probability_of_improvement([[1.0]], [[0.0]], "max") == Estimate(1.0, None, None, 1)


def test_grids_that_are_not_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="direction"):
        probability_of_improvement([[1.0]], [[1.0]], "up")
    with pytest.raises(ValueError, match="strata"):
        probability_of_improvement([[1.0]], [], "max")


def test_profile_counts_runs_and_weighs_strata_alike() -> None:
    strata = [[1.0, 2.0, 3.0, 4.0], [4.0, 4.0]]
    profile = performance_profile(strata, [0.0, 2.0, 3.5, 4.0], "max")
    assert profile.share == pytest.approx([1.0, (2 / 4 + 1) / 2, (1 / 4 + 1) / 2, 0.0])
    turned = performance_profile([[-s for s in stratum] for stratum in strata], [-2.0], "min")
    assert turned.share == pytest.approx(profile.share[1])
    assert np.all(np.diff(profile.share) <= 0)
