"""The comparisons of which claims are made: every verdict reachable, none from too few seeds."""

import math

import numpy as np
import pytest

from experiments.analysis.claims.rules import (
    Condition,
    Sample,
    Verdict,
    above,
    as_good,
    below,
    better,
    finding,
    holds,
    larger,
)
from experiments.analysis.statistics import mean

YES, NO, OPEN = Verdict.SUPPORTED, Verdict.NOT_SUPPORTED, Verdict.UNDECIDED


def sample(*values: float, direction: str = "max") -> Sample:
    return Sample("X", "test accuracy", np.array(values), direction)


HIGH, LOW, WIDE = sample(91.3, 91.4, 91.5), sample(90.4, 90.5, 90.6), sample(89.0, 91.0, 93.0)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (HIGH, LOW, YES),
        (LOW, HIGH, NO),
        (HIGH, HIGH, NO),  # equal: the difference is surely below what counts
        (WIDE, HIGH, OPEN),
        (HIGH, sample(91.25, 91.35, 91.45), NO),  # better, but by less than counts
        (sample(91.3, 91.4), LOW, OPEN),  # two seeds
        (HIGH, sample(80.0), OPEN),  # one seed, however far off
        (HIGH, sample(10.0, 10.0, 10.0), YES),  # all diverged
        (sample(91.3, 91.4, 10.0), LOW, OPEN),  # one of three diverged
    ],
)
def test_better(a: Sample, b: Sample, verdict: Verdict) -> None:
    assert better(a, b, least=0.3).verdict is verdict


def test_better_means_smaller_where_small_is_good() -> None:
    small, large = sample(35.6, 35.7, 35.8, direction="min"), sample(36.9, 37.0, 37.1)
    assert better(small, Sample("Y", "", large.values, "min"), 0.3).verdict is YES
    failed = sample(math.inf, math.inf, math.inf, direction="min")
    assert better(small, failed, 0.3).verdict is YES
    assert better(failed, small, 0.3).verdict is NO
    assert better(failed, failed, 0.3).verdict is not YES


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (HIGH, LOW, YES),
        (HIGH, HIGH, YES),
        (sample(91.1, 91.2, 91.3), HIGH, YES),  # worse by less than the margin
        (LOW, HIGH, NO),
        (WIDE, HIGH, OPEN),
        (sample(91.3, 91.4), LOW, OPEN),
    ],
)
def test_as_good(a: Sample, b: Sample, verdict: Verdict) -> None:
    assert as_good(a, b, margin=0.5).verdict is verdict


def test_larger() -> None:
    bad, good = sample(9.8, 10.0, 10.2), sample(2.9, 3.0, 3.1)
    assert larger(bad, good, 1.8).verdict is YES
    assert larger(good, good, 1.8).verdict is NO
    assert larger(sample(3.0, 5.5, 8.0), good, 1.8).verdict is OPEN
    assert larger(sample(math.inf, math.inf, math.inf), good, 1.8).verdict is YES
    assert larger(bad, sample(math.inf, 3.0, 3.0), 1.8).verdict is not YES
    assert larger(bad, sample(3.0, 3.0), 1.8).verdict is OPEN


def test_above_and_below() -> None:
    value = mean([1.08, 1.1, 1.12])
    assert [above("", value, limit).verdict for limit in (0.9, 1.3, 1.1)] == [YES, NO, OPEN]
    assert [below("", value, limit).verdict for limit in (0.9, 1.3, 1.1)] == [NO, YES, OPEN]
    assert above("", mean([5.0, 5.0]), 1.0).verdict is OPEN
    assert below("", mean([5.0]), 9.0).verdict is OPEN


def test_one_failed_condition_decides_and_one_open_one_leaves_open() -> None:
    yes, no, open_ = holds(True, "a"), holds(False, "b"), Condition(OPEN, "c")
    assert finding([HIGH], [yes, yes]).verdict is YES
    assert finding([HIGH], [yes, open_]).verdict is OPEN
    assert finding([HIGH], [open_, no, yes]).verdict is NO
    with pytest.raises(ValueError, match="condition"):
        finding([HIGH], [])


def test_our_figures_name_quantity_n_and_divergences() -> None:
    lost = Sample("Adam, α = .1", "test accuracy", np.array([10.0, 90.0, 90.0]), "max", diverged=1)
    found = finding([HIGH, lost], [holds(True, "")])
    assert found.n == 3
    assert found.ours == (
        "test accuracy: X 91.40 [91.15, 91.65], n = 3; "
        "Adam, α = .1 63.33 [−51.40, 178.07], n = 3, 1 diverged",
    )
