"""The truth about CIFAR-10's bytes: what was published, and whether given rows are that."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.errors import UserError

BATCH_ROWS = 10_000
TRAIN_ROWS = 50_000
ALL_ROWS = 60_000


class PublishedBatch(NamedTuple):
    """One of the published files and its checksums."""

    name: str
    md5: str
    """Of the pickle, as published (torchvision checks the same)."""
    sha256: str
    """Of its content: the pixels (uint8, [10000, 3, 32, 32]), then the labels (a byte each)."""


BATCHES = (
    PublishedBatch(
        "data_batch_1",
        "c99cafc152244af753f735de768cd75f",
        "ba52cb2d72c412975d7556bb26bd094956f1c002d1937053f6f1252f2ac17114",
    ),
    PublishedBatch(
        "data_batch_2",
        "d4bba439e000b95fd0a9bffe97cbabec",
        "350ff9000489d02f2568c0dcf4912ffdbae9e50932147905fb1b8159ad54f0ac",
    ),
    PublishedBatch(
        "data_batch_3",
        "54ebc095f3ab1f0389bbae665268c751",
        "a2b8653fc457df407af6c38b7e0d1a12530f3b5f81fce9f81516efd065daf722",
    ),
    PublishedBatch(
        "data_batch_4",
        "634d18415352ddfa80567beed471001a",
        "133e6292c377755074c305db8a684d48d5397372cb0aba34f52b4335eab35d97",
    ),
    PublishedBatch(
        "data_batch_5",
        "482c414d41f54cd18b22e5b47cb7c3cb",
        "eb08cdc11fd1267ef871cf4790f193684b3f556d13317be68f4eb374a078ea87",
    ),
    PublishedBatch(
        "test_batch",
        "40351d587109b95175f43aff81a1287e",
        "9a4c74f5c8b6f2c4e13d3a1dfb43a5a8cda8a9da515e99fd620d2013a1a6287a",
    ),
)
"""In the order of the rows: five batches to train on, one to test on."""


@dataclass(frozen=True)
class Rows:
    """All 60,000 images: the first 50,000 to train on, the others to test on."""

    pixels: np.ndarray
    """uint8 [60000, 3, 32, 32]."""
    labels: np.ndarray
    """uint8 [60000]."""

    @classmethod
    def empty(cls) -> "Rows":
        """Room for all rows."""
        return cls(np.empty((ALL_ROWS, 3, 32, 32), np.uint8), np.empty(ALL_ROWS, np.uint8))

    def content_sha256(self) -> list[str]:
        """Return the digest of each 10,000 rows, made as :attr:`PublishedBatch.sha256`."""
        digests = []
        for start in range(0, ALL_ROWS, BATCH_ROWS):
            digest = hashlib.sha256(self.pixels[start : start + BATCH_ROWS].data)
            digest.update(self.labels[start : start + BATCH_ROWS].data)
            digests.append(digest.hexdigest())
        return digests

    def are_published(self) -> bool:
        """Whether these are CIFAR-10's rows in the published order."""
        return self.content_sha256() == [batch.sha256 for batch in BATCHES]


def damaged(file: Path | str, what: str, *, expected: str, found: str) -> UserError:
    """Build the error that names a file which is not what was published."""
    return UserError(
        f"{file} is damaged or not CIFAR-10's: {what}: expected {expected}, found {found}. "
        "Nothing was trained on it. Replace it with a good copy, or remove it (and what belongs "
        "to it) to have the data downloaded."
    )


def in_published_order(rows: Rows, files_with: Callable[[int, int], str]) -> Rows:
    """Return ``rows`` with the training batches in the published order.

    Copies differ in it: Hugging Face's holds the batches in the order of the original archive.

    Args:
        rows: in any order of whole batches, test rows last.
        files_with: names the file or files that hold the rows from the one up to the other.

    Raises:
        UserError: 10,000 rows are none of the published batches, or a batch comes twice.
    """
    if rows.are_published():
        return rows
    found = rows.content_sha256()
    order: list[int] = []
    for split in (range(5), range(5, 6)):
        expected = [BATCHES[index].sha256 for index in split]
        missing = [digest for digest in expected if digest not in [found[i] for i in split]]
        if missing:
            wrong = next(i for i in split if found[i] not in expected or found[i] in found[:i])
            start, stop = wrong * BATCH_ROWS, (wrong + 1) * BATCH_ROWS
            raise damaged(
                files_with(start, stop),
                f"10,000 decoded images and labels ({BATCHES[wrong].name}, if in order)",
                expected="sha256 " + " or ".join(missing),
                found=found[wrong],
            )
        order += [found.index(digest) for digest in expected]
    at = np.concatenate([np.arange(i * BATCH_ROWS, (i + 1) * BATCH_ROWS) for i in order])
    return Rows(rows.pixels[at], rows.labels[at])
