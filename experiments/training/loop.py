"""The training loop: one for all tasks.

It asks the task for batches and losses, and owns everything else that happens between the first
update and the last: the schedule, records, evaluations, checkpoints, divergence, stopping.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from experiments.config.length import Length
from experiments.config.schema import RunConfig
from experiments.files import write_atomic
from experiments.ranks import is_main
from experiments.tasks.task import Counts, Split, Task, add_counts, read_counts
from experiments.terminal.console import say
from experiments.tracking.records import NO_RECORDS, Extent, RecordWriter
from experiments.training.averaging import averaged, keep_epoch
from experiments.training.cadence import Cadence
from experiments.training.checkpoint import (
    choose_checkpoint,
    choose_part,
    fitting,
    known_records,
    own_part,
    random_state,
    read_whole,
    restore_random_state,
    save_checkpoint,
)
from experiments.training.distributed import (
    all_gather,
    all_reduce_any,
    all_reduce_readings,
    barrier,
    broadcast,
    on_every_rank,
)
from experiments.training.histograms import Histograms
from experiments.training.signals import StopRequest
from experiments.training.step import Step
from radam.schedules import Schedule

Ending = Literal["completed", "diverged", "interrupted"]
Observer = Callable[[dict[str, Any]], None]


@dataclass
class Progress:
    """How far a run is and what it has shown so far; a part of every checkpoint."""

    update: int = 0
    seconds: float = 0.0
    """Wall time of this run over all its starts, without the time between them."""
    training_seconds: float = 0.0
    """The part of it that went into updates."""
    examples: float = 0.0
    best: float | None = None
    best_epoch: float | None = None
    best_validation: float | None = None
    validation_selected: float | None = None
    final: float | None = None
    train_loss: float | None = None
    window: Counts = field(default_factory=dict)
    """Counts since the last training record."""
    damage: list[str] = field(default_factory=list)
    """What was found damaged when the run went on, and was done again."""


class Loop:
    """One run, from wherever its folder says it stopped.

    Args:
        config: the run.
        task, step, schedule, length: built from it; the step holds model and optimizer.
        folder: where checkpoints and records go.
        stop: looked at after every update.
        observers: called with every record, and with records of kind ``start`` and ``update``
            that are not stored.
    """

    def __init__(
        self,
        config: RunConfig,
        task: Task[Any],
        step: Step,
        schedule: Schedule,
        length: Length,
        folder: Path,
        stop: StopRequest,
        observers: list[Observer],
    ) -> None:
        self.config, self.task, self.step, self.model = config, task, step, step.model
        self.schedule, self.folder, self.stop, self.observers = schedule, folder, stop, observers
        self.accumulate = config.training.accumulate
        self.averaged_epochs = config.protocol.average_epochs
        self.updates_per_epoch, self.total = length.updates_per_epoch, length.updates
        self.cadence = Cadence.of(config, length)
        self.stop_after = min(self.total, config.runner.stop_after or self.total)
        self.device = step.parameters[0].device
        # On a GPU, reading a loss waits for the device: look where a record reads it anyway.
        self.reads_every_loss = self.device.type == "cpu"
        self.histograms = Histograms(
            config.runner.histograms, self.model, step.optimizer, self.total
        )
        self.progress = Progress()
        self.random_before = random_state()
        known = self._restore()
        self.records = on_every_rank(lambda: RecordWriter(folder, known) if is_main() else None)
        self.last_checkpoint = time.monotonic()

    def run(self) -> Ending:
        """Train to the end, to divergence, to ``runner.stop_after``, or to a request to stop."""
        try:
            ending = self._epochs()
            if self.records is not None:
                self.records.sync()  # no result without its records
            return ending
        finally:
            if self.records is not None:
                self.records.close()

    def _epochs(self) -> Ending:
        mark = time.perf_counter()
        self._tell({"kind": "start", "update": self.progress.update, "total": self.total})
        while self.progress.update < self.stop_after:
            ending = self._epoch(mark)
            if ending is not None:
                return ending
            mark = time.perf_counter()
        return "completed" if self.progress.update == self.total else "interrupted"

    def _epoch(self, mark: float) -> Ending | None:
        """The rest of the current epoch; ``mark`` is when it began, on the performance counter."""
        progress = self.progress
        epoch, done = divmod(progress.update, self.updates_per_epoch)
        self.model.train()
        for batches in self._groups(self.task.batches(epoch, skip=done * self.accumulate)):
            progress.update += 1
            lr = self.schedule(progress.update)
            watched = self.histograms.before(progress.update)
            loss, counts = self.step(batches, lr)
            add_counts(progress.window, counts)
            due = self.cadence.at(progress.update)
            known = loss.item() if self.reads_every_loss or due.record else None
            mark = self._clock(mark, training=True)
            if watched is not None:
                found = self.histograms.after(watched)
                self._write({"kind": "histogram", **self._where(), **found})
            seen_to_diverge = known is not None and not math.isfinite(known)
            if (due.record or seen_to_diverge) and not self._record_training(lr):
                return "diverged"
            self._tell({"kind": "update", "update": progress.update, "loss": known})
            if due.keep_epoch:
                if is_main():
                    keep_epoch(self.folder, epoch + 1, self.averaged_epochs, self.model)
                barrier()
            if due.evaluate:
                healthy = self._evaluate(due.last)
                mark = self._clock(mark, training=False)
                if not healthy:
                    return "diverged"
            stop = self._checkpoint_if_it_is_time(due.last)
            if due.last:
                break
            if stop:
                return "interrupted"
        return None

    def _checkpoint_if_it_is_time(self, last: bool) -> bool:
        """Also where the run is to stop, which is returned: on every rank, if on one."""
        passed = time.monotonic() - self.last_checkpoint
        stop, time_is_up = all_reduce_any(
            bool(self.stop) or self.progress.update >= self.stop_after,
            passed >= self.config.runner.checkpoint_seconds,
        )
        if last or stop or time_is_up:
            self._checkpoint()
        return stop

    def _groups(self, batches: Iterator[Any]) -> Iterator[list[Any]]:
        """Batches by the group that makes one update; an incomplete last group is left out."""
        while len(group := list(itertools.islice(batches, self.accumulate))) == self.accumulate:
            yield group

    def _clock(self, mark: float, *, training: bool) -> float:
        """Add the time since ``mark`` to the run's, and return the present."""
        present = time.perf_counter()
        self.progress.seconds += present - mark
        if training:
            self.progress.training_seconds += present - mark
        return present

    def _record_training(self, lr: float) -> bool:
        """Record the updates since the last record; False if a loss of theirs was not finite."""
        progress = self.progress
        counts = read_counts(progress.window)
        metrics = self.task.metrics(counts)
        finite = math.isfinite(metrics["loss"])  # of a sum, in which no such loss is lost
        progress.examples += counts["count"]
        progress.train_loss = metrics["loss"] if finite else None
        progress.window = {}
        if not finite:
            metrics["loss"] = math.nan
        self._write({"kind": "train", **self._where(), "lr": lr, **metrics})
        return finite

    def _evaluate(self, last: bool) -> bool:
        """Evaluate on the splits that are due; False if a parameter is no longer finite."""
        largest = torch._foreach_norm([p.detach() for p in self.step.parameters], math.inf)
        if not torch.stack(largest).isfinite().all():
            return False
        found: dict[Split, float] = {}
        started = time.perf_counter()
        for split in self.task.due(last=last):
            with self._model_for(split, last):
                counts = all_reduce_readings(read_counts(self.step.evaluate(split)))
            metrics = self.task.metrics(counts)
            if self.task.metric.name in metrics:
                found[split] = metrics[self.task.metric.name]
            where = self._where()
            where["seconds"] = round(self.progress.seconds + time.perf_counter() - started, 3)
            self._write({"kind": "eval", **where, "split": split, **metrics})
        self.model.train()
        if last and is_main():
            for name, text in self.task.files().items():
                write_atomic(self.folder / name, text, new_folder=False)
        if math.isfinite(found.get("test", math.nan)):
            self._compare(found["test"], found.get("validation"))
        return True

    def _model_for(self, split: Split, last: bool) -> AbstractContextManager[None]:
        """The model that a split sees: for the test at the end, the average of the last epochs."""
        if not (last and split == "test"):
            return nullcontext()
        epochs = self.progress.update // self.updates_per_epoch
        return averaged(self.folder, epochs, self.averaged_epochs, self.model)

    def _compare(self, test: float, validation: float | None) -> None:
        """Take in the headline metric of an evaluation of the test set."""
        progress, better = self.progress, self.task.metric.better
        progress.final = test
        if progress.best is None or better(test, progress.best):
            progress.best, progress.best_epoch = test, self._where()["epoch"]
        if validation is not None and (
            progress.best_validation is None or better(validation, progress.best_validation)
        ):
            progress.best_validation, progress.validation_selected = validation, test

    def _where(self) -> dict[str, Any]:
        return {
            "update": self.progress.update,
            "epoch": round(self.progress.update / self.updates_per_epoch, 4),
            "seconds": round(self.progress.seconds, 3),
        }

    def _write(self, event: dict[str, Any]) -> None:
        if self.records is not None:
            self.records.append(event)
        self._tell(event)

    def _tell(self, event: dict[str, Any]) -> None:
        for observer in self.observers:
            observer(event)

    def _checkpoint(self) -> None:
        parts = all_gather(own_part(self.task.state_dict(), self.random_before))
        if self.records is not None:
            records = self.records.sync()
            state = {
                "progress": asdict(self.progress),
                "model": self.model.state_dict(),
                "optimizer": self.step.optimizer.state_dict(),
                "parts": parts,
                "metrics_bytes": records.bytes,
                "metrics_crc": records.crc,
            }
            save_checkpoint(self.folder, self.progress.update, state)
        barrier()
        self.last_checkpoint = time.monotonic()

    def _restore(self) -> Extent:
        """Go back to the last checkpoint, if there is one; the records that it knew of."""
        # Only one process looks: on a shared disk another may see older files for a while.
        chosen = broadcast(
            on_every_rank(lambda: choose_checkpoint(self.folder) if is_main() else None)
        )
        if chosen is None:
            return NO_RECORDS
        path, passed_over = chosen
        state = on_every_rank(lambda: read_whole(path, self.device))
        part = choose_part(state["parts"], self.folder)
        with fitting(self.folder):
            self.progress = Progress(**state["progress"])
            self.model.load_state_dict(state["model"])
            self.step.load_optimizer(state["optimizer"])
            self.task.load_state_dict(part["task"])
            restore_random_state(part["random"])
        if not part["drew"]:
            self.random_before = random_state()
        for reason in passed_over:
            what = f"{reason}; goes on from update {self.progress.update}"
            say(f"note: {what}")
            self.progress.damage.append(what)
        return known_records(state)
