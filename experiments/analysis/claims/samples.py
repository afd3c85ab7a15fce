"""What is compared: one quantity of a method at one α, or at each of several."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.analysis.statistics import LINEAR, UNPAIRED, Estimate, Floats, Pairing, Scale, mean


@dataclass(frozen=True, eq=False)
class Sample:
    """One quantity of one method at one α, one value a seed."""

    name: str
    """As ``RAdam, α = .1``."""
    lr: float
    what: str
    values: Floats
    direction: str
    seeds: tuple[int, ...]
    completed: NDArray[np.bool_]
    """Which runs came to an end; the value of the others means nothing here."""
    scale: Scale = LINEAR
    digits: int = 2
    typical: float | None = None
    """The SD over seeds that is usual, on the scale (`statistics.typical_sd`)."""
    pairing: Pairing = UNPAIRED
    at_chance: int = 0
    """Runs that came to an end and have learned nothing."""
    printed: str | None = None
    """What the paper calls it where it prints its figure (``results/paper.yaml``)."""

    @property
    def diverged(self) -> int:
        """Runs that did not come to an end."""
        return len(self.values) - int(self.completed.sum())

    @property
    def mean(self) -> Estimate | None:
        """Over the completed runs, in the quantity's unit; None where there are none."""
        if not self.completed.any():
            return None
        return self.scale.back(mean(self.scale.forward(self.values[self.completed]), self.typical))

    def towards(self, sign: float) -> Floats:
        """The values on the scale, turned so that more of it is more of ``sign``; those of
        diverged runs are the worst completed one's."""
        scaled: Floats = sign * self.scale.forward(self.values)
        worst = scaled[self.completed].min() if sign == self.sign else scaled[self.completed].max()
        return np.where(self.completed, scaled, worst)

    @property
    def sign(self) -> float:
        """1 where more is better, −1 where less is."""
        return 1.0 if self.direction == "max" else -1.0

    def __str__(self) -> str:
        lost = f", {self.diverged} of {len(self.values)} diverged" if self.diverged else ""
        found = self.mean
        return f"{self.name}: {found.text(self.digits) if found else 'no score'}{lost}"


@dataclass(frozen=True, eq=False)
class Arm:
    """One method in a comparison: at one α, or at each of several, of which the best counts."""

    samples: tuple[Sample, ...]

    @property
    def best(self) -> Sample:
        """The sample with the best mean; one that diverges only where all do."""
        sound = [s for s in self.samples if s.completed.all()] or [
            s for s in self.samples if s.completed.any()
        ]
        if not sound:
            return self.samples[0]
        return max(sound, key=lambda s: s.sign * float(s.scale.forward(s.mean.value)))  # type: ignore[union-attr]  # completed runs have one

    @property
    def name(self) -> str:
        """As ``RAdam, α = .1``; of several cells with how many there were to choose from."""
        several = len(self.samples)
        return self.best.name + (f" (best of {several})" if several > 1 else "")

    @property
    def n(self) -> int:
        """The smallest number of seeds of a cell."""
        return min(len(sample.values) for sample in self.samples)
