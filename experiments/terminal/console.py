"""What a person sees in a terminal: plain lines, and one line for a mistake of theirs."""

import functools
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from experiments.config.compose import explain_hydra
from experiments.errors import ToldElsewhere, UserError
from experiments.ranks import is_main, place_from_environment

console = Console(markup=False, highlight=False, soft_wrap=True)
"""Standard output; colours and bars only on a terminal. Text is never markup: an error's brackets
are its own, in a table too."""

BAD_INPUT = 2


def say(line: str = "") -> None:
    """Print a line as it is, brackets included; of several processes the first one does."""
    if is_main():
        console.print(line)


@functools.cache
def note(text: str) -> None:
    """Say what a person should know, once however often it is come upon."""
    say(f"note: {text}")


def show_log() -> None:
    """Print what the suite logs, such as what a task prepares, as plain lines."""
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("experiments").setLevel(logging.INFO)


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Print the message of a person's mistake on standard error, without a traceback, and exit 2.

    Takes in what Hydra refuses (unknown keys and choices) and a full disk. What the encoding of the
    output does not have, such as α in Latin-1, is printed as a question mark.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let Hydra's errors come here instead of printing them
    try:
        yield
    except ToldElsewhere:
        sys.exit(BAD_INPUT)
    except UserError as error:
        _leave(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        if place_from_environment().rank > 0:  # every process finds the same
            sys.exit(BAD_INPUT)
        _leave(explain_hydra(error))
    except yaml.YAMLError as error:
        _leave(" ".join(str(error).split()))
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _leave(f"{where}{error.strerror}; mend that and give the same command again")
    except KeyboardInterrupt:
        sys.exit(130)


def _leave(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(BAD_INPUT)
