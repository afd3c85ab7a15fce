"""The few comparisons of which every claim's rule is made, and when they hold.

A comparison has a margin, fixed beforehand in the rule, and two p-values: ``p`` of "it does not
hold", ``p_not`` of "it does". It holds where p ≤ LEVEL: then at most 5 % of comparisons hold whose
truth lies just short of the margin, and at most 2.5 % of those with no effect at all. Where both
are larger it is undecided. Seeds are paired where the section shows that they are alike.

A diverged run has no score to average. A method that diverges is never better than another, nor
as good; one that it is compared with is taken to have done there what its worst completed run did.
If it never came to an end, what is tested is that it diverges in more than a fifth of its runs.
"""

import math
from dataclasses import dataclass

import numpy as np

from experiments.analysis.claims.samples import Arm, Sample
from experiments.analysis.claims.verdict import Verdict
from experiments.analysis.statistics import (
    LOG,
    UNPAIRED,
    Contrast,
    Floats,
    Pairing,
    contrast_of_best,
    contrast_of_spread,
    mean,
    number,
    p_above,
)

LEVEL = 0.05
"""Of a verdict. Against "no effect at all" a comparison is tested at half of it."""

MIN_SEEDS = 3
"""Fewer decide nothing."""


SKEWED = 2.5
"""What p of a mean against a limit is multiplied by. The errors of two methods that are skewed
alike cancel in their difference; a mean's do not, and where scores are as skewed as an exponential
distribution its t test is wrong up to 2.5 times as often as it says (docs/statistics.md)."""

OFTEN = 0.2
"""Share of runs from which a method that diverges is worse than one that does not."""


@dataclass(frozen=True)
class Condition:
    """One condition of a rule, with what was found."""

    text: str
    p: float
    """Of "the condition does not hold"."""
    p_not: float
    """Of "the condition holds"."""

    @property
    def verdict(self) -> Verdict:
        """Of this condition by itself."""
        if self.p <= LEVEL:
            return Verdict.SUPPORTED
        return Verdict.NOT_SUPPORTED if self.p_not <= LEVEL else Verdict.UNDECIDED


def better(a: Arm, b: Arm, least: float) -> Condition:
    """A's best is better than B's by more than ``least``, the smallest difference that counts; on
    the quantity's scale: of perplexities a difference of logarithms."""
    gap, p, p_not = _compared(a, b, least, spend_on_zero=True)
    text = f"{a.name} better than {b.name} by {gap} (counts from {_limit(a, least)})"
    return Condition(f"{text}; {_ps(p, p_not)}", p, p_not)


def as_good(a: Arm, b: Arm, margin: float) -> Condition:
    """A's best is not worse than B's by ``margin`` or more."""
    gap, p, p_not = _compared(a, b, -margin)
    text = f"{a.name} as good as {b.name}: ahead by {gap} (margin {_limit(a, margin)})"
    return Condition(f"{text}; {_ps(p, p_not)}", p, p_not)


def varies_more(a: Arm, b: Arm, least: float) -> Condition:
    """A's scores differ more over its cells than B's do, by more than ``least``.

    Both need the same seeds in all cells. B must not diverge anywhere; where A does in every run
    of a cell, what is tested is that it does so in more than a fifth of them."""
    names = [arm.samples[0].name.split(",")[0] for arm in (a, b)]
    text = f"{names[0]} varies more than {names[1]} over {len(a.samples)} cells"
    if any(sample.diverged for sample in b.samples):
        every = any(not sample.completed.any() for sample in b.samples)
        p_not = OFTEN**b.n if every else 1.0
        return Condition(f"{text}: {names[1]} diverges at some; {_ps(1.0, p_not)}", 1.0, p_not)
    if (lost := _lost(a, text)) is not None:
        return lost
    one, other = _table(a, lenient=False), _table(b, lenient=False)
    if one is None or other is None or min(len(one), len(other)) < 2:
        return Condition(f"{text}: not the same seeds in every cell", 1.0, 1.0)
    found = contrast_of_spread(one, other, a.samples[0].typical, a.samples[0].pairing.icc)
    p, p_not = _p_of_more(found, least), _p_of_less(a, found, least)
    gap = found.estimate.text(a.samples[0].digits)
    return Condition(
        f"{text}: spread larger by {gap} (counts from {least:g}); {_ps(p, p_not)}", p, p_not
    )


def varies(a: Arm, least: float) -> Condition:
    """A's scores differ over its cells by more than ``least``."""
    table, sample = _table(a, lenient=False), a.samples[0]
    text = f"{sample.name.split(',')[0]} varies over {len(a.samples)} cells"
    if (lost := _lost(a, text)) is not None:
        return lost
    if table is None or len(table) < 2:
        return Condition(f"{text}: not the same seeds in every cell", 1.0, 1.0)
    found = contrast_of_spread(table, 0 * table, sample.typical, sample.pairing.icc)
    p, p_not = _p_of_more(found, least), _p_of_less(a, found, least)
    return Condition(
        f"{text}: spread {found.estimate.text(sample.digits)} (counts from {least:g}); "
        f"{_ps(p, p_not)}",
        p,
        p_not,
    )


def _p_of_more(found: Contrast, least: float) -> float:
    return max(found.p_above(least), min(1.0, 2 * found.p_above(0.0)))


def _p_of_less(a: Arm, found: Contrast, least: float) -> float:
    """A cell in which runs diverged is not in the table, and may be the worst of all."""
    return 1.0 if any(sample.diverged for sample in a.samples) else found.p_below(least)


def _lost(a: Arm, text: str) -> Condition | None:
    """That A varies, where every run of one of its cells diverged, and not of all."""
    lost = [not sample.completed.any() for sample in a.samples]
    if not any(lost) or all(lost):
        return None
    p = OFTEN**a.n
    return Condition(f"{text}: it diverges at some; {_ps(p, 1.0)}", p, 1.0)


def above(sample: Sample, limit: float) -> Condition:
    """A measured quantity lies above ``limit`` (in its own unit)."""
    p, p_not = _against(sample, limit, 1.0), _against(sample, limit, -1.0)
    text = f"{sample.what} of {sample}, above {limit:g}"
    return Condition(f"{text}; {_ps(p, p_not)}", p, p_not)


def below(sample: Sample, limit: float) -> Condition:
    """A measured quantity lies below ``limit``."""
    p, p_not = _against(sample, limit, -1.0), _against(sample, limit, 1.0)
    text = f"{sample.what} of {sample}, below {limit:g}"
    return Condition(f"{text}; {_ps(p, p_not)}", p, p_not)


def holds(condition: bool, text: str) -> Condition:
    """A condition that is true or false without chance."""
    return Condition(text, 0.0 if condition else 1.0, 1.0 if condition else 0.0)


def _compared(
    a: Arm, b: Arm, limit: float, spend_on_zero: bool = False
) -> tuple[str, float, float]:
    """The difference as text, and the p-values of "at most ``limit``" and "at least ``limit``"."""
    p, found = _superior(a, b, limit)
    if spend_on_zero:
        p = max(p, min(1.0, 2 * _superior(a, b, 0.0)[0]))
    p_not, _ = _superior(b, a, -limit)
    return _gain(a.best, found), p, p_not


def _superior(a: Arm, b: Arm, limit: float) -> tuple[float, Contrast | None]:
    """p of "A's best is better than B's by at most ``limit``"; A's runs must all have come to an
    end where it is chosen, and B's that did not count as its worst one that did."""
    ours, theirs = _table(a, lenient=False), _table(b, lenient=True)
    if ours is None:
        return 1.0, None
    if theirs is None:  # B never came to an end
        return (1.0 if any(s.completed.any() for s in b.samples) else OFTEN**b.n), None
    found = contrast_of_best(ours, theirs, _pairs(a, b), a.samples[0].typical)
    return found.p_above(limit), found


def _table(arm: Arm, lenient: bool) -> Floats | None:
    """The arm's scores as (cells, seeds), more is better; over the seeds that all cells have. Cells
    with a diverged run stay out, unless ``lenient``: then those in which every run did."""
    kept = [s for s in arm.samples if (s.completed.any() if lenient else s.completed.all())]
    if not kept:
        return None
    common = sorted(set.intersection(*(set(sample.seeds) for sample in kept)))
    if len(common) < MIN_SEEDS:
        return None
    rows = []
    for sample in kept:
        scores = dict(zip(sample.seeds, sample.towards(sample.sign), strict=True))
        rows.append([scores[seed] for seed in common])
    return np.array(rows)


def _pairs(a: Arm, b: Arm) -> Pairing:
    """The section's pairing where both arms have the same seeds."""
    seeds = {sample.seeds for arm in (a, b) for sample in arm.samples}
    return a.samples[0].pairing if len(seeds) == 1 else UNPAIRED


def _against(sample: Sample, limit: float, sign: float) -> float:
    """p of "the mean times ``sign`` is at most ``limit`` times ``sign``"."""
    bad = sign != sample.sign  # a diverged run is worse than any limit
    if not sample.completed.any():
        return OFTEN ** len(sample.values) if bad else 1.0
    if sample.diverged and not bad:
        return 1.0
    found = mean(sample.towards(sign), sample.typical)
    return min(1.0, SKEWED * p_above(found, sign * float(sample.scale.forward(limit))))


def _gain(sample: Sample, found: Contrast | None) -> str:
    if found is None:
        return "–"
    if sample.scale is LOG:
        share = LOG.back(found.estimate).shifted(-1.0).times(100)
        return share.text(1).replace(", n", " %, n", 1)
    return found.estimate.text(sample.digits)


def _limit(arm: Arm, limit: float) -> str:
    return f"{100 * math.expm1(limit):.2g} %" if arm.samples[0].scale is LOG else f"{limit:g}"


def _ps(p: float, p_not: float) -> str:
    """The p-value of the side that was found."""
    return f"p {_is(p)}" if p <= p_not else f"against it p {_is(p_not)}"


def _is(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


def p_text(p: float) -> str:
    """``.013``, ``< .001``."""
    return "< .001" if p < 0.001 else number(p, 3).removeprefix("0")
