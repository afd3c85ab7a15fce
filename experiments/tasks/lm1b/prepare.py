"""The preparation of a text: several processes, resumable, whole or not at all."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from experiments.files import locked, write_atomic
from experiments.processes import process_pool
from experiments.tasks.lm1b.corpus import (
    COUNTS,
    END_OF_LINE,
    FORMAT,
    MANIFEST,
    UNKNOWN,
    VOCABULARY,
    Corpus,
    Manifest,
    Shard,
    Split,
    unfinished,
)
from experiments.tasks.lm1b.encode import RawShard, encode, read_words, renumber, words_file

PLAN = "plan.json"
STAGES = ("reading", "numbering")

Report = Callable[[str, int, int], None]
"""Told the stage, the shards done and the shards there are."""

Result = TypeVar("Result")


def prepare(
    folder: Path,
    raws: Sequence[RawShard],
    *,
    text: str,
    dataset: Literal["real", "standin"],
    origin: str,
    least_count: int = 4,
    jobs: int = 1,
    report: Report = lambda stage, done, total: None,
) -> Corpus:
    """Make ``folder`` a prepared text of ``raws``, or go on where an earlier attempt stopped.

    A finished folder is returned as it is. Until all is done the work lies in
    ``<folder>.unfinished``; what a person mends or adds meanwhile (a shard, say) costs the shards
    that were done nothing. Memory: about 0.5 GB a process and 0.5 GB for the words of all shards.

    Args:
        folder: gets its name at the very end.
        raws: the shards of text; the vocabulary is made of those that belong to ``train``.
        least_count: words that the training text has less often become ``<UNK>``.
        jobs: processes.

    Raises:
        UserError: a shard is missing, empty, damaged or not UTF-8; names it.
    """
    with locked(folder.with_name(f".{folder.name}.lock")):  # others wait, and find it done
        if folder.exists():
            return Corpus(folder)
        work = _workplace(folder, raws, least_count)
        with _processes(jobs) as pool:
            undone = [raw for raw in raws if not words_file(raw, work).exists()]
            _each(pool, partial(encode, work=work), undone, STAGES[0], len(raws), report)
            vocabulary = _vocabulary(raws, work, least_count)
            shards = _each(pool, partial(_renumber, work=work), raws, STAGES[1], len(raws), report)
        splits: dict[Split, list[Shard]] = {}
        for raw, shard in zip(raws, shards, strict=True):
            splits.setdefault(raw.split, []).append(shard)
        manifest = Manifest(
            format=FORMAT,
            text=text,
            dataset=dataset,
            origin=origin,
            least_count=least_count,
            words=len(vocabulary),
            end_of_line=vocabulary.index(END_OF_LINE.encode()),
            unknown=vocabulary.index(UNKNOWN.encode()),
            splits=splits,
        )
        write_atomic(work / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
        for raw in raws:
            words_file(raw, work).unlink()
        (work / PLAN).unlink()
        work.rename(folder)
        return Corpus(folder)


def _workplace(folder: Path, raws: Sequence[RawShard], least_count: int) -> Path:
    """The unfinished folder, without what belongs to another plan."""
    work, plan = unfinished(folder), json.dumps([FORMAT, least_count, [r.name for r in raws]])
    if work.exists() and (not (work / PLAN).exists() or (work / PLAN).read_text() != plan):
        shutil.rmtree(work)
    if not work.exists():
        work.mkdir()
        write_atomic(work / PLAN, plan)
    for raw in raws:  # a text that was changed since is read again, and all are numbered anew
        words = words_file(raw, work)
        changed = words.exists() and raw.path.exists()
        if changed and raw.path.stat().st_mtime > words.stat().st_mtime:
            shutil.rmtree(work)
            return _workplace(folder, raws, least_count)
    return work


def _vocabulary(raws: Sequence[RawShard], work: Path, least_count: int) -> list[bytes]:
    """Write vocabulary and counts, the words by falling count; returns the words."""
    total: Counter[bytes] = Counter()
    for raw in raws:
        if raw.split == "train":
            found = read_words(raw, work)
            total.update(dict(zip(found.words, found.counts.tolist(), strict=True)))
    special = {END_OF_LINE.encode(), UNKNOWN.encode()}
    kept = {word: n for word, n in total.items() if n >= least_count or word in special}
    kept.setdefault(END_OF_LINE.encode(), 0)
    rare = total.total() - sum(kept.values())
    kept[UNKNOWN.encode()] = kept.get(UNKNOWN.encode(), 0) + rare
    words = sorted(kept, key=lambda word: (-kept[word], word))
    counts = np.array([kept[word] for word in words], np.int64)
    write_atomic(work / COUNTS, lambda file: np.save(file, counts))
    write_atomic(work / VOCABULARY, b"\n".join(words) + b"\n")
    return words


def _renumber(raw: RawShard, work: Path) -> Shard:
    """Pass two in a process that reads the vocabulary once."""
    file = work / VOCABULARY
    return renumber(raw, work, _read_vocabulary(file, file.stat().st_mtime_ns))


@lru_cache(maxsize=1)
def _read_vocabulary(file: Path, _written: int) -> dict[bytes, int]:
    words = file.read_bytes().split(b"\n")[:-1]
    return {word: number for number, word in enumerate(words)}


@contextmanager
def _processes(jobs: int) -> Iterator[Executor | None]:
    """A pool, or None for a single process: this one."""
    if jobs == 1:
        yield None
        return
    with process_pool(jobs) as pool:
        yield pool


def _each(
    pool: Executor | None,
    work: Callable[[RawShard], Result],
    raws: Sequence[RawShard],
    stage: str,
    total: int,
    report: Report,
) -> list[Result]:
    """``work`` on every shard, reporting as they come; results in the shards' order."""
    done = total - len(raws)
    report(stage, done, total)
    if pool is None:
        results = []
        for raw in raws:
            results.append(work(raw))
            report(stage, done + len(results), total)
        return results
    futures: list[Future[Result]] = [pool.submit(work, raw) for raw in raws]
    for finished in as_completed(futures):
        finished.result()
        done += 1
        report(stage, done, total)
    return [future.result() for future in futures]
