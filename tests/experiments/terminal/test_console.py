"""What is printed for a person."""

import os
import subprocess
import sys

import pytest

from tests.experiments.conftest import ROOT

PROGRAM = """
import logging
from experiments.terminal.console import show_log
show_log()
logging.getLogger("experiments.tasks.some.task").info("Preparing [a] corpus")
logging.getLogger("another.library").info("chatter")
"""


def test_what_the_suite_logs_is_a_plain_line_and_other_libraries_chatter_is_not() -> None:
    words = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "Preparing [a] corpus\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_what_the_output_cannot_show_is_a_question_mark(encoding: str) -> None:
    code = "with exit_on_user_error(): say('α=0.03')"
    done = subprocess.run(
        [sys.executable, "-c", f"from experiments.terminal.console import *\n{code}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"?=0.03\n"
