"""The comparisons of which claims are made: every verdict reachable, none from too few seeds."""

import math
from itertools import pairwise

import numpy as np
import pytest

from experiments.analysis.claims.conditions import (
    Condition,
    above,
    as_good,
    below,
    better,
    holds,
    varies,
    varies_more,
)
from experiments.analysis.claims.finding import finding
from experiments.analysis.claims.samples import Arm, Sample
from experiments.analysis.claims.verdict import Verdict
from experiments.analysis.statistics import LOG

YES, NO, OPEN = Verdict.SUPPORTED, Verdict.NOT_SUPPORTED, Verdict.UNDECIDED


def sample(*values: float | None, direction: str = "max", **fields: object) -> Sample:
    """One cell; None: that seed's run diverged."""
    known = {"name": "X, α = .1", "lr": 0.1, "what": "test accuracy", "direction": direction}
    return Sample(
        **(known | fields),
        values=np.array([math.nan if v is None else v for v in values]),
        seeds=tuple(range(1, len(values) + 1)),
        completed=np.array([v is not None for v in values]),
    )


def arm(*values: float | None, **fields: object) -> Arm:
    return Arm((sample(*values, **fields),))


def arms(*cells: tuple[float | None, ...]) -> Arm:
    return Arm(tuple(sample(*cell, lr=place + 1.0) for place, cell in enumerate(cells)))


def around(mean: float, by: float = 0.1, turn: int = 0) -> tuple[float, ...]:
    offsets = np.roll([0.0, 1.0, -1.0, 0.5, -0.5], turn)
    return tuple(mean + by * offsets)


def curve(*means: float, by: float = 0.1) -> Arm:
    return arms(*(around(mean, by, turn) for turn, mean in enumerate(means)))


HIGH, LOW, WIDE = arm(*around(91.4)), arm(*around(90.5)), arm(*around(91.0, 2.0))
LOST = arm(None, None, None)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (HIGH, LOW, YES),
        (LOW, HIGH, NO),
        (HIGH, HIGH, NO),  # equal: the difference is surely below what counts
        (WIDE, HIGH, OPEN),
        (HIGH, arm(*around(91.35)), NO),  # better, but by less than counts
        (arm(*around(91.4, 0.3)), arm(*around(91.1, 0.3)), OPEN),  # better by what just counts
        (HIGH, arm(80.0), OPEN),  # one seed, however far off
        (HIGH, LOST, YES),
        (HIGH, arm(90.4, 90.5, None), YES),  # as if the third had done like its worst
        (arm(91.3, 91.4, None), LOW, OPEN),  # what diverges is not better
        (LOST, HIGH, NO),
        (LOST, LOST, OPEN),
    ],
)
def test_better(a: Arm, b: Arm, verdict: Verdict) -> None:
    assert better(a, b, least=0.3).verdict is verdict


def test_the_surer_of_two_equal_gains_is_not_the_less_supported() -> None:
    """A gain of .25 does not count as .3, however it is measured; the less so the surer it is."""
    unsure, sure = (
        better(arm(*around(90.75, by)), arm(*around(90.5, by)), 0.3) for by in (0.1, 0.01)
    )
    assert unsure.verdict is OPEN
    assert sure.verdict is NO


def test_better_means_smaller_where_small_is_good() -> None:
    small, large = (arm(*around(x), direction="min") for x in (35.7, 37.0))
    assert better(small, large, 0.3).verdict is YES
    assert better(large, small, 0.3).verdict is NO
    failed = arm(None, None, None, direction="min")
    assert better(small, failed, 0.3).verdict is YES
    assert better(failed, small, 0.3).verdict is NO


def test_a_diverged_run_is_never_better_than_a_bad_one() -> None:
    """Not even than one that ended at a perplexity of 50,000."""
    bad = arm(50_000.0, 50_100.0, 49_900.0, direction="min", scale=LOG)
    lost = arm(None, None, None, direction="min", scale=LOG)
    assert better(lost, bad, 0.0).verdict is NO
    assert as_good(lost, bad, 1.0).verdict is NO
    assert better(bad, lost, 0.0).verdict is YES


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (HIGH, LOW, YES),
        (HIGH, HIGH, YES),
        (arm(*around(91.2)), HIGH, YES),  # worse by less than the margin
        (LOW, HIGH, NO),
        (WIDE, HIGH, OPEN),
        (LOST, HIGH, NO),
        (HIGH, LOST, YES),
    ],
)
def test_as_good(a: Arm, b: Arm, verdict: Verdict) -> None:
    assert as_good(a, b, margin=0.5).verdict is verdict


def test_a_best_of_many_is_not_better_for_being_chosen() -> None:
    """Sixteen cells without a difference: their best is ahead by chance, and nothing is said."""
    rng = np.random.default_rng(1)
    many = arms(*(tuple(90.5 + 0.5 * rng.standard_normal(5)) for _ in range(16)))
    one = arm(*around(90.5, 0.5))
    assert many.best.mean.value > one.best.mean.value + 0.3
    assert better(many, one, 0.0).verdict is OPEN
    assert "best of 16" in better(many, one, 0.0).text


def test_every_cell_of_the_other_must_be_beaten() -> None:
    narrow = arms(around(91.3), around(80.0), around(70.0))
    assert better(HIGH, narrow, 0.3).verdict is NO
    assert better(HIGH, arms(around(90.4), around(80.0)), 0.3).verdict is YES


FLAT, PEAKED = curve(91.0, 91.0, 91.0, 91.0), curve(90.5, 90.4, 88.0, 84.0)


def test_spreads_are_compared_as_differences() -> None:
    assert varies_more(PEAKED, FLAT, 0.3).verdict is YES
    assert varies_more(FLAT, PEAKED, 0.3).verdict is NO
    assert varies_more(FLAT, FLAT, 0.3).verdict is OPEN
    even = curve(*[91.0] * 4, by=0.02)
    assert varies_more(even, even, 0.3).verdict is NO
    assert varies_more(curve(*[91.0] * 4, by=1.0), FLAT, 0.3).verdict is not YES  # noise of seeds
    lost = arms(around(91.0), (None,) * 5)
    assert varies_more(lost, FLAT, 0.3).verdict is YES
    assert varies_more(PEAKED, lost, 0.3).verdict is NO
    partly = arms(around(91.0), around(91.0, turn=1), (None, None, None, 90.0, 90.1))
    assert varies_more(partly, PEAKED, 0.3).verdict is OPEN  # not shown to vary less


def test_varies() -> None:
    assert varies(arms(around(91.0), (None,) * 5), 0.3).verdict is YES
    assert varies(PEAKED, 0.3).verdict is YES
    assert varies(curve(*[91.0] * 4, by=0.02), 0.3).verdict is NO


def test_above_and_below() -> None:
    value = sample(1.08, 1.1, 1.12, direction="min")
    assert [above(value, limit).verdict for limit in (0.9, 1.3, 1.1)] == [YES, NO, OPEN]
    assert [below(value, limit).verdict for limit in (0.9, 1.3, 1.1)] == [NO, YES, OPEN]
    lost = sample(None, None, None, direction="min")
    assert above(lost, 1.0).verdict is YES  # a loss without bound
    assert below(lost, 1.0).verdict is NO
    assert below(sample(0.9, 0.9, None, direction="min"), 1.0).verdict is OPEN


def test_one_failed_condition_decides_and_one_open_one_leaves_open() -> None:
    yes, no, open_ = holds(True, "a"), holds(False, "b"), Condition("c", 0.3, 0.7)
    assert finding([HIGH], [yes, yes]).p == 0
    assert finding([HIGH], [yes, open_]).p == 0.3
    assert finding([HIGH], [open_, no, yes]).p_not == 0
    assert finding([HIGH], [yes, Condition("d", 1.0, 0.02)]).p_not == 0.04  # of two


def test_more_seeds_say_more() -> None:
    p = [better(arm(*around(91.3, 0.4)[:n]), arm(*around(90.5, 0.4)[:n]), 0.3).p for n in (3, 4, 5)]
    assert all(later < earlier for earlier, later in pairwise(p))


def test_our_figures_name_quantity_n_and_divergences() -> None:
    lost = Arm((sample(None, 90.0, 90.2, name="Adam, α = .1"),))
    found = finding([HIGH, lost], [holds(True, "")])
    assert (found.n, found.seeds) == (3, (1, 2, 3))
    assert found.ours == (
        "test accuracy: X, α = .1: 91.40 [91.30, 91.50], n = 5; "
        "Adam, α = .1: 90.10 [88.83, 91.37], n = 2, 1 of 3 diverged",
    )
