"""The code that queued runs will be carried out with: a snapshot of one commit.

A run may begin days after it was submitted, when the checkout has moved on. So a submission lays
the commit's files down in the store, once a commit, and its runs use those.
"""

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import UserError
from experiments.files import locked
from experiments.tracking.provenance import COMMIT_FILE, ROOT

CODE = ("radam", "experiments", "configs")


@dataclass(frozen=True)
class Code:
    """Where a submission's runs find the suite, and which commit that is."""

    path: Path
    commit: str | None
    dirty: bool


def take_snapshot(store: Path, allow_dirty: bool) -> Code:
    """A snapshot of the checkout's commit under ``store``; the checkout itself if it is dirty.

    Raises :class:`UserError` if the code differs from its commit and ``allow_dirty`` is not set.
    """
    revision = _git("rev-parse", "HEAD")
    if revision is None:  # a snapshot already, an unpacked archive, or no git to ask
        return Code(ROOT, None, False)
    commit = revision.decode().strip()
    changes = (_git("status", "--porcelain", "--", *CODE) or b"").decode().splitlines()
    if not changes:
        return Code(_copy(store, commit), commit, False)
    if allow_dirty:
        return Code(ROOT, commit, True)
    names = ", ".join(line[3:] for line in changes[:3]) + (", ..." if changes[3:] else "")
    raise UserError(
        f"the code differs from commit {commit[:9]} ({names}); commit it, or write "
        "allow_dirty=true: the results will say so"
    )


def _git(*arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True)
    except OSError:  # no git here
        return None
    return done.stdout if done.returncode == 0 else None


def _copy(store: Path, commit: str) -> Path:
    path = store.resolve() / ".code" / commit
    if path.exists():
        return path
    archive = _git("archive", "--format=tar", commit)
    if archive is None:
        raise UserError(f"git archive {commit}: failed; is the repository whole?")
    with locked(path.parent / "lock"):
        if path.exists():  # another submission was faster
            return path
        building = path.parent / "building"
        shutil.rmtree(building, ignore_errors=True)  # of one that was killed
        building.mkdir()
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(building, filter="data")
        (building / COMMIT_FILE).write_text(commit + "\n")
        building.rename(path)
    return path
