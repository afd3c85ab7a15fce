"""The one row that says what became of a run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.tracking.names import RESULT

Status = Literal["completed", "diverged", "failed", "interrupted"]
RunState = Literal[Status, "running", "queued", "killed", "missing", "damaged"]
"""Also of a run without a result: ``queued``: handed to a launcher that has it still; ``killed``:
begun, and ended without a word; ``missing``: not begun; ``damaged``: its result cannot be read.
README explains all of them."""


SUMMARY, TABLE = "summary", "table"
"""Marks of fields: in the summary of a run mirrored to W&B; in the page's table of runs."""


class DamagedResult(UserError):
    """A ``result.json`` that cannot be read, or is not of the run whose folder it is in."""


class RunResult(BaseModel):
    """What became of a run, and everything needed to read it without the code that made it.

    Accuracies are in percent, losses in nats, times in seconds. A number that does not exist
    (the final metric of a diverged run, say) is None, never 0.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int
    run_id: Annotated[str, TABLE]
    task: str
    protocol: str
    dataset: Literal["real", "standin"]
    setting: Annotated[str, SUMMARY]
    """Model, data and length in a few words."""
    optimizer: str
    lr: Annotated[float, TABLE]
    seed: Annotated[int, TABLE]
    experiment: Annotated[str | None, TABLE]
    status: Annotated[Status, SUMMARY, TABLE]
    at_chance: Annotated[bool, SUMMARY, TABLE]
    """The run is complete and its model has learned nothing."""
    metric: Annotated[str, SUMMARY]
    direction: Annotated[Literal["max", "min"], SUMMARY]
    chance: float | None
    final: Annotated[float | None, SUMMARY, TABLE]
    """The metric on the test set after the last update."""
    best: Annotated[float | None, SUMMARY, TABLE]
    """The best test metric over all evaluations: the paper's way, without a validation split."""
    best_epoch: Annotated[float | None, SUMMARY]
    validation_selected: Annotated[float | None, SUMMARY, TABLE]
    """The test metric where the validation metric was best, if a validation split exists."""
    train_loss: Annotated[float | None, SUMMARY, TABLE]
    updates: Annotated[int, SUMMARY, TABLE]
    epochs: Annotated[float, SUMMARY, TABLE]
    parameters: Annotated[int, SUMMARY, TABLE]
    wall_seconds: Annotated[float, SUMMARY, TABLE]
    examples_per_second: Annotated[float | None, SUMMARY, TABLE]
    started: Annotated[str, SUMMARY, TABLE]
    finished: Annotated[str, SUMMARY, TABLE]
    commit: Annotated[str | None, TABLE]
    dirty: Annotated[bool | None, TABLE]
    hardware: Annotated[dict[str, Any], TABLE]
    versions: Annotated[dict[str, str], TABLE]
    origin: Annotated[str, SUMMARY]
    """Which data were read."""
    data: str | None = None
    """Their digest; runs of before have none."""
    skipped: int = 0
    """Damaged examples that were left out, by choice."""
    damage: str = ""
    """What of the run was found damaged on the way and done again."""
    error: Annotated[str | None, SUMMARY, TABLE]
    config: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write ``result.json``, whole or not at all."""
        write_atomic(folder / RESULT, self.model_dump_json(indent=2) + "\n", new_folder=False)


def marked(mark: str) -> tuple[str, ...]:
    """The fields with a mark, in their order."""
    return tuple(name for name, field in RunResult.model_fields.items() if mark in field.metadata)


def read_result(folder: Path) -> RunResult | None:
    """The result in a run's folder; None if there is none.

    Raises :class:`DamagedResult` for one that cannot be read (damaged, or of another version of the
    suite) and for another run's, in a folder that was copied. Taken for none, the run would be
    carried out again over it; taken as it is, a run would count twice.
    """
    path = folder / RESULT
    try:
        result = RunResult.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DamagedResult(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DamagedResult(
            f"{path} is damaged or of another version of the suite ({where or 'file'}: "
            f"{first['msg']}); put it back, use the commit that wrote it, or move it away: the run "
            "then goes on from its checkpoint"
        ) from error
    if (result.task, result.run_id) != folder.absolute().parts[-2:]:
        raise DamagedResult(
            f"{path} is of the run {result.task}/{result.run_id}, not of its folder's; move a copy "
            "out of the store"
        )
    return result


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
