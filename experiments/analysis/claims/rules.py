"""The few comparisons of which every claim's rule is made, and when they say what.

A comparison has a 95 % interval over seeds and a margin fixed beforehand in the rule.
It is decided only where the interval lies wholly on one side; else it is ``undecided``. Fewer
than three seeds on either side never decide.

A diverged run takes part with the score of a model that learned nothing (``cells.py``).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from experiments.analysis.statistics import Estimate, Floats, difference, mean, number

MIN_SEEDS = 3


class Verdict(StrEnum):
    """What a rule says; in the words of docs/design.md."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    UNDECIDED = "undecided"
    NOT_RUN = "not run"


class NotRun(Exception):
    """What a rule needs is not in the store; the message says what."""


class Unclear(Exception):
    """The store has more than one thing that the rule could mean; the message says which."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One quantity of one method, one value a seed."""

    name: str
    """As ``RAdam, α = .1``."""
    what: str
    values: Floats
    direction: str
    diverged: int = 0
    digits: int = 2

    @property
    def mean(self) -> Estimate:
        """Over the seeds."""
        return mean(self.values)

    def __str__(self) -> str:
        lost = f", {self.diverged} diverged" if self.diverged else ""
        return f"{self.name} {self.mean.text(self.digits)}{lost}"


@dataclass(frozen=True)
class Condition:
    """One condition of a rule, with what was found."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, eq=False)
class Finding:
    """What a rule found: its verdict, our figures, and the conditions it rests on."""

    verdict: Verdict
    ours: tuple[str, ...]
    parts: tuple[Condition, ...]
    n: int | None
    """The smallest number of seeds; None where seeds do not come into it."""


def finding(samples: Iterable[Sample], parts: Iterable[Condition]) -> Finding:
    """All conditions must hold: one that fails decides against, one that is open leaves open."""
    samples, parts = tuple(samples), tuple(parts)
    seeds = min((len(sample.values) for sample in samples), default=None)
    ours = (
        f"{what}: {'; '.join(str(sample) for sample in samples if sample.what == what)}"
        for what in dict.fromkeys(sample.what for sample in samples)
    )
    return Finding(_all(parts), tuple(ours), parts, seeds)


def computed(ours: Iterable[str], parts: Iterable[Condition], n: int | None = None) -> Finding:
    """A finding whose figures are not plain means: told in words."""
    parts = tuple(parts)
    return Finding(_all(parts), tuple(ours), parts, n)


def _all(parts: tuple[Condition, ...]) -> Verdict:
    verdicts = [part.verdict for part in parts]
    if not verdicts:
        raise ValueError("a rule without a condition decides nothing")
    for verdict in (Verdict.NOT_SUPPORTED, Verdict.NOT_RUN, Verdict.UNDECIDED):
        if verdict in verdicts:
            return verdict
    return Verdict.SUPPORTED


def better(a: Sample, b: Sample, least: float) -> Condition:
    """A is better than B. ``least``: the smallest difference that counts as one.

    Supported if the interval of the difference lies above 0 and reaches ``least``; not supported
    if it lies below ``least``: so equal methods are told apart from few seeds.
    """
    gain, n = _gain(a, b), min(len(a.values), len(b.values))
    text = f"{a.name} better than {b.name} by {gain.text(a.digits)} (counts from {least:g})"
    if n >= MIN_SEEDS and math.isinf(gain.value):
        return Condition(_side(gain.value, gain.value), text)
    if n < MIN_SEEDS or gain.low is None or gain.high is None:
        return _too_few(text, n)
    if gain.high < least:
        return Condition(Verdict.NOT_SUPPORTED, text)
    return Condition(Verdict.SUPPORTED if gain.low > 0 else Verdict.UNDECIDED, text)


def as_good(a: Sample, b: Sample, margin: float) -> Condition:
    """A is as good as B or better, but for ``margin``: supported if the interval of A's advantage
    lies above −margin, not supported if it lies below."""
    gain = _gain(a, b)
    text = f"{a.name} as good as {b.name}: {gain.text(a.digits)} (margin {margin:g})"
    return _beyond(text, gain, -margin)


def larger(a: Sample, b: Sample, factor: float) -> Condition:
    """A is more than ``factor`` times B (for losses: both positive)."""
    gap, n = difference(a.values, factor * b.values), min(len(a.values), len(b.values))
    ratio = a.values.mean() / b.values.mean()
    text = f"{a.name} is {number(ratio)} times {b.name}, n = {n} (counts from {factor:g})"
    return _beyond(text, gap, 0.0)


def above(text: str, value: Estimate, limit: float) -> Condition:
    """A measured value lies above ``limit``."""
    return _beyond(f"{text}: {value.text()} (limit {limit:g})", value, limit)


def below(text: str, value: Estimate, limit: float) -> Condition:
    """A measured value lies below ``limit``."""
    part = above(text, value, limit)
    turned = {
        Verdict.SUPPORTED: Verdict.NOT_SUPPORTED,
        Verdict.NOT_SUPPORTED: Verdict.SUPPORTED,
    }
    return Condition(turned.get(part.verdict, part.verdict), part.text)


def holds(condition: bool, text: str) -> Condition:
    """A condition that is true or false without chance."""
    return Condition(Verdict.SUPPORTED if condition else Verdict.NOT_SUPPORTED, text)


def _gain(a: Sample, b: Sample) -> Estimate:
    """How much better A is, in the quantity's unit."""
    if a.direction == "max":
        return difference(a.values, b.values)
    return difference(b.values, a.values)


def _beyond(text: str, value: Estimate, limit: float) -> Condition:
    """Whether a value lies above ``limit``, beyond its interval; an infinite one needs none."""
    if value.n >= MIN_SEEDS and math.isinf(value.value):
        return Condition(_side(value.value, value.value), text)
    if value.n < MIN_SEEDS or value.low is None or value.high is None:
        return _too_few(text, value.n)
    return Condition(_side(value.low - limit, value.high - limit), text)


def _side(low: float, high: float) -> Verdict:
    if low > 0:
        return Verdict.SUPPORTED
    return Verdict.NOT_SUPPORTED if high < 0 else Verdict.UNDECIDED


def _too_few(text: str, n: int) -> Condition:
    seeds = "one seed" if n == 1 else f"{n} seeds"
    return Condition(Verdict.UNDECIDED, f"{text}; {seeds} decide nothing, {MIN_SEEDS} would")
