"""Times to a target, of runs that are looked at now and then: geometric means and ratios."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from experiments.analysis.statistics.estimate import Estimate, Floats
from experiments.analysis.statistics.means import difference, mean, typical_sd
from experiments.analysis.statistics.pairing import UNPAIRED, Pairing
from experiments.analysis.statistics.scale import LOG


@dataclass(frozen=True, eq=False)
class Times:
    """Of the runs of one method that reach the target, one a run and in one order."""

    reached: Floats
    """When a run was first seen at the target."""
    before: Floats
    """When it was last looked at before; 0 where that was the first look."""

    @property
    def logs(self) -> Floats:
        """Their logarithms, on which times are averaged and compared."""
        return np.log(self.reached)


def usual_time_sd(samples: Iterable[Times]) -> float | None:
    """The SD of log times that is usual among ``samples``; at least the time between two looks,
    for times that are seen to be alike need not be. Infinite where one was there at its first
    look. None without a sample."""
    samples = list(samples)
    if not samples:
        return None
    with np.errstate(divide="ignore"):
        gaps = np.concatenate([each.logs - np.log(each.before) for each in samples])
    return max(typical_sd(each.logs for each in samples) or 0.0, float(gaps.mean()))


def mean_time(times: Times, usual: float | None) -> Estimate:
    """The geometric mean of the times of those runs that reach the target (one at least)."""
    return LOG.back(mean(times.logs, usual))


def ratio_of_times(
    a: Times, b: Times, pairing: Pairing = UNPAIRED, usual: float | None = None
) -> Estimate:
    """How many times as long ``a`` takes as ``b``."""
    return LOG.back(difference(a.logs, b.logs, pairing, usual))
