"""How many seeds a claim needs, by the noncentral t distribution."""

import math
from collections.abc import Callable

from scipy.special import nctdtr

from experiments.analysis.statistics.estimate import quantile

ONE_SIDED = 0.025
MOST_SEEDS = 1000


def power_above(
    effect: float, sd: float, n: int, *, icc: float = 0.0, arms: int = 2, level: float = ONE_SIDED
) -> float:
    """The probability that n seeds show a true ``effect`` (the truth minus the limit) to be
    above 0, one-sided at ``level``.

    ``arms``: 2 for a difference of two methods with ``sd`` each, 1 for a mean against a limit.
    ``icc``: of seeds that are compared in pairs; 0: two independent samples.
    """
    if n < 2:
        return 0.0
    paired = arms == 1 or icc > 0
    df = (n - 1) if paired else 2 * (n - 1)
    se = sd * math.sqrt(arms * (1 - icc) / n)
    return float(1 - nctdtr(df, effect / se, quantile(df, 1 - level)))


def power_equivalent(
    effect: float, sd: float, n: int, margin: float, *, icc: float = 0.0, level: float = ONE_SIDED
) -> float:
    """The probability that n seeds show two methods, ``effect`` apart, to be within ``margin``."""
    sides = (power_above(margin + sign * effect, sd, n, icc=icc, level=level) for sign in (1, -1))
    return max(0.0, sum(sides) - 1)


def seeds_to_show(
    effect: float,
    sd: float,
    power: float,
    *,
    icc: float = 0.0,
    arms: int = 2,
    level: float = ONE_SIDED,
) -> int | None:
    """The fewest seeds with that power; None if no number up to MOST_SEEDS has it."""
    return _fewest(lambda n: power_above(effect, sd, n, icc=icc, arms=arms, level=level), power)


def seeds_for_equivalence(
    effect: float,
    sd: float,
    margin: float,
    power: float,
    *,
    icc: float = 0.0,
    level: float = ONE_SIDED,
) -> int | None:
    """The fewest seeds that show two methods to be alike with that power; None likewise."""
    return _fewest(lambda n: power_equivalent(effect, sd, n, margin, icc=icc, level=level), power)


def _fewest(reached: Callable[[int], float], power: float) -> int | None:
    return next((n for n in range(2, MOST_SEEDS + 1) if reached(n) >= power), None)
