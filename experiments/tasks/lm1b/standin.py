"""Stand-ins for One Billion Word: other English prose, cut into sentences and words alike.

One Billion Word has a sentence a line, its words and punctuation separated by blanks, ``Wal-Mart
's`` and ``don 't`` in two. The rules here come near that, by two regular expressions; they are
not the benchmark's own tokeniser.
"""

import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import UserError
from experiments.tasks.lm1b.corpus import Corpus, Split
from experiments.tasks.lm1b.encode import RawShard
from experiments.tasks.lm1b.prepare import prepare
from experiments.tasks.lm1b.published import held_out_shard

SHARDS = 8
"""Of the training text, so that shard order and the state's beginnings are exercised."""

EUROPARL = "lm/europarlmin/train.txt"
"""Where under the data folder the debates are: a paragraph a line."""

_WORD = re.compile(r"\d+(?:[.,]\d+)*|(?:Mrs?|Ms|Dr|St)\.|[^\W\d_]+(?:[-_]\w+)*|'\w+|\S")
_SENTENCE = re.compile(r"(?<=[.!?])(?<!Mr\.)(?<!Mrs\.)(?<!Ms\.)(?<!Dr\.)\s+(?=[A-Z\"'(])")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"'})


@dataclass(frozen=True)
class Standin:
    """A text to train on where One Billion Word is not at hand."""

    origin: str
    lines: Callable[[], dict[Split, list[str]]]
    """Its tokenised sentences by split, the same at every call."""
    published: tuple[RawShard, ...] = ()
    """Shards of the benchmark itself that go with it."""


def standin(name: str, data_dir: Path) -> Standin:
    """The stand-in of that name. Raises :class:`UserError` if its files are not there."""
    return europarlmin(data_dir) if name == "europarlmin" else pydoc()


def pydoc() -> Standin:
    """The documentation that comes with Python (``pydoc_data``): 70,000 words on the language.

    Every tenth paragraph is for testing.
    """
    return Standin(
        f"STAND-IN: pydoc_data of Python {platform.python_version()}, not One Billion Word",
        _pydoc_lines,
    )


def europarlmin(data_dir: Path) -> Standin:
    """European Parliament debates: 3.3 million words to train on.

    Tested on One Billion Word's own first held-out shard, words unknown to the debates as
    ``<UNK>``: other prose than the training text, and no test of One Billion Word's models.
    """
    file, shard = data_dir / EUROPARL, held_out_shard(data_dir)
    missing = [] if file.is_file() else [str(file)]
    if shard is None:
        missing.append("One Billion Word's news.en.heldout-00000-of-00050 in its folder")
    if missing or shard is None:
        raise UserError(
            f"task.standin_text=europarlmin: {' and '.join(missing)} not found under {data_dir}; "
            "put them there, or write task.standin_text=pydoc"
        )

    return Standin(
        f"STAND-IN: europarlmin's {EUROPARL}, not One Billion Word; tested on One Billion Word's "
        f"own shard {shard.path.name} (md5 {shard.md5})",
        lambda: {"train": _sentences_of(file)},
        (shard,),
    )


def prepare_standin(folder: Path, name: str, data_dir: Path, least_count: int) -> Corpus:
    """Prepare a stand-in, in seconds; a finished one is opened."""
    if folder.exists():
        return Corpus(folder)
    chosen = standin(name, data_dir)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder.parent}: {error.strerror}; the stand-in is prepared there: name a "
            "folder that can be written with RADAM_DATA=..."
        ) from None
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        raws = [*_write(chosen.lines(), Path(place)), *chosen.published]
        return prepare(
            folder,
            raws,
            text=name,
            dataset="standin",
            origin=chosen.origin,
            least_count=least_count,
        )


def sentences(paragraphs: Iterator[str]) -> Iterator[str]:
    """Tokenised sentences, one a line, of paragraphs."""
    for paragraph in paragraphs:
        for sentence in _SENTENCE.split(paragraph.translate(_QUOTES)):
            if words := _WORD.findall(sentence):
                yield " ".join(words)


def _pydoc_lines() -> dict[Split, list[str]]:
    from pydoc_data.topics import topics

    texts = (part for name in sorted(topics) for part in re.split(r"\n\s*\n", topics[name]))
    joined = (" ".join(text.split()) for text in texts)
    prose = [text for text in joined if text.endswith((".", ":", "!", "?"))]
    train = (text for place, text in enumerate(prose) if place % 10)
    return {"train": list(sentences(train)), "test": list(sentences(iter(prose[::10])))}


def _sentences_of(path: Path) -> list[str]:
    found = list(sentences(_lines_of(path)))
    if not found:
        raise UserError(f"{path}: empty; put the text there, or write task.standin_text=pydoc")
    return found


def _lines_of(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as file:  # without a byte order mark
            yield from file
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason}); put a good copy there") from None


def _write(lines: dict[Split, list[str]], place: Path) -> Iterator[RawShard]:
    """The sentences as files of text, the training text in several."""
    for split, texts in lines.items():
        size = -(-len(texts) // (SHARDS if split == "train" else 1))
        for number, start in enumerate(range(0, len(texts), size)):
            path = place / f"{number:02d}"
            path = path.with_name(f"{split}-{path.name}")
            path.write_text("\n".join(texts[start : start + size]) + "\n", encoding="utf-8")
            yield RawShard(split, path)
