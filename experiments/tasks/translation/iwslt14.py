"""IWSLT'14 German-English: the archive of WIT3, or the folder that fairseq's script prepares.

The steps and numbers are those of fairseq's ``prepare-iwslt14.sh``: Moses' tokeniser, lower case,
training pairs of 1 to 175 tokens and at most 1.5 times as long as each other, every 23rd of them
for validation, dev2010, dev2012 and tst2010-2012 for testing, 10,000 joint merges.
"""

import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.errors import UserError
from experiments.tasks.translation import bpe, moses
from experiments.tasks.translation.corpus import Corpus, Part, Source
from experiments.tasks.translation.parallel_map import map_chunks
from experiments.tasks.translation.parallel_text import Pair, PairOfFiles

LANGUAGES = ("de", "en")
MERGES = 10_000
TRAINING_PAIRS = 160_239
SIZES = {"valid": (7_283,), "test": (6_750,)}
"""Pairs of the held-out splits."""

FOLDER = "iwslt14.tokenized.de-en"
ARCHIVE = "de-en.tgz"
LOOKED_FOR = f"{FOLDER}/, {FOLDER}.tar.xz and {ARCHIVE}"

HELD_OUT = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
VALIDATION_EVERY = 23


def find(data_dir: Path) -> Source | None:
    """IWSLT'14 under a data folder in one of its layouts, or None."""
    folder, packed, archive = (data_dir / n for n in (FOLDER, f"{FOLDER}.tar.xz", ARCHIVE))
    if folder.is_dir():
        files = tuple(folder / name for name in _FILES if (folder / name).is_file())
        return _source(folder, files, lambda work: _from_folder(folder))
    if packed.is_file():
        return _source(packed, (packed,), lambda work: _from_pack(packed, work))
    if archive.is_file():
        return _source(archive, (archive,), lambda work: _from_archive(archive, work))
    return None


def _source(where: Path, files: tuple[Path, ...], read: Callable[[Path], Corpus]) -> Source:
    return Source("iwslt14", "IWSLT'14 De-En", str(where), files, read)


_FILES = (
    *(f"{split}.{language}" for split in ("train", "valid", "test") for language in LANGUAGES),
    "code",
    *(f"dict.{language}.txt" for language in LANGUAGES),
)


def _from_folder(folder: Path) -> Corpus:
    code = folder / "code"
    if not code.is_file():
        raise UserError(f"{code}: missing; it holds the BPE codes that made the other files")
    dictionaries = (folder / f"dict.{LANGUAGES[0]}.txt", folder / f"dict.{LANGUAGES[1]}.txt")
    splits = {}
    for split in ("train", "valid", "test"):
        pairs = PairOfFiles(*(folder / f"{split}.{language}" for language in LANGUAGES))
        splits[split] = (Part(pairs, _without_bpe),)
    return Corpus(
        languages=LANGUAGES,
        splits=splits,
        tests=("test",),
        merges=MERGES,
        codes=code,
        dictionaries=dictionaries if all(path.is_file() for path in dictionaries) else None,
        whole=TRAINING_PAIRS,
        held_out=SIZES,
    )


def _without_bpe(pair: Pair) -> Pair:
    return bpe.undo(pair[0]), bpe.undo(pair[1])


def _from_pack(packed: Path, work: Path) -> Corpus:
    return _from_folder(unpack(packed, work / "source") / FOLDER)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive once; raises :class:`UserError` for a damaged one."""
    done = folder / ".done"
    if not done.is_file():
        try:
            with tarfile.open(archive) as file:
                file.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            reason = " ".join(str(error).split())[:80]
            raise UserError(f"{archive}: damaged archive ({reason}); fetch it again") from None
        done.touch()
    return folder


def _from_archive(archive: Path, work: Path) -> Corpus:
    folder = unpack(archive, work / "source") / "de-en"
    talks = PairOfFiles(*(folder / f"train.tags.de-en.{language}" for language in LANGUAGES))
    # Which pair is for validation depends on which are clean, so all are cleaned first.
    every = list(map_chunks(_clean, _untagged(talks)))
    clean = [pair for pair in every if pair is not None]
    validation = clean[VALIDATION_EVERY - 1 :: VALIDATION_EVERY]
    train = [pair for n, pair in enumerate(clean, 1) if n % VALIDATION_EVERY]
    tests = [pair for name in HELD_OUT for pair in _segments(folder, name)]
    return Corpus(
        languages=LANGUAGES,
        splits={
            "train": (Part(train, _same),),
            "valid": (Part(validation, _same),),
            "test": (Part(tests, _tokenise),),
        },
        tests=("test",),
        merges=MERGES,
        whole=TRAINING_PAIRS,
        held_out=SIZES,
        dropped=len(every) - len(clean),
    )


def _same(pair: Pair) -> Pair:
    return pair


def _tokenise(pair: Pair) -> Pair:
    source, target = (
        moses.tokenizer(language)(line).lower()
        for language, line in zip(LANGUAGES, pair, strict=True)
    )
    return source, target


def _clean(pair: Pair) -> Pair | None:
    tokens = _tokenise(pair)
    return tokens if moses.is_clean(tokens) else None


_SKIPPED = ("<url>", "<talkid>", "<keywords>")
_TAGS = re.compile(r"</?(?:title|description)>")


def _untagged(talks: PairOfFiles) -> Iterator[Pair]:
    """The sentences of the training talks, titles and descriptions among them."""
    for pair in talks.with_empty_lines():
        if not any(tag in line for line in pair for tag in _SKIPPED):
            yield _TAGS.sub("", pair[0]).strip(), _TAGS.sub("", pair[1]).strip()


_SEGMENT = re.compile(r"<seg id=\"\d+\">\s*(.*?)\s*</seg>")


def _segments(folder: Path, name: str) -> Iterator[Pair]:
    """The segments of a held-out set."""
    sides = []
    for language in LANGUAGES:
        path = folder / f"IWSLT14.{name}.de-en.{language}.xml"
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError:
            raise UserError(f"{path}: missing in the archive; fetch it again") from None
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 ({error.reason}); fetch it again") from None
        sides.append([line.replace("’", "'") for line in _SEGMENT.findall(text)])
    if len(sides[0]) != len(sides[1]):
        counts = " and ".join(str(len(side)) for side in sides)
        raise UserError(f"{folder}/IWSLT14.{name}.de-en: {counts} segments, not as many in both")
    yield from zip(*sides, strict=True)
