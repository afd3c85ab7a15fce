"""What happens in the process of one run. Imported ahead by the fork server: keep it whole."""

import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from signal import SIGTERM
from time import monotonic
from typing import Any

from experiments.errors import UserError
from experiments.tracking.run_folder import Busy, RunFolder
from experiments.tracking.wandb_mirror import mirrored
from experiments.training.run import record_failure, run
from experiments.training.signals import StopRequest, stop_on_signals

SECONDS_BETWEEN_UPDATES = 0.25
LOG = "log.txt"


def carry_out(folder: Path, reports: Connection) -> None:
    """Carry out the run whose configuration lies in ``folder``, reporting what it records.

    What it prints goes to ``log.txt`` there. If nobody reads the reports any more (the parent
    died), the run stops at a checkpoint.
    """
    with (folder / LOG).open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    with stop_on_signals() as stop:
        config = RunFolder(folder).config
        try:
            with mirrored(config) as mirrors:
                run(config, stop, [_reporter(reports, stop), *mirrors])
        except Busy:
            sys.exit(0)  # the other process will write the result
        except UserError as error:
            record_failure(config, error)
            sys.exit(2)
    sys.exit(stop.exit_code if stop else 0)


def _reporter(reports: Connection, stop: StopRequest) -> Callable[[dict[str, Any]], None]:
    last = 0.0

    def report(event: dict[str, Any]) -> None:
        nonlocal last
        present = monotonic()
        if event["kind"] == "update" and present - last < SECONDS_BETWEEN_UPDATES:
            return
        last = present
        try:
            reports.send(event)
        except OSError:
            stop.signal = stop.signal or SIGTERM

    return report
