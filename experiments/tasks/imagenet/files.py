"""Labelled pictures that stay encoded until they are needed: in folders, or in Arrow tables."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from experiments.errors import UserError

SUFFIXES = (".jpeg", ".jpg", ".png")


class Pictures(Protocol):
    """The encoded pictures of one split, and their classes."""

    @property
    def labels(self) -> Tensor:
        """int64 [n], 0 to classes − 1."""

    def name(self, index: int) -> str:
        """The picture's name, for people."""

    def read(self, index: int) -> Tensor:
        """The encoded bytes, uint8 [bytes]. Raises OSError."""

    def stamp(self, index: int) -> str:
        """A word that differs if the picture has changed."""

    def digest(self) -> str:
        """A word that is the same for the same pictures wherever they lie."""

    def keep(self, indices: Tensor) -> "Pictures":
        """The pictures at ``indices`` alone, in that order."""


@dataclass(frozen=True, eq=False)
class FolderPictures:
    """torchvision's ``ImageFolder`` layout: ``root/<class>/<picture>``, both in sorted order."""

    root: Path
    paths: np.ndarray
    """Paths below the root as fixed-width bytes: forked workers share one array, not a list."""
    labels: Tensor

    def name(self, index: int) -> str:
        """The whole path."""
        return str(self.root / os.fsdecode(self.paths[index]))

    def read(self, index: int) -> Tensor:
        """The file."""
        content = np.fromfile(self.name(index), dtype=np.uint8)
        return torch.from_numpy(content)

    def stamp(self, index: int) -> str:
        """Path, size and time of the last change."""
        name = os.fsdecode(self.paths[index])
        try:
            facts = Path(self.name(index)).stat()
        except OSError as error:  # a dangling link, say: found to be damaged when it is read
            return f"{name} {error.strerror}"
        return f"{name} {facts.st_size} {facts.st_mtime_ns}"

    def digest(self) -> str:
        """Of names and sizes: their content is looked at where damage is looked for."""
        digest = hashlib.sha256()
        with ThreadPoolExecutor() as pool:  # on a network's disk each file waits
            for line in pool.map(self._size, range(len(self.labels)), chunksize=256):
                digest.update(line)
        return digest.hexdigest()[:12]

    def _size(self, index: int) -> bytes:
        return f"{self.paths[index]!r} {Path(self.name(index)).stat().st_size}\n".encode()

    def keep(self, indices: Tensor) -> "FolderPictures":
        """The files at ``indices`` alone."""
        return FolderPictures(self.root, self.paths[indices.numpy()], self.labels[indices])


@dataclass(frozen=True, eq=False)
class TablePictures:
    """Rows of a Hugging Face dataset whose pictures are not decoded (``Image(decode=False)``)."""

    table: Any
    labels: Tensor
    rows: np.ndarray

    def name(self, index: int) -> str:
        """The row, and the file's original name where the table has it."""
        row = int(self.rows[index])
        return f"row {row} ({self.table[row]['image']['path'] or 'no name'})"

    def read(self, index: int) -> Tensor:
        """The row's bytes."""
        content = self.table[int(self.rows[index])]["image"]["bytes"]
        return torch.frombuffer(bytearray(content), dtype=torch.uint8)

    def stamp(self, index: int) -> str:
        """Table and row: a table's content never changes."""
        return f"{self.table._fingerprint} {self.rows[index]}"

    def digest(self) -> str:
        """Of the labels: the hub's table has a name and a revision of its own."""
        return hashlib.sha256(self.labels.numpy().tobytes()).hexdigest()[:12]

    def keep(self, indices: Tensor) -> "TablePictures":
        """The rows at ``indices`` alone."""
        return TablePictures(self.table, self.labels[indices], self.rows[indices.numpy()])


def class_folders(root: Path) -> list[str]:
    """The classes of an ``ImageFolder``: its sub-folders, sorted, as torchvision numbers them."""
    try:
        return sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    except OSError as error:
        raise UserError(f"{root}: cannot be read ({error.strerror})") from None


def read_folder(root: Path, classes: Sequence[str], per_class: int | None) -> FolderPictures:
    """The pictures of ``classes``, the first ``per_class`` of each by name; None: all.

    Nothing is opened. A class's number is its place in ``classes``.
    """
    paths: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        try:
            files = sorted(
                entry.name
                for entry in os.scandir(root / name)
                if entry.name.lower().endswith(SUFFIXES)
            )
        except OSError as error:
            raise UserError(f"{root / name}: cannot be read ({error.strerror})") from None
        paths += [os.fsencode(f"{name}/{file}") for file in files[:per_class]]
        labels += [label] * len(files[:per_class])
    return FolderPictures(root, np.array(paths, dtype=np.bytes_), torch.tensor(labels).long())
