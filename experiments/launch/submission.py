"""What was handed to a launcher: sweeps and their submissions, as folders of the store.

``runs/sweeps/<sweep>/sweep.json`` lists a sweep's runs; a submission is a folder beside it with
the runs that were handed over at one time. The runs' own folders say what became of them.
"""

import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from experiments.config.schema import RunConfig
from experiments.config.validate import as_word
from experiments.errors import UserError
from experiments.files import is_locked, locked, write_atomic
from experiments.launch.launcher import Launcher, LocalLauncher, SlurmLauncher

SWEEPS, SWEEP, LOCK = "sweeps", "sweep.json", "lock"
SUBMISSION, MEMBERS = "submission.json", "members.txt"
TABLE = "results.csv"
"""Of a sweep's results, once they are collected."""


class Labels(NamedTuple):
    """A run as people know it."""

    label: str
    setting: str
    """Without its seed."""


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name a file that cannot be read, in one line."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or "not as it was written"
        raise UserError(
            f"{path}: cannot be read ({reason}); move {path.parent} away and submit the same words "
            "again: what is finished is not run again"
        ) from None


@dataclass(frozen=True)
class Sweep:
    """A grid that was handed to a launcher: ``runs/sweeps/<name>``."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether it was handed to a launcher before."""
        return (self.path / SWEEP).exists()

    @property
    def written(self) -> str:
        """How to name it on the command line."""
        return self.name if self.store == Path("runs").absolute() else str(self.path)

    @property
    def store(self) -> Path:
        """The store that holds the sweep and its runs."""
        return self.path.parent.parent

    @property
    def runs(self) -> dict[str, Labels]:
        """The sweep's runs: folders relative to the store, and each in a few words."""
        with _readable(self.path / SWEEP):
            runs: dict[str, Any] = json.loads((self.path / SWEEP).read_text())["runs"]
            # Sweeps of before knew the whole label alone.
            return {k: Labels(w, w) if isinstance(w, str) else Labels(**w) for k, w in runs.items()}

    @property
    def submissions(self) -> list["Submission"]:
        """What was handed over, oldest first."""
        return [Submission(p.parent) for p in sorted(self.path.glob(f"*/{SUBMISSION}"))]

    def check(self, configs: Sequence[RunConfig]) -> None:
        """Raise :class:`UserError` if the folder holds another grid."""
        if self.exists and set(self.runs) != {run_key(c) for c in configs}:
            raise UserError(
                f"{self.path}: holds another grid ({len(self.runs)} runs; these words make "
                f"{len(configs)}, not the same); choose another sweep=NAME, or leave it out"
            )

    def write(self, overrides: Sequence[str], configs: Sequence[RunConfig]) -> None:
        """Write ``sweep.json``."""
        runs = {key: words._asdict() for key, words in labels_of(configs).items()}
        record = {"overrides": list(overrides), "runs": runs}
        write_atomic(self.path / SWEEP, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class Submission:
    """Runs that were handed over at one time: ``runs/sweeps/<sweep>/<submission>``."""

    path: Path

    @property
    def name(self) -> str:
        """``<sweep>.<submission>``, which is also the name of its jobs."""
        return f"{self.path.parent.name}.{self.path.name}"

    @property
    def store(self) -> Path:
        """The store that holds the runs."""
        return self.path.parent.parent.parent

    @property
    def record(self) -> dict[str, Any]:
        """``submission.json``: ``launcher``, ``commit``, ``code``."""
        with _readable(self.path / SUBMISSION):
            found: dict[str, Any] = json.loads((self.path / SUBMISSION).read_text())
            return found

    @property
    def launcher(self) -> Launcher:
        """Where the runs went."""
        raw = self.record
        with _readable(self.path / SUBMISSION):
            kind = LocalLauncher if raw["launcher"]["name"] == "local" else SlurmLauncher
            return kind.model_validate(raw["launcher"])

    @property
    def members(self) -> list[list[str]]:
        """The runs of each job, as folders relative to the store."""
        with _readable(self.path / MEMBERS):
            return [line.split() for line in (self.path / MEMBERS).read_text().splitlines()]

    @property
    def runs(self) -> list[str]:
        """The runs of all its jobs."""
        return [run for member in self.members for run in member]

    def held(self) -> AbstractContextManager[int]:
        """Hold the submission, as the local launcher does while it works.

        Gives the lock's file descriptor: a process that inherits it goes on holding.
        """
        return locked(self.path / LOCK)

    @property
    def is_held(self) -> bool:
        """Whether a local launcher is at work on it."""
        return is_locked(self.path / LOCK)


def run_key(config: RunConfig) -> str:
    """A run's folder relative to its store."""
    return f"{config.task.name}/{config.run_id}"


def labels_of(configs: Sequence[RunConfig]) -> dict[str, Labels]:
    """The runs of a grid in words, by :func:`run_key`; no two are called alike.

    Settings that would be are told apart by the fields in which they differ.
    """
    alike: dict[str, list[RunConfig]] = {}
    for config in configs:
        alike.setdefault(config.setting_label, []).append(config)
    found: dict[str, Labels] = {}
    for setting, group in alike.items():
        fields = [_leaves(config.identity) for config in group]
        names = [f for f in fields[0] if f != "seed" and len({own.get(f) for own in fields}) > 1]
        for config, own in zip(group, fields, strict=True):
            differing = ", ".join(f"{name.rpartition('.')[2]}={own.get(name)}" for name in names)
            words = f"{setting} ({differing})" if differing else setting
            found[run_key(config)] = Labels(f"{words} seed {config.seed}", words)
    return {run_key(config): found[run_key(config)] for config in configs}


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Fields by their dotted names, as the command line has them."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = as_word(value)
    return found


def sweep_of(configs: Sequence[RunConfig], name: str | None) -> Sweep:
    """The sweep of a grid: the same grid always finds the same folder.

    Raises :class:`UserError` if ``name`` cannot be a folder's name.
    """
    first = configs[0]
    if name is None:
        runs = "".join(sorted(c.run_id for c in configs))
        digest = hashlib.sha256(runs.encode()).hexdigest()[:8]
        name = f"{first.experiment or first.task.name}-{digest}"
    elif not re.fullmatch(r"[\w-]+", name):
        raise UserError(f"sweep={name}: write letters, digits, _ and - only")
    return Sweep(first.runner.runs_dir / SWEEPS / name)


def find_sweep(store: Path, name: str | None) -> Sweep:
    """A sweep by its name or folder; without one, the one that was submitted last.

    Raises :class:`UserError` if there is none.
    """
    if name is not None:
        path = Path(name) if "/" in name else store / SWEEPS / name
        if (path / SWEEP).exists():
            return Sweep(path.resolve())
    known = sorted((store / SWEEPS).glob(f"*/{SWEEP}"), key=lambda p: p.parent.stat().st_mtime)
    if name is not None:
        names = ", ".join(p.parent.name for p in known) or "none yet"
        raise UserError(f"{name}: no such sweep in {store / SWEEPS}; there are: {names}")
    if not known:
        raise UserError(f"{store / SWEEPS}: no sweep was submitted from here yet")
    return Sweep(known[-1].parent.resolve())


def new_submission(
    sweep: Sweep, launcher: Launcher, members: Sequence[Sequence[str]], facts: dict[str, Any]
) -> Submission:
    """Write the folder of a submission; nothing is handed over yet."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    submission = Submission(sweep.path / f"{stamp}-{secrets.token_hex(2)}")
    lines = "".join(" ".join(member) + "\n" for member in members)
    write_atomic(submission.path / MEMBERS, lines)
    record = {"launcher": launcher.model_dump(mode="json"), **facts}
    write_atomic(submission.path / SUBMISSION, json.dumps(record, indent=1) + "\n")
    return submission
