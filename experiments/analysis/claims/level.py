"""Whether a model of ours is as good as the paper's: ours − printed, with its interval.

The printed figure is taken as it stands: how far it would vary over seeds is hardly ever stated.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from experiments.analysis.claims.paper import Claim, Reported
from experiments.analysis.claims.samples import Sample
from experiments.analysis.statistics import Estimate

FAR = 5
"""Times the margin of a match by which a model is far below the paper's. An ordering of such
models supports no claim about the paper's."""

Says = Literal["matches", "higher", "lower", "undecided"]


@dataclass(frozen=True)
class Level:
    """One printed figure beside ours."""

    method: str
    what: str
    gap: Estimate | None
    """Ours − printed, in the figure's unit; None where every run diverged."""
    says: Says
    """``matches``: the whole interval lies within the margin of 0; else ``higher`` or ``lower``
    where it lies wholly above or below 0."""
    far_below: bool

    def __str__(self) -> str:
        if self.gap is None:
            return f"{self.what} of {self.method}: every run diverged"
        return f"{self.what} of {self.method}: {_signed(self.gap)} against the paper's: {self.says}"


def levels(claim: Claim, samples: Iterable[Sample]) -> list[Level]:
    """Of every sample for which the paper prints a figure that can be compared."""
    found = []
    for sample in samples:
        reported = _printed(claim, sample)
        if reported is not None and reported.within is not None:
            found.append(_level(sample, reported, reported.within))
    return found


def _printed(claim: Claim, sample: Sample) -> Reported | None:
    if sample.printed is None:
        return None
    what = sample.what.lower()
    for reported in claim.reported:
        same = reported.what.lower() in (what, what.removeprefix("test "))
        if reported.method == sample.printed and same:
            return reported
    raise AssertionError(f"results/paper.yaml prints no {sample.what} of {sample.printed}")


def _level(sample: Sample, reported: Reported, within: float) -> Level:
    found = sample.mean
    if found is None:
        return Level(reported.method, reported.what, None, "lower", True)
    gap = found.shifted(-reported.value)
    far = sample.sign * gap.value < -FAR * within
    return Level(reported.method, reported.what, gap, _says(gap, within), far)


def _says(gap: Estimate, within: float) -> Says:
    if gap.low is None or gap.high is None:
        return "undecided"
    if -within <= gap.low and gap.high <= within:
        return "matches"
    return "higher" if gap.low > 0 else "lower" if gap.high < 0 else "undecided"


def _signed(gap: Estimate) -> str:
    digits = 3 if abs(gap.value) < 0.1 else 2
    return ("+" if gap.value > 0 else "") + gap.text(digits)
