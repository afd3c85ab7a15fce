"""The intervals hold the truth as often as they say: the benchmark, reduced, with fixed seeds."""

import pytest

from benchmarks.calibration.intervals import simulate
from benchmarks.calibration.worlds import WORLDS

REPETITIONS = 400
LEAST = 0.93 - 0.03  # three Monte Carlo standard errors below the band
CONSERVATIVE = (
    "plateau",
    "share of diverged runs",
    "probability of improvement",
    "difference of best",  # these hold whichever cells are the best ones
    "difference of spread",
    "best, from the best",
    "expected, from the best",
    "lost at the next best",
)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("n", [3, 5])
def test_every_interval_covers(world: str, n: int) -> None:
    for name, count in simulate("flat", world, n, REPETITIONS).items():
        assert count.given >= 0.99 * REPETITIONS, name
        one_sided = name.startswith("test") and "interaction" not in name
        assert count.share >= (0.95 if one_sided else LEAST), (name, count.share)


def test_intervals_are_not_so_wide_that_they_cannot_miss() -> None:
    counts = simulate("RAdam-like", "normal", 5, REPETITIONS)
    counts |= simulate("flat", "normal", 5, REPETITIONS)
    for name, count in counts.items():
        if not name.startswith("test") and not name.startswith(CONSERVATIVE):
            assert count.share <= 0.995, (name, count.share)
