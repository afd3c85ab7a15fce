"""A prepared text: token shards that are memory-mapped in training, and what belongs to them.

A folder that :mod:`experiments.tasks.lm1b.prepare` wrote: one ``<split>-<shard>.npy`` (int32) for
each shard of text, ``vocabulary.txt`` (a word a line; the line's number is its id), ``counts.npy``
(int64, how often each occurs in the training text) and ``corpus.json``. Ids go by falling count,
as the adaptive softmax wants them. The folder gets its name when everything in it is whole.
"""

import hashlib
import json
import zlib
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from experiments.errors import UserError

FORMAT = 1
END_OF_LINE, UNKNOWN = "</S>", "<UNK>"
MANIFEST, VOCABULARY, COUNTS = "corpus.json", "vocabulary.txt", "counts.npy"
UNFINISHED = ".unfinished"
"""What the name of a folder ends in while its preparation goes on."""

Split = Literal["train", "validation", "test"]


class Shard(BaseModel):
    """One file of tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    tokens: int
    unknown: int
    """Tokens that are ``<UNK>``."""
    crc32: int


class Manifest(BaseModel):
    """``corpus.json``: what a prepared text is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    text: str
    dataset: Literal["real", "standin"]
    origin: str
    """One line for people: which text, from where."""
    least_count: int
    """Words that the training text has less often are ``<UNK>``."""
    words: int
    """Size of the vocabulary, ``</S>`` and ``<UNK>`` among it."""
    end_of_line: int
    unknown: int
    splits: dict[Split, list[Shard]]


class Corpus:
    """A prepared text, opened. Raises :class:`UserError` for an unfinished or damaged one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        except FileNotFoundError:
            raise UserError(_absent(folder)) from None
        except ValidationError as error:
            raise self._damaged(MANIFEST, str(error.errors()[0]["msg"])) from None
        if self.manifest.format != FORMAT:
            raise self._damaged(MANIFEST, f"format {self.manifest.format}, expected {FORMAT}")

    def tokens(self, split: Split, index: int) -> np.ndarray:
        """The tokens of a shard, memory-mapped and checked; int32 [tokens]."""
        shard = self.manifest.splits[split][index]
        found = self._map(shard.file)
        if found.dtype != np.int32 or found.shape != (shard.tokens,):
            problem = f"{found.dtype} {found.shape}, expected int32 ({shard.tokens},)"
            raise self._damaged(shard.file, problem)
        if zlib.crc32(found.data) != shard.crc32:
            raise self._damaged(shard.file, "its checksum differs from the one in corpus.json")
        return found

    @cached_property
    def counts(self) -> np.ndarray:
        """How often the training text has each word; int64 [words], falling."""
        found = np.asarray(self._map(COUNTS))
        if found.shape != (self.manifest.words,):
            raise self._damaged(COUNTS, f"{found.shape}, expected ({self.manifest.words},)")
        return found

    @property
    def digest(self) -> str:
        """Differs where the tokens do, wherever the folder lies."""
        shards = {split: [s.crc32 for s in found] for split, found in self.manifest.splits.items()}
        content = json.dumps([self.manifest.words, shards], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def size(self, split: Split) -> int:
        """Tokens of a split, all shards together; 0 where there is none."""
        return sum(shard.tokens for shard in self.manifest.splits.get(split, []))

    def unknown_share(self, split: Split) -> float:
        """Which part of a split's tokens is ``<UNK>``."""
        shards = self.manifest.splits[split]
        return sum(shard.unknown for shard in shards) / sum(shard.tokens for shard in shards)

    def _map(self, name: str) -> np.ndarray:
        try:
            found: np.ndarray = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise self._damaged(name, "missing") from None
        except (ValueError, EOFError, OSError) as error:
            raise self._damaged(name, str(error)) from None
        return found

    def _damaged(self, name: str, problem: str) -> UserError:
        return UserError(
            f"{self.folder / name} is damaged ({problem}): remove the folder {self.folder} and "
            "prepare the text again (python -m scripts.prepare_lm1b)"
        )


def unfinished(folder: Path) -> Path:
    """Where the preparation of ``folder`` goes on until it is whole."""
    return folder.with_name(folder.name + UNFINISHED)


def _absent(folder: Path) -> str:
    again = "python -m scripts.prepare_lm1b"
    if unfinished(folder).exists():
        return f"{unfinished(folder)}: its preparation did not come to its end; {again} goes on"
    return f"{folder}: no prepared text; make it with {again}"
