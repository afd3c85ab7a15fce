"""WMT'16 English-German: local text, the hub's copy through ``datasets``, or a sample of it.

Moses' punctuation, tokeniser (hyphens split) and cleaning, 32,000 joint merges, one dictionary;
newstest2013 validates, newstest2014 and 2016 test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.data import moses
from experiments.data.iwslt14 import unpack
from experiments.data.parallel_text import Pair, PairOfFiles
from experiments.data.translation import Corpus, Part, Source
from experiments.errors import UserError

LANGUAGES = ("en", "de")
MERGES = 32_000
TRAINING_PAIRS = 4_548_885
"""Of ``wmt/wmt16``, de-en."""

VALIDATION = "newstest2013"
TESTS = ("newstest2014", "newstest2016")
FOLDER = "wmt16.en-de"
SAMPLE = "wmt16.en-de-sample.tar.xz"
HUB = "wmt/wmt16"
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
    """Fetch the hub's ``wmt/wmt16`` (de-en) into ``folder`` as text; about 1.3 GB.

    Raises :class:`UserError` where that cannot be done.
    """
    try:
        from datasets import load_dataset

        found = load_dataset(HUB, "de-en")
    except Exception as error:  # the hub's client raises many kinds
        raise UserError(
            f"{HUB} could not be fetched ({type(error).__name__}: {error}); put the text files "
            f"into {folder} instead ({LOOKED_FOR})"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    for split, stem in (("train", "train"), ("validation", "newstest2015"), ("test", TESTS[1])):
        for language in LANGUAGES:
            temporary = folder / f".{stem}.{language}"
            with temporary.open("w") as file:
                for row in found[split]:
                    file.write(" ".join(row["translation"][language].split()) + "\n")
            temporary.replace(folder / f"{stem}.{language}")
    source = find(folder.parent)
    assert source is not None
    return source


def _from_folder(folder: Path) -> Corpus:
    held_out = folder / "raw" if (folder / "raw").is_dir() else folder
    train = tuple(_training(folder))
    if not train:
        raise UserError(f"{folder}: no training text; put train.en and train.de there")
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
    )


def _training(folder: Path) -> Iterator[Part]:
    """``train*`` files anywhere in the folder, and older news test sets beside newer ones."""
    used = {VALIDATION, *TESTS, "newstest2017", "newstest2018"}
    for source in sorted(folder.rglob("*.en")):
        stem = source.name.removesuffix(".en")
        if stem.startswith("train") or (stem.startswith("news") and stem not in used):
            pairs = PairOfFiles(source, source.with_name(f"{stem}.de"))
            yield Part(_Passing(pairs), _clean)


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
