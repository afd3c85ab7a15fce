"""Byte-pair encoding with subword-nmt: learned jointly, applied, undone."""

import contextlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.errors import UserError

HEADER = "#version: 0.2"
JOINT = "@@"
"""Ends every piece of a word but the last."""


def learn(lines: Iterable[str], merges: int) -> str:
    """The codes of ``merges`` merges over all lines (both languages together: joint BPE)."""
    from subword_nmt.learn_bpe import learn_bpe

    codes = io.StringIO()
    with contextlib.redirect_stderr(io.StringIO()):  # a progress bar, also where none belongs
        learn_bpe((f"{line}\n" for line in lines), codes, merges)
    return codes.getvalue()


def read_codes(path: Path, merges: int | None = None) -> str:
    """The codes in a file, or the first ``merges`` of them; raises :class:`UserError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # a byte order mark is none of the codes
        header, *lines = text.removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as BPE codes ({error})") from None
    if header != HEADER:
        raise UserError(f"{path}, line 1: is not {HEADER!r}; give subword-nmt's codes")
    for number, line in enumerate(lines, 2):
        if len(line.split(" ")) != 2:
            raise UserError(f"{path}, line {number}: a merge is two pieces with a space between")
    if merges is not None and merges > len(lines):
        raise UserError(f"{path}: has {len(lines)} merges, not {merges}; write at most that many")
    return "\n".join([HEADER, *lines[:merges], ""])


def encoder(codes: str) -> Callable[[str], str]:
    """Return a function from a line of tokens to a line of their pieces."""
    from subword_nmt.apply_bpe import BPE

    bpe = BPE(io.StringIO(codes))
    return lambda line: str(bpe.process_line(line)).strip()


def undo(line: str) -> str:
    """Join the pieces of a line to tokens again."""
    return f"{line} ".replace(f"{JOINT} ", "").strip()
