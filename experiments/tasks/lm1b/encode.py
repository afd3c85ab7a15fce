"""From text to token shards, one shard at a time: what each process of the preparation does.

A shard's words are numbered in the order in which they come; once the vocabulary is known, these
numbers are replaced. So every text is read, checked and split once. Splitting is arithmetic on
whole blocks: a block becomes one Arrow array with a word an entry, which hashes them all at once.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.tasks.lm1b.corpus import END_OF_LINE, UNKNOWN, Shard, Split

BLOCK = 32 << 20
"""Bytes of text at a time: with its words, 300 MB of memory a process."""

_ODD = (b"  ", b"\n\n", b" \n", b"\n ", b"\t", b"\r", b"\v", b"\f")
"""What canonical text (one blank between words, no empty lines) does not have."""


@dataclass(frozen=True)
class RawShard:
    """One file of text: lines (UTF-8, words separated by blanks), or Parquet with a column text."""

    split: Split
    path: Path
    md5: str | None = None
    """Of the file as published, where that is known."""

    @property
    def name(self) -> str:
        """Its name in the prepared folder."""
        return f"{self.split}-{self.path.name}"


class WordCounts(NamedTuple):
    """The words of a shard in the order of their first coming, and how often each comes."""

    words: list[bytes]
    counts: np.ndarray


def encode(raw: RawShard, work: Path) -> Path:
    """Pass one: number the words of a shard; returns ``raw``'s path, for progress.

    Writes ``<name>.local.npy`` (the numbers) and then ``<name>.words.npz``: if that is there, so
    is the other. Raises :class:`UserError`: the shard is missing, empty, damaged, or not UTF-8.
    """
    known: dict[bytes, int] = {}
    parts = [_number(block, known) for block in _blocks(raw)]
    tokens = np.concatenate(parts) if parts else np.empty(0, np.int32)
    if not len(tokens):
        raise UserError(f"{raw.path}: empty, not a line of text; put a good copy in its place")
    counts = np.bincount(tokens, minlength=len(known))
    text = np.frombuffer(b"\n".join(known), np.uint8)
    write_atomic(local_file(raw, work), lambda file: np.save(file, tokens))
    write_atomic(words_file(raw, work), lambda file: np.savez(file, words=text, counts=counts))
    return raw.path


def read_words(raw: RawShard, work: Path) -> WordCounts:
    """What pass one found in a shard."""
    with np.load(words_file(raw, work)) as found:
        return WordCounts(found["words"].tobytes().split(b"\n"), found["counts"])


def renumber(raw: RawShard, work: Path, vocabulary: dict[bytes, int]) -> Shard:
    """Pass two: write ``<name>.npy`` with the vocabulary's ids, and forget the shard's own."""
    final = work / f"{raw.name}.npy"
    unknown = vocabulary[UNKNOWN.encode()]
    if not final.exists():
        words = read_words(raw, work).words
        ids = np.fromiter((vocabulary.get(w, unknown) for w in words), np.int32, len(words))
        tokens = ids[np.load(local_file(raw, work))]
        write_atomic(final, lambda file: np.save(file, tokens))
    tokens = np.load(final, mmap_mode="r")
    local_file(raw, work).unlink(missing_ok=True)
    return Shard(
        file=final.name,
        tokens=len(tokens),
        unknown=int((tokens == unknown).sum()),
        crc32=zlib.crc32(tokens),
    )


def local_file(raw: RawShard, work: Path) -> Path:
    """A shard in its own numbers; there between the passes."""
    return work / f"{raw.name}.local.npy"


def words_file(raw: RawShard, work: Path) -> Path:
    """A shard's words and counts; there until the vocabulary is made of all."""
    return work / f"{raw.name}.words.npz"


def _number(block: bytes, known: dict[bytes, int]) -> np.ndarray:
    """The numbers of a block's words, int32; words not met before get the next ones."""
    text = _canonical(block).replace(b"\n", f" {END_OF_LINE} ".encode())
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(" "))
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends + 1
    # Each entry is a word with the blank behind it: so the array needs no copy of the text.
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    found = pa.BinaryArray.from_buffers(pa.binary(), len(ends), buffers).dictionary_encode()
    words = (word[:-1] for word in found.dictionary.to_pylist())
    numbers = np.fromiter((known.setdefault(w, len(known)) for w in words), np.int32)
    return np.asarray(numbers[found.indices.to_numpy()])


def _canonical(block: bytes) -> bytes:
    """The lines that hold a word, each with its end; one blank between words."""
    if any(odd in block for odd in _ODD) or block[:1] in (b" ", b"\n"):
        lines = (b" ".join(line.split()) for line in block.split(b"\n"))
        block = b"".join(line + b"\n" for line in lines if line)
    return block if block.endswith(b"\n") or not block else block + b"\n"


def _blocks(raw: RawShard) -> Iterator[bytes]:
    """The text in blocks of whole lines, checked."""
    try:
        yield from _parquet_blocks(raw) if raw.path.suffix == ".parquet" else _text_blocks(raw)
    except FileNotFoundError:
        raise UserError(f"{raw.path}: missing; put it there, then give the same command") from None


def _text_blocks(raw: RawShard) -> Iterator[bytes]:
    digest, rest, offset = hashlib.md5(usedforsecurity=False), b"", 0
    with raw.path.open("rb") as file:
        while chunk := file.read(BLOCK):
            digest.update(chunk)
            cut = chunk.rfind(b"\n") + 1
            block, rest = (rest + chunk[:cut], chunk[cut:]) if cut else (b"", rest + chunk)
            yield _utf8(block, raw.path, offset)
            offset += len(block)
    yield _utf8(rest, raw.path, offset)
    if raw.md5 is not None and digest.hexdigest() != raw.md5:
        raise UserError(
            f"{raw.path} is damaged: md5 {digest.hexdigest()}, published {raw.md5}; put a good "
            "copy in its place, then give the same command"
        )


def _parquet_blocks(raw: RawShard) -> Iterator[bytes]:
    try:
        for batch in pq.ParquetFile(raw.path).iter_batches(100_000, columns=["text"]):
            lines = batch.column(0).to_pylist()
            yield "".join(line.rstrip("\n") + "\n" for line in lines).encode()
    except (pa.ArrowException, KeyError, IndexError) as error:
        raise UserError(
            f"{raw.path} is damaged, or has no column text ({error}); put a good copy in its "
            "place, then give the same command"
        ) from None


def _utf8(block: bytes, path: Path, offset: int) -> bytes:
    try:
        block.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 at byte {offset + error.start:,}; put a good copy in its place, "
            "then give the same command"
        ) from None
    return block
