"""What is due at an update: a pure function of its number, the run's length and its protocol."""

from dataclasses import dataclass

from experiments.config.length import Length
from experiments.config.schema import RunConfig


@dataclass(frozen=True)
class Due:
    """What follows an update."""

    last: bool
    """Nothing comes after it."""
    record: bool
    """A training record: at the end of an epoch, and every so many updates where asked."""
    keep_epoch: bool
    """The model is kept for the average: a whole epoch is over."""
    evaluate: bool
    """The held-out splits: every so many epochs, and at the end."""


@dataclass(frozen=True)
class Cadence:
    """When things are due in a run.

    Attributes:
        length: the run's; an epoch that the run ends in counts as over.
        record_every: updates between two training records beside those of epochs, or None.
        eval_every: epochs between two evaluations.
        average_epochs: last epochs whose models are averaged; 0: none is kept.
    """

    length: Length
    record_every: int | None
    eval_every: int
    average_epochs: int

    @classmethod
    def of(cls, config: RunConfig, length: Length) -> "Cadence":
        """That of a run."""
        protocol = config.protocol
        return cls(length, config.runner.record_every, protocol.eval_every, protocol.average_epochs)

    def at(self, update: int) -> Due:
        """What is due after update ``update`` = 1, 2, ..., ``length.updates``."""
        last = update == self.length.updates
        epochs, rest = divmod(update, self.length.updates_per_epoch)
        whole_epoch = rest == 0
        return Due(
            last=last,
            record=whole_epoch or last or self._asked_for(update),
            keep_epoch=whole_epoch and self.average_epochs > 0,
            evaluate=last or (whole_epoch and epochs % self.eval_every == 0),
        )

    def _asked_for(self, update: int) -> bool:
        return self.record_every is not None and update % self.record_every == 0
