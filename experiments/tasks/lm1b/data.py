"""Which text the language model is trained on: One Billion Word, prepared, or a stand-in."""

import platform
import zlib
from pathlib import Path
from typing import Literal

from experiments.errors import UserError
from experiments.tasks.config import Resolution
from experiments.tasks.lm1b.corpus import Corpus, unfinished
from experiments.tasks.lm1b.published import ARCHIVE, FOLDERS, HUB_FOLDER, present
from experiments.tasks.lm1b.standin import EUROPARL, prepare_standin
from experiments.tasks.lm1b.texts import StandinText

PREPARED = "lm1b_prepared"
"""The folder under the data folder where prepared texts lie."""

PREPARE = "python -m scripts.prepare_lm1b"


def folder_of(data_dir: Path, text: str, least_count: int) -> Path:
    """Where a prepared text lies. A stand-in's name says of what it was made."""
    version = f"-{platform.python_version()}" if text == "pydoc" else ""
    if text == "europarlmin" and (debates := data_dir / EUROPARL).is_file():
        version = f"-{zlib.crc32(debates.read_bytes()):08x}"  # another text is prepared anew
    return data_dir / PREPARED / f"{text}{version}-min{least_count}"


def open_corpus(data_dir: Path, text: str, least_count: int) -> Corpus:
    """A prepared text; a stand-in is prepared if it is not yet (seconds).

    Raises :class:`UserError`: not prepared, damaged, or the stand-in's files are not there.
    """
    folder = folder_of(data_dir, text, least_count)
    if text == "one_billion_word" or folder.exists():
        return Corpus(folder)
    return prepare_standin(folder, text, data_dir, least_count)


def resolve_text(
    dataset: Literal["auto", "real", "standin"],
    standin_text: StandinText,
    data_dir: Path,
    least_count: int,
) -> Resolution:
    """Decide between One Billion Word and a stand-in, which is prepared if it is not yet.

    ``auto`` takes the stand-in only if it is named (other than pydoc), or where One Billion Word
    is neither prepared nor there to be prepared. Raises :class:`UserError`: it is there but not
    prepared, or was asked for and is not there, or the stand-in's files are not there.
    """
    if dataset == "standin" or standin_text != "pydoc":
        return _standin(data_dir, standin_text, least_count, "the stand-in was asked for")
    folder = folder_of(data_dir, "one_billion_word", least_count)
    if folder.exists():
        return Resolution("real", f"One Billion Word, prepared, in {folder}")
    if unfinished(folder).exists() or present(data_dir):
        state = "only partly prepared" if unfinished(folder).exists() else "not prepared"
        raise UserError(
            f"One Billion Word is in {data_dir}, but {state} for task.least_count={least_count}: "
            f"{PREPARE} --data-dir {data_dir} --least-count {least_count} does that, or goes on "
            "with it; or write task.dataset=standin"
        )
    absent = (
        f"One Billion Word is not in {data_dir.absolute()} (looked for {FOLDERS[0]}/ with its "
        f"training shards, {ARCHIVE} and {HUB_FOLDER}/; {PREPARE} --help says how to get it)"
    )
    if dataset == "real":
        raise UserError(f"{absent}; without it, write task.dataset=standin")
    return _standin(data_dir, standin_text, least_count, absent)


def _standin(data_dir: Path, text: StandinText, least_count: int, why: str) -> Resolution:
    corpus = open_corpus(data_dir, text, least_count)
    return Resolution("standin", f"{why}. {corpus.manifest.origin}")
