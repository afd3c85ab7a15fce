"""The one row that says what became of a run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.tracking.names import RESULT

Status = Literal["completed", "diverged", "failed", "interrupted"]
State = Literal[Status, "running", "queued", "killed", "missing"]
"""Also of a run without a result: ``queued``: handed to a launcher that has it still; ``killed``:
begun, and ended without a word; ``missing``: not begun. README explains all of them."""


class RunResult(BaseModel):
    """What became of a run, and everything needed to read it without the code that made it.

    Accuracies are in percent, losses in nats, times in seconds. A number that does not exist
    (the final metric of a diverged run, say) is None, never 0.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int
    run_id: str
    task: str
    protocol: str
    dataset: Literal["real", "standin"]
    setting: str
    """Model, data and length in a few words."""
    optimizer: str
    lr: float
    seed: int
    experiment: str | None
    status: Status
    at_chance: bool
    """The run is complete and its model has learned nothing."""
    metric: str
    direction: Literal["max", "min"]
    chance: float | None
    final: float | None
    """The metric on the test set after the last update."""
    best: float | None
    """The best test metric over all evaluations: the paper's way, without a validation split."""
    best_epoch: float | None
    validation_selected: float | None
    """The test metric where the validation metric was best, if a validation split exists."""
    train_loss: float | None
    updates: int
    epochs: float
    parameters: int
    wall_seconds: float
    examples_per_second: float | None
    started: str
    finished: str
    commit: str | None
    dirty: bool | None
    hardware: dict[str, Any]
    versions: dict[str, str]
    origin: str
    """Which data were read."""
    skipped: int = 0
    """Damaged examples that were left out, by choice."""
    error: str | None
    config: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write ``result.json``, whole or not at all."""
        write_atomic(folder / RESULT, self.model_dump_json(indent=2) + "\n")


def read_result(folder: Path) -> RunResult | None:
    """The result in a run's folder; None if there is none.

    Raises :class:`UserError` for one that cannot be read: damaged, or of another version of the
    suite. Taken for none, the run would be carried out again over it.
    """
    path = folder / RESULT
    try:
        return RunResult.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{path} is damaged or of another version of the suite ({where or 'file'}: "
            f"{first['msg']}); move {folder} away, or use the commit that wrote it"
        ) from error


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
