"""What a study has come to as one file, with which it goes on on another machine.

Outcomes, logs and figures of the study; of each run configuration, records and result; at the very
end the checkpoints of the runs that are not done.
"""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.tracking.names import CONFIG, LOG, METRICS, RESULT

RUNS, STUDY = "runs", "study"
KEPT = (CONFIG, RESULT, METRICS, LOG)
TENSORS = "*.pt"
"""Checkpoints, and what a run keeps of its last epochs."""


def pack(archive: Path, store: Path, study: Path) -> None:
    """Write the archive, whole or not at all. No run may be going on."""
    folders = sorted(path.parent for path in store.glob(f"*/*/{CONFIG}"))
    files = [
        *((path, f"{STUDY}/{path.relative_to(study)}") for path in _of_study(study, archive)),
        *(_of_store(folder / name, store) for folder in folders for name in KEPT),
        *(
            _of_store(path, store)
            for folder in folders
            if not is_done(folder)
            for path in sorted(folder.glob(TENSORS))
        ),
    ]

    def write(file: BinaryIO) -> None:
        with tarfile.open(fileobj=file, mode="w") as made:
            for path, name in files:
                if path.exists():
                    made.add(path, name)

    write_atomic(archive, write)


def _of_study(study: Path, archive: Path) -> Iterator[Path]:
    for path in sorted(study.rglob("*")):
        if path.is_file() and path != archive and (study / "site") not in path.parents:
            yield path


def _of_store(path: Path, store: Path) -> tuple[Path, str]:
    return path, f"{RUNS}/{path.relative_to(store)}"


def unpack(archive: Path, store: Path, study: Path) -> int:
    """Take over from the archive what is further there than here; returns how many runs.

    A run that is done here stays, and of two that are not the one with more records. Files of the
    study stay too where there are any. Raises :class:`UserError` for one that cannot be read.
    """
    with tempfile.TemporaryDirectory(dir=_made(store), prefix=".unpacked-") as name:
        unpacked = Path(name)
        try:
            with tarfile.open(archive) as packed:
                packed.extractall(unpacked, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise UserError(f"{archive}: cannot be read ({error}); carry it here again") from None
        for path in (unpacked / STUDY).rglob("*"):
            target = study / path.relative_to(unpacked / STUDY)
            if path.is_file() and not target.exists():
                _made(target.parent)
                path.replace(target)
        taken = 0
        for path in sorted(path.parent for path in unpacked.glob(f"{RUNS}/*/*/{CONFIG}")):
            target = store / path.relative_to(unpacked / RUNS)
            if not is_done(target) and (is_done(path) or _records(path) > _records(target)):
                shutil.rmtree(target, ignore_errors=True)
                _made(target.parent)
                path.rename(target)
                taken += 1
        return taken


def is_done(folder: Path) -> bool:
    """Whether nothing is left to do of a run: completed, or diverged, which is a result too."""
    try:
        status: str = json.loads((folder / RESULT).read_text())["status"]
    except (OSError, ValueError, KeyError):
        return False
    return status in ("completed", "diverged")


def _records(folder: Path) -> int:
    path = folder / METRICS
    return path.stat().st_size if path.exists() else -1


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
