"""P-values against a limit, equivalence, several claims, and the seeds that they need."""

import numpy as np
import pytest
from scipy import stats

from experiments.analysis.statistics import (
    difference,
    equivalence_p,
    holm,
    intersection_p,
    mean,
    p_above,
    p_below,
    p_differs,
    power_above,
    power_equivalent,
    seeds_for_equivalence,
    seeds_to_show,
)

SCORES = [91.2, 90.8, 91.5, 91.1, 90.9]


def test_p_values_are_those_of_the_t_test() -> None:
    found = mean(SCORES)
    for side, ours in (("greater", p_above), ("less", p_below), ("two-sided", p_differs)):
        theirs = stats.ttest_1samp(SCORES, 91.0, alternative=side).pvalue
        assert ours(found, 91.0) == pytest.approx(theirs)


def test_what_has_no_interval_decides_nothing() -> None:
    for nothing in (mean([91.2]), mean([5.0, 5.0])):
        assert p_above(nothing, 0.0) == p_below(nothing, 1e9) == 1.0
        assert equivalence_p(nothing, 1e9) == 1.0


def test_equivalence_needs_both_sides() -> None:
    close = difference([91.0, 91.1, 91.2, 91.1], [91.1, 91.0, 91.2, 91.1])
    better = difference([94.0, 94.1, 94.2, 94.1], [91.1, 91.0, 91.2, 91.1])
    assert equivalence_p(close, 0.5) < 0.01
    assert equivalence_p(better, 0.5) > 0.99
    assert intersection_p([0.01, 0.2]) == 0.2


def test_holm_by_hand_and_never_below_the_p_values() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    p = np.random.default_rng(0).uniform(size=20).tolist()
    adjusted = holm(p)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))
    order = np.argsort(p)
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


def test_power_is_how_often_the_test_succeeds() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.5, 0.25, (4000, 4)), rng.normal(0.0, 0.25, (4000, 4))
    pooled = stats.ttest_ind(a, b, axis=1, alternative="greater").pvalue < 0.025
    assert power_above(0.5, 0.25, 4) == pytest.approx(pooled.mean(), abs=0.025)
    common = rng.normal(0, 1, (4000, 4))
    pairs = [0.25 * (np.sqrt(0.6) * common + np.sqrt(0.4) * rng.normal(0, 1, (4000, 4)))
             for _ in range(2)]  # fmt: skip
    found = stats.ttest_rel(pairs[0] + 0.3, pairs[1], axis=1, alternative="greater").pvalue < 0.025
    assert power_above(0.3, 0.25, 4, icc=0.6) == pytest.approx(found.mean(), abs=0.025)
    difference_ = rng.normal(0, 0.25, (2, 4000, 6))
    sides = [
        stats.ttest_ind(difference_[0] + sign * 0.5, difference_[1], axis=1, alternative=name)
        for sign, name in ((1, "greater"), (-1, "less"))
    ]
    both = (sides[0].pvalue < 0.025) & (sides[1].pvalue < 0.025)
    assert power_equivalent(0.0, 0.25, 6, 0.5) == pytest.approx(both.mean(), abs=0.025)


def test_seeds_needed_are_the_fewest() -> None:
    assert seeds_to_show(1.0, 1.0, 0.8) == 17  # as in the textbooks
    n = seeds_to_show(0.84, 0.5, 0.95)
    assert power_above(0.84, 0.5, n) >= 0.95 > power_above(0.84, 0.5, n - 1)
    n = seeds_for_equivalence(0.0, 0.25, 0.5, 0.8)
    assert power_equivalent(0.0, 0.25, n, 0.5) >= 0.8 > power_equivalent(0.0, 0.25, n - 1, 0.5)
    assert seeds_to_show(0.0, 1.0, 0.8) is None
    assert seeds_for_equivalence(0.6, 0.25, 0.5, 0.8) is None
    assert power_above(1.0, 1.0, 1) == 0.0
