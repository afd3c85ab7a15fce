"""What a person sees while runs go on: bars on a terminal, sparse lines in a log."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from experiments.config.schema import RunConfig
from experiments.ranks import is_main
from experiments.terminal.console import console, say
from experiments.tracking.result import RunResult

LOG_SECONDS = 30.0
"""Least time between two lines of one run in a log."""


def outcome(result: RunResult | None) -> str:
    """What became of a run, in a few words."""
    if result is None:
        return "ended without a result: killed, or another process has it; its log says which"
    if result.status == "failed":
        lines = (result.error or "").strip().splitlines()
        return f"failed: {lines[-1] if lines else 'without a word'}"
    if result.status != "completed" or result.final is None:
        return f"{result.status} at update {result.updates}"
    flag = ", at chance" if result.at_chance else ""
    flag += ", damage made good" if result.damage else ""
    return (
        f"{result.metric} {result.final:.2f} (best on test {result.best:.2f}{flag}) "
        f"in {result.wall_seconds:.0f} s"
    )


_NOT_METRICS = ("kind", "split", "update", "epoch", "seconds")


class Display(Protocol):
    """Shows a grid of one or more runs."""

    def event(self, config: RunConfig, event: dict[str, Any]) -> None:
        """Take in a record of a run."""

    def end(self, config: RunConfig, result: RunResult | None) -> None:
        """Say what became of a run."""


class Bars:
    """A bar a run, and one for the grid if it has more than one run."""

    def __init__(self, progress: Progress, runs: int, labels: Mapping[str, str]) -> None:
        self.progress, self.labels = progress, labels
        self.bars: dict[str, TaskID] = {}
        self.facts: dict[str, dict[str, str]] = {}
        self.grid = (
            progress.add_task("all runs", total=runs, facts="", of=runs) if runs > 1 else None
        )

    def event(self, config: RunConfig, event: dict[str, Any]) -> None:
        """Take in a record of a run."""
        run = config.run_id
        if event["kind"] == "start":
            self.bars[run] = self.progress.add_task(
                self.labels.get(run, config.label),
                total=event["total"],
                completed=event["update"],
                facts="",
                of=event["total"] or "?",  # a container's run knows it from its data alone
            )
            self.facts[run] = {}
            return
        bar, facts = self.bars[run], self.facts[run]
        if event["kind"] == "eval":
            facts[event["split"]] = f"{event['split']} {_metrics(event)}"
        elif event.get("loss") is not None:
            facts["loss"] = f"loss {event['loss']:.3f}"
        speed = self.progress.tasks[self.progress.task_ids.index(bar)].speed
        if speed:
            examples = config.protocol.batch_size * config.training.accumulate
            facts["speed"] = f"{speed * examples:.0f} examples/s"
        self.progress.update(bar, completed=event["update"], facts="  ".join(facts.values()))

    def end(self, config: RunConfig, result: RunResult | None) -> None:
        """Say what became of a run."""
        if config.run_id in self.bars:
            self.progress.remove_task(self.bars.pop(config.run_id))
        label = self.labels.get(config.run_id, config.label)
        self.progress.console.print(f"{label}: {outcome(result)}", markup=False)
        if self.grid is not None:
            self.progress.advance(self.grid)


class Lines:
    """A line when a run ends, and now and then one in between."""

    def __init__(self, runs: int, labels: Mapping[str, str]) -> None:
        self.runs, self.ended, self.started = runs, 0, time.monotonic()
        self.labels = labels
        self.last: dict[str, float] = {}

    def event(self, config: RunConfig, event: dict[str, Any]) -> None:
        """Take in a record of a run."""
        present = time.monotonic()
        last = self.last.setdefault(config.run_id, present)
        if event["kind"] == "eval" and present - last >= LOG_SECONDS:
            self.last[config.run_id] = present
            where = f"epoch {event['epoch']:g}, {event['split']}"
            label = self.labels.get(config.run_id, config.label)
            say(f"{label}: {where} loss {event['loss']:.3f} {_metrics(event)}")

    def end(self, config: RunConfig, result: RunResult | None) -> None:
        """Say what became of a run."""
        self.ended += 1
        count = left = ""
        if self.runs > 1:
            remaining = self.runs - self.ended
            seconds = (time.monotonic() - self.started) / self.ended * remaining
            count = f"[{self.ended}/{self.runs}] "
            left = f"; about {duration(seconds)} left" if remaining else ""
        label = self.labels.get(config.run_id, config.label)
        say(f"{count}{label}: {outcome(result)}{left}")


def _metrics(event: dict[str, Any]) -> str:
    values = {k: v for k, v in event.items() if k not in (*_NOT_METRICS, "loss") and v is not None}
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


@contextmanager
def display(runs: int, labels: Mapping[str, str] | None = None) -> Iterator[Display]:
    """Bars where standard output is a terminal, lines elsewhere.

    ``labels``: what to call the runs, by their ids, where their own labels do not tell them apart.
    """
    if not (console.is_terminal and is_main()):
        yield Lines(runs, labels or {})
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.fields[of]}"),
        TextColumn("{task.fields[facts]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        yield Bars(progress, runs, labels or {})


def duration(seconds: float) -> str:
    """Seconds for people: ``40 s``, ``12 min``, ``3.5 h``, ``12 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
