"""WMT'16 English-German: local text, the hub's copy through ``datasets``, or a sample of it.

Moses' punctuation, tokeniser (hyphens split) and cleaning, 32,000 joint merges, one dictionary;
newstest2013 validates, newstest2014 and 2016 test.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import UserError
from experiments.tasks.translation import moses
from experiments.tasks.translation.corpus import Corpus, Part, Source
from experiments.tasks.translation.iwslt14 import unpack
from experiments.tasks.translation.parallel_text import Pair, PairOfFiles

LANGUAGES = ("en", "de")
MERGES = 32_000
TRAINING_PAIRS = 4_548_885
"""Of the hub's ``wmt/wmt16``, de-en."""

VALIDATION = "newstest2013"
TESTS = ("newstest2014", "newstest2016")
SIZES = {"valid": (3_000,), "test": (3_003, 2_737), "test1": (2_999,)}
"""Pairs of the held-out splits; newstest2014 is also used without some, as WMT'14 evaluated it."""

FOLDER = "wmt16.en-de"
SAMPLE = "wmt16.en-de-sample.tar.xz"
HUB = {
    "train": ("wmt/wmt16", "train"),
    "newstest2013": ("wmt/wmt14", "validation"),
    "newstest2014": ("wmt/wmt14", "test"),
    "newstest2016": ("wmt/wmt16", "test"),
}
"""Where the hub has each file: data set and split, both de-en."""

LOOKED_FOR = f"{FOLDER}/ with train*.en, train*.de, {VALIDATION}.en, ..., and {SAMPLE}"


def find(data_dir: Path) -> Source | None:
    """WMT'16 under a data folder, or None."""
    folder, sample = data_dir / FOLDER, data_dir / SAMPLE
    if folder.is_dir():
        files = tuple(path for path in sorted(folder.rglob("*")) if path.suffix in (".en", ".de"))
        return _source(str(folder), files, folder)
    if sample.is_file():
        name, where = "WMT'16 En-De (sample)", str(sample)
        return Source(
            "wmt16",
            name,
            where,
            (sample,),
            lambda work: _from_folder(unpack(sample, work / "source") / FOLDER),
        )
    return None


def _source(where: str, files: tuple[Path, ...], folder: Path) -> Source:
    return Source("wmt16", "WMT'16 En-De", where, files, lambda work: _from_folder(folder))


def download(folder: Path) -> Source:
    """Fetch the hub's copy into ``folder`` as text (1.3 GB), a file at a time; what is there stays.

    Raises :class:`UserError` where that cannot be done.
    """
    from datasets import load_dataset

    folder.mkdir(parents=True, exist_ok=True)
    for stem, (hub, split) in HUB.items():
        sides = [folder / f"{stem}.{language}" for language in LANGUAGES]
        if all(side.is_file() for side in sides):
            continue
        try:
            rows = load_dataset(hub, "de-en", split=split)
        except Exception as error:  # the hub's client raises many kinds
            raise UserError(
                f"{hub} could not be fetched ({type(error).__name__}: {error}); put the text files "
                f"into {folder} instead ({LOOKED_FOR})"
            ) from None
        for language, side in zip(LANGUAGES, sides, strict=True):
            temporary = side.with_name(f".{side.name}")
            with temporary.open("w") as file:
                for row in rows:
                    file.write(" ".join(row["translation"][language].split()) + "\n")
            temporary.replace(side)
    source = find(folder.parent)
    assert source is not None
    return source


def _from_folder(folder: Path) -> Corpus:
    held_out = folder / "raw" if (folder / "raw").is_dir() else folder
    taken = _training(folder)
    if not taken:
        raise UserError(f"{folder}: no training text; put train.en and train.de there")
    train = tuple(Part(_Passing(PairOfFiles(en, en.with_suffix(".de"))), _clean) for en in taken)
    splits = {"train": train, "valid": (_held_out(held_out, VALIDATION),)}
    for number, name in enumerate(TESTS):
        splits[f"test{number or ''}"] = (_held_out(held_out, name),)
    return Corpus(
        languages=LANGUAGES,
        splits=splits,
        tests=TESTS,
        merges=MERGES,
        joined=True,
        whole=TRAINING_PAIRS,
        held_out=SIZES,
        taken=tuple(str(path.relative_to(folder)) for path in taken),
    )


HELD_OUT_YEARS = ("2013", "2014", "2016", "2017", "2018")
"""Of the news test sets that are not trained on, in whatever form and name."""


def _training(folder: Path) -> list[Path]:
    """The English sides of ``train*`` anywhere in the folder, and of older news test sets.

    Of several forms of one text (``train.tok.clean.en``) the plain one. Raises :class:`UserError`
    where none of them is.
    """
    forms: dict[tuple[Path, str], list[Path]] = {}
    for path in sorted(folder.rglob("*.en")):
        name = path.name.partition(".")[0]
        older = name.startswith("news") and not any(year in name for year in HELD_OUT_YEARS)
        if name.startswith("train") or older:
            text = re.sub(r"-(\w\w){2}$", "", name)  # newstest2009-deen
            forms.setdefault((path.parent, text), []).append(path)
    return [_plain_form(paths) for paths in forms.values()]


def _plain_form(paths: list[Path]) -> Path:
    """The one without a suffix of its name, or the only one."""
    plain = [path for path in paths if path.name.count(".") == 1] or paths
    if len(plain) > 1:
        names = ", ".join(path.name for path in plain)
        raise UserError(
            f"{paths[0].parent}: {names} are forms of one text; keep one of them, without BPE"
        )
    if "bpe" in plain[0].name:
        raise UserError(f"{plain[0]}: BPE pieces; put the text itself there")
    return plain[0]


@dataclass(frozen=True)
class _Passing:
    """Pairs with empty lines among them, which cleaning drops."""

    pairs: PairOfFiles

    def __iter__(self) -> Iterator[Pair]:
        return self.pairs.with_empty_lines()


def _held_out(folder: Path, stem: str) -> Part:
    return Part(PairOfFiles(*(folder / f"{stem}.{la}" for la in LANGUAGES)), _tokenise)


def _tokenise(pair: Pair) -> Pair:
    source, target = (
        moses.tokenizer(language, aggressive=True)(line)
        for language, line in zip(LANGUAGES, pair, strict=True)
    )
    return source, target


def _clean(pair: Pair) -> Pair | None:
    source, target = (
        moses.normalizer(language)(_plain(line))
        for language, line in zip(LANGUAGES, pair, strict=True)
    )
    tokens = _tokenise((source, target))
    return tokens if moses.is_clean(tokens) else None


def _plain(line: str) -> str:
    """Text that was tokenised before, without Moses' escapes, so that it is not escaped twice."""
    for escape, plain in _ESCAPES:
        line = line.replace(escape, plain)
    return line


_ESCAPES = (
    ("##AT##-##AT##", "-"),
    ("@-@", "-"),
    ("&apos;", "'"),
    ("&quot;", '"'),
    ("&#91;", "["),
    ("&#93;", "]"),
    ("&#124;", "|"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
)
