"""What is printed for a person."""

import subprocess
import sys

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
