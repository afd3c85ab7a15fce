"""One run's folder in the store: its configuration, records, result, and who may write there."""

import fcntl
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from experiments.config.schema import RunConfig
from experiments.config.validate import from_dict
from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.tracking.result import RunResult, read_result

CONFIG, METRICS, LOCK = "config.yaml", "metrics.jsonl", "lock"


class Busy(UserError):
    """Another process is carrying out this run."""


class RunFolder:
    """``runs/<task>/<run-id>/``: ``config.yaml``, ``metrics.jsonl``, ``result.json``, a checkpoint,
    ``lock``; and what the run's task, its launcher and its mirror keep beside them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def result(self) -> RunResult | None:
        """What became of the run, if it has ended."""
        return read_result(self.path)

    @property
    def finished_result(self) -> RunResult | None:
        """The result if nothing is left to do: completed, or diverged, which is a result too."""
        result = self.result
        return result if result and result.status in ("completed", "diverged") else None

    @property
    def config(self) -> RunConfig:
        """The configuration that lies in the folder."""
        try:
            raw = yaml.safe_load((self.path / CONFIG).read_text())
        except (OSError, yaml.YAMLError) as error:
            raise UserError(f"{self.path / CONFIG}: cannot be read ({error})") from None
        return from_dict(raw)

    def write_config(self, config: RunConfig) -> None:
        """Write ``config.yaml``; what it says is enough to carry out the run."""
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        write_atomic(self.path / CONFIG, f"# run {config.run_id}\n{text}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one process; the lock goes with the process, however it ends.

        Raises :class:`Busy` if another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Busy(f"{self.path}: another process is carrying out this run") from None
            yield

    @property
    def busy(self) -> bool:
        """Whether a process holds the folder just now."""
        try:
            with (self.path / LOCK).open("rb") as file:  # so that a reader's store can be asked too
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False


class MetricsFile:
    """``metrics.jsonl``, append-only but for one case: a resumed run cuts it back to what its
    checkpoint knew, so that no record stands twice and no half-written line stays."""

    def __init__(self, folder: Path, keep_bytes: int) -> None:
        self.file = (folder / METRICS).open("ab")
        self.file.truncate(keep_bytes)

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one record; numbers that are not finite become null."""
        clean = {
            k: None if isinstance(v, float) and not math.isfinite(v) else v
            for k, v in event.items()
        }
        self.file.write(json.dumps(clean).encode() + b"\n")
        self.file.flush()

    def position(self) -> int:
        """Bytes written so far."""
        return self.file.tell()

    def close(self) -> None:
        """Close the file."""
        self.file.close()
