"""Files that are written whole or not at all, and where those lie that can be made again."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomic(path: Path, content: str | bytes | Callable[[BinaryIO], None]) -> None:
    """Write ``content`` to ``path``: a reader sees the old file or the new one, never a part.

    ``content`` may be text (UTF-8), bytes, or a function that writes to the open binary file.
    The bytes reach the disk before the name does. On an error (a full disk, say) the temporary
    file is removed, the old file stays, and the error is raised.
    """
    path = Path(path)
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
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def cache_folder() -> Path:
    """Where what can be made again is kept: ``radam`` among the person's other caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "radam"


def portable(text: str, data_dir: Path) -> str:
    """``text`` with ``RADAM_DATA`` for the data folder: for results, which others will read."""
    return text.replace(str(data_dir), "RADAM_DATA")
