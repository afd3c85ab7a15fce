"""Means over seeds, their differences and ratios: Student's and Welch's t.

Student's interval covers 95 % for normal scores but 85 to 90 % for skewed ones, mostly where by
chance the few scores lie close together. Where the other cells of the section tell how far scores
usually lie apart (``typical``, an SD), no interval is narrower than FLOOR standard errors of it.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri

from experiments.analysis.statistics.estimate import (
    CONFIDENCE,
    Estimate,
    Floats,
    checked,
    quantile,
    student,
)
from experiments.analysis.statistics.pairing import UNPAIRED, Pairing
from experiments.analysis.statistics.scale import LOG

FLOOR = 1.6
"""Typical standard errors to either side that an interval has at least: about the fewest with
which 93 % is reached at 2 to 10 seeds for scores as skewed as an exponential distribution."""


def typical_sd(samples: Iterable[ArrayLike]) -> float | None:
    """The SD over seeds that is usual among ``samples`` (cells of one section): from the median
    of their variances, so that a few unstable cells do not count. None where none has two seeds.
    """
    variances = []
    for sample in samples:
        values = checked(sample)
        if len(values) > 1 and np.isfinite(values).all():
            df = len(values) - 1
            variances.append(values.var(ddof=1) * df / chdtri(df, 0.5))  # its median is σ²
    return math.sqrt(np.median(variances)) if variances else None


def mean(
    values: ArrayLike, typical: float | None = None, confidence: float = CONFIDENCE
) -> Estimate:
    """Mean over seeds with Student's interval. ``values``: one score a seed, at least one."""
    values = checked(values)
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return Estimate(float(values.mean()), None, None, n)
    se = values.std(ddof=1) / math.sqrt(n)
    return _student(float(values.mean()), se, n - 1, n, typical, 1 / n, confidence)


def difference(
    a: ArrayLike,
    b: ArrayLike,
    pairing: Pairing = UNPAIRED,
    typical: float | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Mean of ``a`` minus mean of ``b``; n is the smaller number of seeds.

    Where ``pairing`` says that pairs are the better test, and ``a[i]`` and ``b[i]`` are of one
    seed (equal numbers of them: the caller sees to the order), by the paired t; else by Welch's.
    Where both means are infinite the difference counts as 0: two failures are alike.
    """
    a, b = checked(a), checked(b)
    n = min(len(a), len(b))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        with np.errstate(invalid="ignore"):
            gap = float(a.mean() - b.mean())
        return Estimate(0.0 if math.isnan(gap) else gap, None, None, n)
    value = float(a.mean() - b.mean())
    if n < 2:
        return Estimate(value, None, None, n)
    if len(a) == len(b) and pairing.paired(n):
        se = float((a - b).std(ddof=1)) / math.sqrt(n)
        share = 2 * (1 - pairing.icc) / n
        return _student(value, se, n - 1, n, typical, share, confidence)
    first, second = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    total = first + second
    weights = first**2 / (len(a) - 1) + second**2 / (len(b) - 1)
    df = total**2 / weights if weights > 0 else len(a) + len(b) - 2.0
    share = 1 / len(a) + 1 / len(b)
    return _student(value, math.sqrt(total), df, n, typical, share, confidence)


def ratio(
    a: ArrayLike,
    b: ArrayLike,
    pairing: Pairing = UNPAIRED,
    typical: float | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Geometric mean of ``a`` over that of ``b`` (both positive), from the difference of logs.

    ``typical``: an SD of logs. For p-values take the difference of logs itself.
    """
    a, b = checked(a), checked(b)
    if (a <= 0).any() or (b <= 0).any():
        raise ValueError("a ratio is taken of positive scores")
    return LOG.back(difference(np.log(a), np.log(b), pairing, typical, confidence))


def band(
    curves: ArrayLike, typical: ArrayLike = 0.0, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats] | None:
    """Interval of the mean curve at each point by itself, as `mean` makes it; shape (seeds,
    points). ``typical``: the usual SD at each point, 0 where it is not known.

    None with one seed.
    """
    curves = np.asarray(curves, dtype=float)
    n = len(curves)
    if n < 2:
        return None
    middle = curves.mean(axis=0)
    se = curves.std(axis=0, ddof=1) / math.sqrt(n)
    least = FLOOR * np.asarray(typical, dtype=float) / math.sqrt(n)
    half = np.maximum(quantile(n - 1, (1 + confidence) / 2) * se, least)
    return middle - half, middle + half


def _student(
    value: float,
    se: float,
    df: float,
    n: int,
    typical: float | None,
    share: float,
    confidence: float,
) -> Estimate:
    """With the floor; ``share``: the variance of the value in typical variances of one score."""
    least = FLOOR * (typical or 0.0) * math.sqrt(share) / quantile(df, (1 + CONFIDENCE) / 2)
    return student(value, max(se, least), df, n, confidence)
