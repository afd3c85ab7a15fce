"""When a claim is looked at: at a number of seeds fixed beforehand, and once more at twice that.

Who adds seeds until a claim is decided decides it wrongly in the end. So the number of seeds is
part of the rule (``seeds`` in ``results/paper.yaml``): fewer decide nothing, and more are left out
until there are twice as many. Both looks are paid for from one budget.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.analysis.claims.conditions import LEVEL, MIN_SEEDS
from experiments.analysis.claims.evidence import Evidence
from experiments.analysis.claims.finding import Finding
from experiments.analysis.claims.paper import Claim, Comparison
from experiments.analysis.claims.samples import Sample
from experiments.analysis.statistics import seeds_for_equivalence, seeds_to_show, typical_sd

FIRST_LOOK, SECOND_LOOK = 0.7, 0.25
"""Shares of the level that the looks are tested at: so that with both, and in every one of the
worlds of docs/statistics.md, no more than the level is wrong."""

Rule = Callable[[Evidence], Finding]


@dataclass(frozen=True, eq=False)
class Looked:
    """What the looks at one section found."""

    finding: Finding
    """Of the look that says more, or of all seeds where there were too few for one."""
    p: float
    p_not: float
    tested: bool
    """Whether there were seeds enough for a look."""
    seeds: tuple[int, ...]
    """Those that every cell has, counted or not."""
    wanted: int | None
    """Seeds a cell that the next look needs; None where there is none."""


def look(rule: Rule, evidence: Evidence, seeds: int) -> Looked:
    """The rule at the planned number of seeds and at twice as many, as far as they are there."""
    found = rule(evidence.first(2 * seeds))
    if found.n is None or found.n < seeds:
        return Looked(found, 1.0, 1.0, False, found.seeds, seeds)
    first = rule(evidence.first(seeds)) if found.n > seeds else found
    if first.n is None or first.n < seeds:  # not the same seeds in every cell
        return Looked(found, 1.0, 1.0, False, found.seeds, seeds)
    p, p_not = first.p / FIRST_LOOK, first.p_not / FIRST_LOOK
    if found.n < 2 * seeds:
        return Looked(first, min(1.0, p), min(1.0, p_not), True, found.seeds, 2 * seeds)
    again, again_not = found.p / SECOND_LOOK, found.p_not / SECOND_LOOK
    if min(p, again) <= LEVEL and min(p_not, again_not) <= LEVEL:  # the looks disagree
        return Looked(found, 1.0, 1.0, True, found.seeds, None)
    shown = first if min(p, p_not) < min(again, again_not) else found
    return Looked(shown, min(1.0, p, again), min(1.0, p_not, again_not), True, found.seeds, None)


def glance(rule: Rule, evidence: Evidence) -> Looked:
    """The rule at all seeds, once: for runs that decide nothing anyway."""
    found = rule(evidence)
    if found.n is None or found.n < MIN_SEEDS:
        return Looked(found, 1.0, 1.0, False, found.seeds, None)
    return Looked(found, found.p, found.p_not, True, found.seeds, None)


def seeds_needed(claim: Claim, power: float, samples: Sequence[Sample] = ()) -> int | None:
    """The fewest seeds a cell with which the first look finds all that the claim says with that
    probability, if the paper is right and its comparisons come out independently; None if no number
    will do, or nothing is known of it. Neither the choice of α nor other claims are reckoned with.

    The SD over seeds is that of ``samples`` where they have two seeds, else the one assumed.
    """
    each = power ** (1 / max(1, len(claim.comparisons)))
    needed = [_needed(comparison, each, samples) for comparison in claim.comparisons]
    return None if not needed or None in needed else max(n for n in needed if n is not None)


def measured_sd(comparison: Comparison, samples: Sequence[Sample]) -> float | None:
    """The SD over seeds of the compared quantity in our runs, on its scale."""
    same = (s for s in samples if s.what == comparison.what and s.completed.sum() > 1)
    return typical_sd(s.scale.forward(s.values[s.completed]) for s in same)


def _needed(comparison: Comparison, power: float, samples: Sequence[Sample]) -> int | None:
    sd = measured_sd(comparison, samples) or comparison.sd
    level = LEVEL * FIRST_LOOK
    if comparison.equivalent:
        return seeds_for_equivalence(comparison.effect, sd, comparison.margin, power, level=level)
    beyond = comparison.effect - comparison.margin
    return seeds_to_show(beyond, sd, power, arms=comparison.arms, level=level)
