"""One run's folder in the store: its configuration, records, result, and who may write there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from experiments.config.schema import RunConfig
from experiments.config.validate import from_dict
from experiments.errors import UserError
from experiments.files import Locked, is_locked, locked, write_atomic
from experiments.tracking.names import CONFIG, DATA, LOCK
from experiments.tracking.result import RunResult, read_result


class Busy(UserError):
    """Another process is carrying out this run."""


class DamagedData(UserError):
    """What a run remembers of its data cannot be read."""


class Gone(UserError):
    """A run's folder is not the one any more that its process began to write to."""


class RunFolder:
    """``runs/<task>/<run-id>/``: ``config.yaml``, ``metrics.jsonl``, ``result.json``, a checkpoint,
    ``lock``; and what the run's task, its launcher and its mirror keep beside them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

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
        """The configuration that lies in the folder, for a run there, wherever the store is now.

        Raises :class:`UserError` if it cannot be read, or is of another run than the folder.
        """
        path = self.path / CONFIG
        remedy = "put it back, or submit the run's words again, which writes it anew"
        try:
            raw = yaml.safe_load(path.read_text())
            if not isinstance(raw, dict):
                raise UserError("it holds no fields")
            config = from_dict(raw)
            runner = config.runner.model_copy(update={"runs_dir": self.path.parent.parent})
            config = config.model_copy(update={"runner": runner})
            own = config.folder == self.path
        except (OSError, ValueError, yaml.YAMLError, UserError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise UserError(f"{path}: cannot be read ({reason}); {remedy}") from None
        if not own:
            raise UserError(
                f"{path}: is of the run {config.task.name}/{config.run_id}, not of its folder's: "
                f"it was changed or moved; {remedy}"
            )
        return config

    def write_config(self, config: RunConfig) -> None:
        """Write ``config.yaml``; what it says is enough to carry out the run."""
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        write_atomic(self.path / CONFIG, f"# run {config.run_id}\n{text}")

    @property
    def data(self) -> dict[str, str] | None:
        """What the run remembers of its data: ``digest`` and ``origin``; None if nothing."""
        try:
            found = json.loads((self.path / DATA).read_bytes())
            return {name: str(found[name]) for name in ("digest", "origin")}
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise DamagedData(
                f"{self.path / DATA}: cannot be read; put it back, or remove it if the data are "
                "those of before"
            ) from None

    def write_data(self, digest: str, origin: str) -> None:
        """Remember which data the run reads."""
        content = {"digest": digest, "origin": origin}
        write_atomic(self.path / DATA, json.dumps(content, indent=2) + "\n")

    def check_data(self, digest: str, what: str) -> None:
        """Refuse other data than the run remembers; ``what``: these, in words.

        Raises :class:`UserError`.
        """
        before = self.data
        if before is not None and before["digest"] != digest:
            raise UserError(
                f"{self.path}: this run reads other data ({before['origin']}) than are here now "
                f"({what}); name the folder of those with RADAM_DATA=..., or another store with "
                "runner.runs_dir=..., or remove the run's folder to carry it out anew"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one process; the lock goes with the process, however it ends.

        Raises :class:`Busy` if another process holds it.
        """
        try:
            with locked(self.path / LOCK, wait=False) as self._lock:
                yield
        except Locked:
            raise Busy(f"{self.path}: another process is carrying out this run") from None
        finally:
            self._lock = None

    @property
    def is_ours(self) -> bool:
        """Whether the folder that this process holds is still there, and still this one."""
        if self._lock is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._lock), (self.path / LOCK).stat())
        except OSError:
            return False

    @property
    def busy(self) -> bool:
        """Whether a process holds the folder just now."""
        return is_locked(self.path / LOCK)
