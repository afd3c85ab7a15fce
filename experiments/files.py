"""Files that are written whole or not at all, locks, and where that lies that can be made again."""

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}")
"""What ``tempfile.mkstemp`` makes of a file's name."""


def write_atomic(
    path: Path, content: str | bytes | Callable[[BinaryIO], None], *, new_folder: bool = True
) -> None:
    """Write ``content`` to ``path``: a reader sees the old file or the new one, never a part.

    ``content`` may be text (UTF-8), bytes, or a function that writes to the open binary file.
    The bytes reach the disk before the name does, and the name before this returns. On an error (a
    full disk, say) the temporary file is removed, the old file stays, and the error is raised.
    Without ``new_folder`` a folder that is not there is such an error: somebody took it away.
    """
    path = Path(path)
    if new_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


LOOK_SECONDS = 0.5
"""How long :func:`locked` outlasts those that only look: :func:`is_locked` holds for an instant."""


class Locked(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[int]:
    """Hold the lock file ``path``; it goes with the process, however that ends.

    Gives the file's descriptor: a process that inherits it goes on holding. While another holds
    it, waits, or without ``wait`` raises :class:`Locked`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if wait:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            _lock_now(file.fileno(), path)
        yield file.fileno()


def _lock_now(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + LOOK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Locked(str(path)) from None
            time.sleep(0.001)
        else:
            return


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file ``path`` just now; it need not be writable."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk: after a power cut there is the old file or the new one."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def forget_temporary(folder: Path) -> None:
    """Remove what :func:`write_atomic` left in a folder when it was killed.

    For whoever alone writes there: another's write may be under way.
    """
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Where what can be made again is kept: ``radam`` among the person's other caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radam"


def portable(text: str, data_dir: Path) -> str:
    """``text`` with ``RADAM_DATA`` for the data folder: for results, which others will read."""
    return text.replace(str(data_dir), "RADAM_DATA")
