"""P-values of an estimate against a limit, equivalence, and many claims at once.

One test, used three ways: (value − limit) / se against Student's t. An estimate without a
standard error (one seed, no spread) decides nothing: p = 1.
"""

from collections.abc import Sequence

from scipy.special import stdtr

from experiments.analysis.statistics.estimate import Estimate


def p_above(estimate: Estimate, limit: float = 0.0) -> float:
    """One-sided p of "the truth is at most ``limit``"; small where it is above."""
    if estimate.se is None or estimate.df is None:
        return 1.0
    return float(stdtr(estimate.df, -(estimate.value - limit) / estimate.se))


def p_below(estimate: Estimate, limit: float = 0.0) -> float:
    """One-sided p of "the truth is at least ``limit``"; small where it is below."""
    if estimate.se is None or estimate.df is None:
        return 1.0
    return float(stdtr(estimate.df, (estimate.value - limit) / estimate.se))


def p_differs(estimate: Estimate, limit: float = 0.0) -> float:
    """Two-sided p of "the truth is ``limit``"."""
    return min(1.0, 2 * min(p_above(estimate, limit), p_below(estimate, limit)))


def equivalence_p(estimate: Estimate, margin: float) -> float:
    """p of "the truth is ``margin`` or more away from 0": two one-sided tests (Schuirmann 1987)."""
    return intersection_p([p_above(estimate, -margin), p_below(estimate, margin)])


def intersection_p(p_values: Sequence[float]) -> float:
    """p of "one of these conditions fails": all must hold, so the worst decides, uncorrected."""
    return max(p_values)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm 1979), in the order given: those at most .05
    hold together with at most 5 % of one or more false."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
