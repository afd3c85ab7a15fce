"""A number with its interval, and how it is written."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value, its two-sided interval (``None`` where nothing can be said), and n, the seeds."""

    value: float
    low: float | None
    high: float | None
    n: int
    se: float | None = None
    """The standard error where (value − truth) / se is Student's t with ``df`` degrees of freedom:
    then there are p-values too (`decisions`)."""
    df: float | None = None

    def text(self, digits: int = 2) -> str:
        """``91.38 [91.20, 91.51], n = 5``, or ``91.38, n = 1 (no interval)``."""
        if self.low is None or self.high is None:
            return f"{number(self.value, digits)}, n = {self.n} (no interval)"
        interval = f"[{number(self.low, digits)}, {number(self.high, digits)}]"
        return f"{number(self.value, digits)} {interval}, n = {self.n}"

    def shifted(self, by: float) -> "Estimate":
        """With ``by`` added to value and interval."""
        low, high = (None if end is None else end + by for end in (self.low, self.high))
        return replace(self, value=self.value + by, low=low, high=high)

    def times(self, factor: float) -> "Estimate":
        """In another unit; ``factor`` > 0."""
        low, high = (None if end is None else end * factor for end in (self.low, self.high))
        se = None if self.se is None else self.se * factor
        return replace(self, value=self.value * factor, low=low, high=high, se=se)

    def within(self, least: float, most: float) -> "Estimate":
        """With the interval cut off at what is possible."""
        if self.low is None or self.high is None:
            return self
        low, high = np.clip([self.low, self.high], least, most)
        return replace(self, low=float(low), high=float(high))


def number(value: float, digits: int = 2) -> str:
    """``value`` with ``digits`` decimals; infinities as ∞."""
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def student(value: float, se: float, df: float, n: int, confidence: float) -> Estimate:
    """``value`` ± t·se. Without a finite value, or without any spread, there is no interval."""
    if not (math.isfinite(value) and math.isfinite(se) and se > 0):
        return Estimate(value, None, None, n)
    half = quantile(df, (1 + confidence) / 2) * se
    return Estimate(value, value - half, value + half, n, se, df)


def quantile(df: float, share: float) -> float:
    """Of Student's t."""
    return float(stdtrit(df, share))


def checked(values: ArrayLike) -> Floats:
    """One-dimensional float scores; refuses none and NaN, which would spread unseen."""
    array = np.atleast_1d(np.asarray(values, dtype=float))
    if array.ndim != 1 or not len(array):
        raise ValueError(f"scores of shape {array.shape}; give at least one, in one dimension")
    if np.isnan(array).any():
        raise ValueError("a score is NaN; score diverged runs (cells.py) before any statistics")
    return array
