"""A parallel corpus before it is prepared: its pairs, and what makes text of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from experiments.tasks.translation.parallel_text import Pair

Process = Callable[[Pair], Pair | None]
"""From a raw pair to tokenised text, or None for a pair to leave out; a picklable function."""


@dataclass(frozen=True)
class Part:
    """A stretch of raw pairs and what makes text of them."""

    pairs: Iterable[Pair]
    process: Process


@dataclass(frozen=True)
class Corpus:
    """What there is to prepare.

    Args:
        languages: of the sides of a pair, such as ("de", "en").
        splits: by fairseq's names: ``train``, ``valid``, ``test``, ``test1``, ...
        tests: the test sets' own names, in the order of ``test``, ``test1``, ...
        merges: of the joint BPE, unless fewer are asked for.
        codes: a file of BPE codes; learned from the training text without one.
        dictionaries: files of both languages, counted on more text than is here; counted on the
            training text without them, and always where fewer merges are asked for.
        joined: whether both languages have one dictionary.
        whole: the training pairs of the whole corpus, if that is known.
        held_out: the pairs that its held-out splits may have; with others, it is another text.
        taken: the files that the training text is made of.
        dropped: training pairs that cleaning left out already.
    """

    languages: tuple[str, str]
    splits: Mapping[str, tuple[Part, ...]]
    tests: tuple[str, ...]
    merges: int
    codes: Path | None = None
    dictionaries: tuple[Path, Path] | None = None
    joined: bool = False
    whole: int | None = None
    held_out: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    taken: tuple[str, ...] = ()
    dropped: int = 0


@dataclass(frozen=True)
class Source:
    """A corpus found but not yet read."""

    key: str
    """Begins the name of the prepared folder."""
    name: str
    """Which corpus, for people."""
    where: str
    """Where it was found, for people."""
    files: tuple[Path, ...]
    """Their content decides whether a prepared folder still fits."""
    read: Callable[[Path], Corpus]
    """Given a folder to work in; may unpack and write there."""
