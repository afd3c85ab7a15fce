"""CIFAR-10 as published and as torchvision keeps it: pickles in a folder or in the archive."""

import hashlib
import pickle
import tarfile
import zlib
from pathlib import Path

import numpy as np

from experiments.errors import UserError
from experiments.tasks.cifar10.published import BATCH_ROWS, BATCHES, PublishedBatch, Rows, damaged

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"


def md5_of(file: Path) -> str:
    """Return the hexadecimal md5 of a file, here a checksum and nothing more."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, _md5).hexdigest()


def read_folder(folder: Path) -> Rows:
    """Read the six batches of ``cifar-10-batches-py/``; UserError on a missing or wrong one."""
    rows = Rows.empty()
    for batch in BATCHES:
        file = folder / batch.name
        if not file.is_file():
            raise UserError(f"{file} is missing: complete the folder {folder}, or remove it.")
        _read_pickle(file.read_bytes(), batch, file, rows)
    return rows


def read_archive(archive: Path) -> Rows:
    """Read the six batches out of ``cifar-10-python.tar.gz``, unpacking nothing to the disk.

    Raises:
        UserError: the archive cannot be read to its end, or a batch is missing or wrong.
    """
    rows = Rows.empty()
    wanted = {f"{FOLDER}/{batch.name}": batch for batch in BATCHES}
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                batch = wanted.pop(member.name.removeprefix("./"), None)
                stream = members.extractfile(member) if batch else None
                if batch and stream:
                    _read_pickle(stream.read(), batch, f"{archive} ({member.name})", rows)
        problem = f"{', '.join(wanted)} is not in it" if wanted else None
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        problem = f"it cannot be unpacked ({error})"
    if problem:
        raise damaged(archive, problem, expected=f"md5 {ARCHIVE_MD5}", found=md5_of(archive))
    return rows


def _read_pickle(content: bytes, batch: PublishedBatch, where: Path | str, rows: Rows) -> None:
    """Check one batch and put its images and labels in their place in ``rows``."""
    found = _md5(content).hexdigest()
    if found != batch.md5:
        raise damaged(where, "the file's checksum", expected=f"md5 {batch.md5}", found=found)
    # Only now: unpickling runs what the file says.
    entry = pickle.loads(content, encoding="latin1")
    start = BATCHES.index(batch) * BATCH_ROWS
    rows.pixels[start : start + BATCH_ROWS] = entry["data"].reshape(-1, 3, 32, 32)
    rows.labels[start : start + BATCH_ROWS] = np.asarray(entry["labels"], np.uint8)


def _md5(content: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)
