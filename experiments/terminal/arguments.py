"""Command lines of options: a mistake is one line, as everywhere."""

import argparse
from pathlib import Path
from typing import NoReturn

from experiments.errors import UserError


class Parser(argparse.ArgumentParser):
    """argparse's, which raises :class:`UserError` instead of printing its usage."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UserError(f"{message}; see {self.prog} --help")


def folder(text: str) -> Path:
    """A folder as an option or a variable names it; ``~`` is the person's home."""
    if not text.strip():
        raise argparse.ArgumentTypeError("no path (a variable that is not set?); name a folder")
    return Path(text).expanduser()


def positive(text: str) -> int:
    """A number that counts something."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: write a number of at least 1")
    return value
