"""The mirror of the store in Weights & Biases, seen from the run's side.

wandb lives in a process of its own (:mod:`experiments.tracking.wandb.client`) that reads the run's
folder. The run starts it, never waits for it, and after its result is written gives it a bounded
time to finish; a mirror that cannot costs one printed line. ``python -m experiments.report wandb``
mirrors later what is missing.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.config.schema import RunConfig, WandbTracking
from experiments.errors import UserError
from experiments.ranks import is_main
from experiments.tracking import provenance

GRACE = {"starting": 20.0, "connecting": 5.0, "online": 20.0, "offline": 20.0}
"""Seconds after the end of a run that its mirror gets, by what it was last known to do."""

SILENCE_TIMEOUT = 120.0
"""Seconds without a word from the client after which a mirroring of finished runs gives up."""


class Client:
    """The client's process and the lines it says."""

    def __init__(self, folders: Sequence[Path], tracking: WandbTracking, *options: str) -> None:
        command = [sys.executable, "-m", "experiments.tracking.wandb.client"]
        command += [f"--project={tracking.project}", f"--mode={tracking.mode}", *options]
        command += [f"--entity={tracking.entity}"] if tracking.entity else []
        # A session of its own: Ctrl-C reaches the run, which then tells the mirror by its result.
        self.process = subprocess.Popen(
            [*command, *(str(folder.resolve()) for folder in folders)],
            cwd=provenance.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.out = self.process.stdout.fileno()
        self.unread = b""

    def line(self, seconds: float) -> dict[str, Any] | None:
        """The next thing it says, None if it has ended.

        Raises TimeoutError after ``seconds`` of silence.
        """
        while b"\n" not in self.unread:
            with selectors.DefaultSelector() as selector:
                selector.register(self.out, selectors.EVENT_READ)
                if not selector.select(seconds):
                    raise TimeoutError
            data = os.read(self.out, 65536)
            if not data:
                return None
            self.unread += data
        first, self.unread = self.unread.split(b"\n", 1)
        return dict(json.loads(first))

    def end(self) -> None:
        """End the process and those it started, if they still live."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class WandbMirror:
    """An observer of a run: starts the client with the run's first event, and then stands aside."""

    def __init__(self, config: RunConfig, tracking: WandbTracking) -> None:
        self.folder, self.tracking = config.folder, tracking
        self.client: Client | None = None
        self.failure = ""

    def __call__(self, event: dict[str, Any]) -> None:
        """Take in an event of the run."""
        if event["kind"] != "start":
            return
        options = ["--follow", str(os.getpid())]
        commit, _ = provenance.commit()
        options += ["--commit", commit] if commit else []
        try:
            self.client = Client([self.folder], self.tracking, *options)
        except OSError as error:
            self.failure = str(error)

    def close(self) -> str | None:
        """Let the client finish; one line for the person, None if the run never began."""
        if self.client is None and not self.failure:
            return None
        state, text = self._wait()
        if state == "done":
            return describe(text)
        why = text or f"it was still {state} {GRACE[state]:g} s after the run's end"
        later = f"python -m experiments.report wandb --run {self.folder.name}"
        return (
            f"warning: the Weights & Biases mirror is not complete ({why}); the store is. "
            f"To mirror this run later: {later}"
        )

    def _wait(self) -> tuple[str, str]:
        """What the client said last, once it has ended or has had its time."""
        if self.client is None:
            return "failed", self.failure
        state, text = "starting", ""
        ended = time.monotonic()
        try:
            while state in GRACE:
                left = ended + GRACE[state] - time.monotonic()
                line = self.client.line(max(0.0, left))
                if line is None:
                    return "failed", "it ended early"
                state, text = line["state"], line["text"]
        except TimeoutError:
            pass
        finally:
            self.client.end()
        return state, text


def describe(where: str) -> str:
    """Where the mirror of a run is and, of one on this disk, how it is uploaded."""
    if where.startswith("http"):
        return f"Weights & Biases: {where}"
    return f"Weights & Biases: offline in {where}; to upload it: wandb sync {where}"


MODES = ("online", "offline", "disabled")


def check_mode() -> None:
    """Refuse a ``WANDB_MODE`` that wandb does not know. Raises :class:`UserError`."""
    if (mode := os.environ.get("WANDB_MODE") or "online") not in MODES:
        raise UserError(f"WANDB_MODE={mode}: write {', '.join(MODES)}, or tracking=local")


@contextmanager
def mirrored(config: RunConfig) -> Iterator[list[WandbMirror]]:
    """The observers that the run's tracking asks for; says at the end what became of them.

    Of several processes of a run the first one mirrors it. ``WANDB_MODE=disabled`` switches the
    mirror off, as it does for every user of wandb. Raises :class:`UserError` for a mode that is
    none, before anything is done.
    """
    tracking = config.tracking
    if isinstance(tracking, WandbTracking):
        check_mode()
    off = not is_main() or os.environ.get("WANDB_MODE") == "disabled"
    if off or not isinstance(tracking, WandbTracking):
        yield []
        return
    mirror = WandbMirror(config, tracking)
    try:
        yield [mirror]
    finally:
        message = mirror.close()
        if message is not None:
            out = sys.stderr if message.startswith("warning") else sys.stdout
            print(message, file=out, flush=True)


def mirror_runs(
    folders: Sequence[Path], tracking: WandbTracking, again: bool
) -> Iterator[tuple[Path | None, str, str]]:
    """Mirror runs that have ended: (folder, "done" or "failed", where or why), one after the other.

    A folder of None means that nothing could be mirrored at all. Runs that are mirrored already
    are left alone unless ``again``.
    """
    client = Client(folders, tracking, *(["--again"] if again else []))
    current: Path | None = None
    try:
        while line := client.line(SILENCE_TIMEOUT):
            current = Path(line["folder"]) if line["folder"] else None
            if line["state"] in ("done", "failed"):
                yield current, line["state"], line["text"]
    except TimeoutError:
        yield current, "failed", f"no answer in {SILENCE_TIMEOUT:g} s"
    finally:
        client.end()
