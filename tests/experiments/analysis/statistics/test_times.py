"""Times to a target: geometric means, and no more exact than runs are looked at."""

import numpy as np
import pytest

from experiments.analysis.statistics import Times, mean_time, ratio_of_times, usual_time_sd


def times(*reached: float, every: float = 10.0) -> Times:
    return Times(np.array(reached), np.array(reached) - every)


def test_by_hand() -> None:
    fast, slow = times(100, 400), times(200, 800)
    assert mean_time(fast, None).value == pytest.approx(200)
    assert ratio_of_times(slow, fast).value == pytest.approx(2)
    found = mean_time(times(190, 200, 210), None)
    assert 0 < found.low < found.value < found.high


def test_alike_times_are_known_to_the_time_between_two_looks() -> None:
    alike = times(100, 100, 100)
    assert mean_time(alike, None).low is None
    found = mean_time(alike, usual_time_sd([alike]))
    assert found.low < 92 < 108 < found.high
    often = mean_time(alike, usual_time_sd([times(100, 100, 100, every=1)]))
    assert found.low < often.low < 100 < often.high < found.high


def test_a_run_that_is_there_at_its_first_look_leaves_no_interval() -> None:
    at_once = Times(np.array([10.0, 20.0]), np.array([0.0, 10.0]))
    assert mean_time(at_once, usual_time_sd([at_once])).low is None
    assert usual_time_sd([]) is None
