"""From a parallel corpus to what fairseq reads: text, BPE, dictionaries, binary files.

Every file is made once, under a temporary name, and gets its own when it is whole: a preparation
that was stopped goes on where it was. The folder gets its name when all of it is there, with a
manifest of checksums that is looked at whenever the folder is used.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.files import cache_folder, locked, write_atomic
from experiments.tasks.shared.origin import training_part
from experiments.tasks.translation import bpe
from experiments.tasks.translation.corpus import Corpus, Part, Source
from experiments.tasks.translation.fairseq_library import need_fairseq
from experiments.tasks.translation.parallel_map import map_chunks
from experiments.tasks.translation.parallel_text import Pair, PairOfFiles
from experiments.tasks.translation.training_text import count_repeated

FORMAT = 3
"""Raise it when prepared folders of before should be made anew."""

MANIFEST = "manifest.json"
PAIRS_A_SHARD = 1_000_000


@dataclass(frozen=True)
class Prepared:
    """A prepared folder: ``<split>.<languages>.<language>.{bin,idx}``, ``dict.<language>.txt``,
    ``code``, and the held-out text ``<split>.<language>``."""

    folder: Path
    languages: tuple[str, str]
    tests: tuple[str, ...]
    pairs: Mapping[str, int]
    vocabulary: str
    """The merges and dictionaries, and what they were made of, for people."""
    whole: int | None
    source: str
    dropped: int
    """Training pairs that cleaning left out."""
    repeated: int
    """Training pairs that repeat an earlier one."""
    digest: str
    """Of all files."""

    def text(self, split: str, language: str) -> list[str]:
        """The tokenised lines of a held-out split, without BPE."""
        return list(_lines(self.folder / f"{split}.{language}"))

    @property
    def origin(self) -> str:
        """One line that says which data these are."""
        train = f"{self.pairs['train']:,} training pairs"
        if self.whole is not None and self.pairs["train"] < self.whole:
            train = training_part(self.pairs["train"], self.whole, "pairs")
        dropped = f", {self.dropped:,} dropped by cleaning" if self.dropped else ""
        repeated = f", {self.repeated:,} of them repeated" if self.repeated else ""
        return f"{self.source}: {train}{dropped}{repeated}, {self.vocabulary}"


def prepare(
    source: Source, merges: int | None = None, say: Callable[[str], None] = lambda line: None
) -> Prepared:
    """The prepared folder of a source; made if there is none yet, or gone on with.

    Several processes may ask at once: one works, the others wait. ``merges``: see ``Corpus``.
    Raises :class:`UserError` naming file and line for text that will not do, and the file for a
    prepared folder that was damaged.
    """
    key = f"{FORMAT} {merges} {_digest(source.files)}"
    suffix = hashlib.sha256(key.encode()).hexdigest()[:12]
    folder = cache_folder() / "translation" / f"{source.key}-{suffix}"
    with locked(folder.with_suffix(".lock")):
        if not (folder / MANIFEST).is_file():
            say(f"Preparing {source.name} from {source.where} in {folder}, once")
            work = folder.with_suffix(".partial")
            work.mkdir(parents=True, exist_ok=True)
            _make(work, source, source.read(work), merges, say)
            shutil.rmtree(folder, ignore_errors=True)
            work.replace(folder)
    return _open(folder)


def _make(
    work: Path, source: Source, corpus: Corpus, merges: int | None, say: Callable[[str], None]
) -> None:
    text, pieces = work / "text", work / "pieces"
    pairs, dropped = {}, corpus.dropped
    if corpus.taken:
        say(f"  train: {', '.join(corpus.taken)}")
    for split, parts in corpus.splits.items():
        say(f"  {split}: text")
        left_out = work / f".dropped.{split}"
        pairs[split] = _write_pairs(text, split, corpus.languages, _text(parts, left_out))
        left = int(left_out.read_text())
        if not pairs[split]:
            why = f" ({left} were dropped by cleaning)" if left else ""
            raise UserError(f"{source.where}: no pairs for {split}{why}; put its text there")
        dropped += left if split == "train" else 0
    known = {split: _pairs(text, split, corpus.languages) for split in corpus.splits}
    repeated = count_repeated(known.pop("train"), known, source.where)
    say("  BPE codes")
    fewer = merges is not None and merges != corpus.merges
    dictionaries = None if fewer else corpus.dictionaries
    codes = partial(_codes, text, corpus, merges)
    code = _once(work / "code", lambda path: path.write_text(codes(), encoding="utf-8"))
    encode = EncodePair(code)
    for split in corpus.splits:
        say(f"  {split}: BPE")
        lines = map_chunks(encode, PairOfFiles(*_sides(text, split, corpus.languages)))
        _write_pairs(pieces, split, corpus.languages, lines)
    say("  dictionaries")
    _dictionaries(work, pieces, corpus, given=dictionaries)
    for split in corpus.splits:
        say(f"  {split}: binary files")
        for side, language in enumerate(corpus.languages):
            _binarise(work, pieces, split, corpus.languages, side, pairs[split])
            if split != "train":
                shutil.copyfile(text / f"{split}.{language}", work / f"{split}.{language}")
    for leftover in ("text", "pieces", "source"):
        shutil.rmtree(work / leftover, ignore_errors=True)
    for unfinished in work.glob(".*"):  # of a preparation that was stopped
        unfinished.unlink()
    facts = Prepared(
        folder=Path(),
        languages=corpus.languages,
        tests=corpus.tests,
        pairs=pairs,
        vocabulary=_vocabulary(corpus, merges, dictionaries is not None),
        whole=None if (other := _is_another_text(corpus, pairs)) else corpus.whole,
        source=f"{other}, laid out as {source.name}" if other else source.name,
        dropped=dropped,
        repeated=repeated,
        digest="",
    )
    files = {path.name: _sha256(path) for path in sorted(work.iterdir()) if path.is_file()}
    content = {**asdict(facts), "folder": None, "files": files}
    write_atomic(work / MANIFEST, json.dumps(content, indent=2) + "\n")


def _is_another_text(corpus: Corpus, pairs: Mapping[str, int]) -> str:
    """``another text (valid has 6 pairs, not 7,283)``; nothing if it has the corpus' own sizes."""
    for split, sizes in corpus.held_out.items():
        if pairs[split] not in sizes:
            wanted = " or ".join(f"{size:,}" for size in sizes)
            return f"another text ({split} has {pairs[split]:,} pairs, not {wanted})"
    return ""


def _vocabulary(corpus: Corpus, merges: int | None, dictionaries_given: bool) -> str:
    pieces = f"{corpus.merges if merges is None else merges:,} BPE merges"
    if dictionaries_given:
        return f"{pieces} and dictionaries as published with the text"
    made = "learned on these pairs" if corpus.codes is None else "as published with the text"
    return f"{pieces} {made}, dictionaries counted on these pairs"


def _open(folder: Path) -> Prepared:
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    files = content.pop("files")
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]
    for name, expected in files.items():
        found = _sha256(folder / name) if (folder / name).is_file() else "nothing"
        if found != expected:
            raise UserError(
                f"{folder / name}: sha256 {found}, expected {expected}; remove {folder} to "
                "prepare it again"
            )
    tuples = {key: tuple(content[key]) for key in ("languages", "tests")}
    return Prepared(**{**content, **tuples, "folder": folder, "digest": digest})


def _text(parts: tuple[Part, ...], left_out: Path) -> Iterator[Pair]:
    """The cleaned pairs; how many cleaning dropped is written to ``left_out`` at the end."""
    dropped = 0
    for part in parts:
        for pair in map_chunks(part.process, part.pairs):
            if pair is None:
                dropped += 1
            else:
                yield pair
    left_out.write_text(str(dropped))


def _pairs(folder: Path, split: str, languages: tuple[str, str]) -> Iterator[Pair]:
    return zip(*map(_lines, _sides(folder, split, languages)), strict=True)


def _codes(text: Path, corpus: Corpus, merges: int | None) -> str:
    if corpus.codes is not None:
        return bpe.read_codes(corpus.codes, merges)
    sides = _sides(text, "train", corpus.languages)
    lines = (line for side in sides for line in _lines(side))
    return bpe.learn(lines, corpus.merges if merges is None else merges)


class EncodePair:
    """Both sides of a pair as BPE pieces, by the codes in a file; picklable."""

    def __init__(self, codes: Path) -> None:
        self.codes, self.encode = codes, bpe.encoder(codes.read_text(encoding="utf-8"))

    def __call__(self, pair: Pair) -> Pair:
        """The pieces of a pair."""
        return self.encode(pair[0]), self.encode(pair[1])

    def __reduce__(self) -> tuple[type["EncodePair"], tuple[Path]]:
        return EncodePair, (self.codes,)


def _dictionaries(
    work: Path, pieces: Path, corpus: Corpus, given: tuple[Path, Path] | None
) -> None:
    """Write ``dict.<language>.txt``, as given or counted on the training pieces."""
    need_fairseq()
    from fairseq.data import Dictionary

    counts = [Counter[str](), Counter[str]()]
    for side, path in enumerate(_sides(pieces, "train", corpus.languages)):
        for line in _lines(path):
            counts[side].update(line.split())
        if given:
            _check_symbols(given[side], path)
    if corpus.joined:
        counts = [counts[0] + counts[1]] * 2
    for side, language in enumerate(corpus.languages):
        path = work / f"dict.{language}.txt"
        if given:
            _once(path, partial(shutil.copyfile, given[side]))
            continue
        dictionary = Dictionary()
        for word, count in counts[side].items():
            dictionary.add_symbol(word, n=count)
        dictionary.finalize(padding_factor=8)
        _once(path, partial(_save, dictionary))


def _save(dictionary: Any, path: Path) -> None:
    dictionary.save(str(path))


def _check_symbols(dictionary: Path, pieces: Path) -> None:
    """Raise :class:`UserError` for the first word that a dictionary lacks, or has wrongly."""
    known = _symbols(dictionary)
    for number, line in enumerate(_lines(pieces), 1):
        for word in line.split():
            if word not in known:
                raise UserError(
                    f"{dictionary}: does not match the data: {word!r} of {pieces.name}, line "
                    f"{number}, is not in it; remove the dictionary to have one counted"
                )


def _symbols(dictionary: Path) -> set[str]:
    """The words of fairseq's dictionary: a word and its count a line."""
    known: set[str] = set()
    for number, line in enumerate(_lines(dictionary), 1):
        word, _, count = line.removesuffix(" #fairseq:overwrite").rpartition(" ")
        if (number == 1 and word.startswith("\ufeff")) or not word or not count.isdecimal():
            problem = "not a word and its count, as in: haus 12"
        elif word in known:
            problem = f"{word!r} stands there a second time; remove the line"
        else:
            known.add(word)
            continue
        raise UserError(f"{dictionary}, line {number}: {problem}")
    return known


def _binarise(
    work: Path, pieces: Path, split: str, languages: tuple[str, str], side: int, pairs: int
) -> None:
    """Write a side of a split as fairseq's memory-mapped shards: ``train``, ``train1``, ..."""
    from fairseq.data import Dictionary, indexed_dataset

    language, joined = languages[side], "-".join(languages)
    dictionary = Dictionary.load(str(work / f"dict.{language}.txt"))
    lines = _lines(pieces / f"{split}.{language}")
    for shard in range(max(1, -(-pairs // PAIRS_A_SHARD))):
        stem = f"{split}{shard or ''}.{joined}.{language}"
        chunk = islice(lines, PAIRS_A_SHARD)
        if (work / f"{stem}.idx").is_file():
            for _ in chunk:
                pass
            continue
        temporary = work / f".{stem}"
        builder = indexed_dataset.make_builder(
            f"{temporary}.bin", impl="mmap", vocab_size=len(dictionary)
        )
        for line in chunk:
            builder.add_item(dictionary.encode_line(line, add_if_not_exist=False))
        builder.finalize(f"{temporary}.idx")
        for suffix in ("bin", "idx"):  # the index last: it says that the shard is whole
            Path(f"{temporary}.{suffix}").replace(work / f"{stem}.{suffix}")


def _write_pairs(
    folder: Path, split: str, languages: tuple[str, str], pairs: Iterable[Pair]
) -> int:
    """Write both sides of a split unless they are there; returns how many pairs it has."""
    source, target = _sides(folder, split, languages)
    if not target.is_file():
        folder.mkdir(exist_ok=True)
        temporary = [path.with_name(f".{path.name}") for path in (source, target)]
        with (
            temporary[0].open("w", encoding="utf-8", newline="\n") as first,
            temporary[1].open("w", encoding="utf-8", newline="\n") as second,
        ):
            for a, b in pairs:
                first.write(f"{a}\n")
                second.write(f"{b}\n")
        temporary[0].replace(source)
        temporary[1].replace(target)  # the target last: it says that both are whole
    return sum(1 for _ in _lines(target))


def _once(path: Path, make: Callable[[Path], object]) -> Path:
    if not path.is_file():
        temporary = path.with_name(f".{path.name}")
        make(temporary)
        temporary.replace(path)
    return path


def _sides(folder: Path, split: str, languages: tuple[str, str]) -> tuple[Path, Path]:
    return folder / f"{split}.{languages[0]}", folder / f"{split}.{languages[1]}"


def _lines(path: Path) -> Iterator[str]:
    """Lines as written: split at line feeds alone, unlike Python's text files."""
    with path.open("rb") as file:
        for line in file:
            yield line.decode("utf-8").rstrip("\n")


def _digest(files: Iterable[Path]) -> str:
    return " ".join(f"{path.name}:{_sha256(path)}" for path in sorted(files))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
