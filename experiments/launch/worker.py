"""What happens in the process of one run. Imported ahead by the fork server: keep it whole.

``python -m experiments.launch.worker RUN-FOLDER`` is what a SLURM job and a container start.
"""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from signal import SIGTERM
from time import monotonic, sleep
from typing import Any, TextIO

from experiments.config.length import known_length
from experiments.config.schema import RunConfig
from experiments.errors import UserError
from experiments.processes import end_with_starter
from experiments.ranks import is_main
from experiments.terminal.console import say, show_log
from experiments.terminal.progress import Lines, outcome
from experiments.tracking.names import LOG, STOP
from experiments.tracking.records import DamagedRecords, RecordFollower
from experiments.tracking.result import DamagedResult
from experiments.tracking.run_folder import Busy, Gone, RunFolder
from experiments.tracking.wandb.mirror import mirrored
from experiments.training.distributed import process_group
from experiments.training.loop import Observer
from experiments.training.run import record_failure, run
from experiments.training.signals import stop_on_signals

SECONDS_BETWEEN_UPDATES = 0.25

DONE, FAILED, BAD_INPUT, AGAIN = 0, 1, 2, 75
"""Exit codes for whoever watches; what became of the run is in its ``result.json``."""


def carry_out(folder: Path, reports: Connection) -> None:
    """Carry out the run whose configuration lies in ``folder``, reporting what it records.

    What it prints goes to ``log.txt`` there. If the process that started it ends, the run stops at
    a checkpoint.
    """
    end_with_starter(SIGTERM)
    with (folder / LOG).open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.exit(attempt(folder, lambda _: _reporter(reports)))


def main() -> int:
    """Carry out the run in the folder that the command line names; sparse lines on the output."""
    folder = Path(sys.argv[1])

    def observer(config: RunConfig) -> Observer:
        lines = Lines(1, {})
        return lambda event: lines.event(config, event)

    return attempt(folder, observer)


def attempt(folder: Path, observer: Callable[[RunConfig], Observer]) -> int:
    """Carry out the run in ``folder`` or go on with it; returns an exit code.

    Whatever goes wrong stands in ``result.json`` and is printed.
    """
    show_log()
    with stop_on_signals() as stop:
        try:
            config = RunFolder(folder).config
        except UserError as error:
            say(f"error: {error}")
            return BAD_INPUT
        observers = [observer(config)] if is_main() else []
        try:
            with mirrored(config) as mirrors:
                result = run(config, stop, [*observers, *mirrors])
        except Busy as error:  # an attempt that was given up for dead, say: see what it leaves
            say(str(error))
            return AGAIN
        except UserError as error:
            if is_main() and not isinstance(error, Gone | DamagedResult):
                record_failure(config, error)
            say(f"error: {error}")
            return BAD_INPUT
        except Exception:  # written down already by `run`
            traceback.print_exc()
            return FAILED
        if is_main():
            say(f"{config.label}: {outcome(result)}")
        return stop.exit_code if result.status == "interrupted" and stop else DONE


def watch_over(folder: Path, reports: Connection, command: Sequence[str]) -> None:
    """Start the container that carries out the run in ``folder``; report what it records.

    Asked to stop, it asks the run by the stop file and waits for its checkpoint.
    """
    end_with_starter(SIGTERM)
    config = RunFolder(folder).config
    with stop_on_signals() as stop, (folder / LOG).open("a") as log:
        report = _reporter(reports)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        whole = known_length(config)
        total = whole.updates if whole else config.protocol.updates
        report({"kind": "start", "update": 0, "total": total})
        records = RecordFollower(folder, from_end=True)
        while process.poll() is None:
            if stop:
                (folder / STOP).touch()
            sleep(SECONDS_BETWEEN_UPDATES)
            _report_new(records, report, log)
    sys.exit(process.returncode)


def _report_new(records: RecordFollower, report: Observer, log: TextIO) -> None:
    try:
        for record in records.new():
            report(record)
    except DamagedRecords as error:  # the run goes on without being watched there
        print(f"note: {error}", file=log, flush=True)


def _reporter(reports: Connection) -> Callable[[dict[str, Any]], None]:
    last = 0.0

    def report(event: dict[str, Any]) -> None:
        nonlocal last
        present = monotonic()
        if event["kind"] == "update" and present - last < SECONDS_BETWEEN_UPDATES:
            return
        last = present
        with suppress(OSError):  # nobody is there any more
            reports.send(event)

    return report


if __name__ == "__main__":
    with process_group():
        sys.exit(main())
