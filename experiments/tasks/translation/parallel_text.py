"""Parallel text: two files of which line n of one translates line n of the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from experiments.errors import UserError

Pair = tuple[str, str]
"""A sentence and its translation."""


@dataclass(frozen=True)
class PairOfFiles:
    """Both sides of a parallel text, read line by line and checked on the way."""

    source: Path
    target: Path

    def __iter__(self) -> Iterator[Pair]:
        """The pairs, whole, none empty.

        Raises :class:`UserError` that names file and line: a side that is missing, sides of
        unequal length, an empty line, bytes that are not UTF-8.
        """
        for number, pair in enumerate(self.with_empty_lines(), 1):
            for path, line in zip((self.source, self.target), pair, strict=True):
                if not line.strip():
                    raise UserError(f"{path}, line {number}: empty; remove the line on both sides")
            yield pair

    def with_empty_lines(self) -> Iterator[Pair]:
        """The same for text that is yet to be cleaned: empty lines pass."""
        for path, other in ((self.source, self.target), (self.target, self.source)):
            if not path.is_file():
                raise UserError(f"{path}: missing; it is the other side of {other}")
        with self.source.open("rb") as source, self.target.open("rb") as target:
            for number, sides in enumerate(zip_longest(source, target), 1):
                yield self._pair(number, *sides)

    def _pair(self, number: int, source: bytes | None, target: bytes | None) -> Pair:
        if source is None or target is None:
            short, long = (
                (self.source, self.target) if source is None else (self.target, self.source)
            )
            raise UserError(
                f"{short}: ends after line {number - 1}, but {long} goes on; line n of one must "
                "translate line n of the other, so mend or fetch both again"
            )
        return _decode(self.source, number, source), _decode(self.target, number, target)


_MARK = "\ufeff"
"""The byte order mark that some programs put before a text. (Within IWSLT'14's it is a word.)"""


def _decode(path: Path, number: int, line: bytes) -> str:
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, line {number}: not UTF-8 at byte {error.start + 1}; convert the file, as in "
            "iconv -f latin1 -t utf-8"
        ) from None
    if "\r" in text:  # another line to some readers, which shifts the sides
        raise UserError(f"{path}, line {number}: a carriage return within the line; remove it")
    return text.removeprefix(_MARK) if number == 1 else text
