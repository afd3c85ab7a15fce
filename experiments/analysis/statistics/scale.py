"""The scale on which a metric's scores are averaged and compared."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from experiments.analysis.statistics.estimate import Estimate, Floats


@dataclass(frozen=True)
class Scale:
    """How scores are turned into numbers to average, and back."""

    average: str
    """What the mean is called in the metric's own unit."""
    forward: Callable[[ArrayLike], Floats]
    backward: Callable[[ArrayLike], Floats]

    def back(self, estimate: Estimate) -> Estimate:
        """In the metric's own unit. The standard error stays behind: it is of this scale."""
        ends = (estimate.low, estimate.high)
        low, high = (None if end is None else float(self.backward(end)) for end in ends)
        value = float(self.backward(estimate.value))
        return replace(estimate, value=value, low=low, high=high, se=None, df=None)


def _same(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=float)


LINEAR = Scale("mean", _same, _same)
LOG = Scale("geometric mean", np.log, np.exp)
"""Of perplexities: the mean is that of the losses, and a difference is a ratio."""
