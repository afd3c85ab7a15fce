"""Entry point: the runs of an experiment, planned, carried out, submitted, watched.

``python -m experiments.sweep run experiment=reproduce_cifar10 protocol=auto``
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.live import Live

from experiments.config.schema import RunConfig
from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.launch.describe import describe_grid, estimate, headline
from experiments.launch.launcher import Launcher, LocalLauncher
from experiments.launch.local import run_local
from experiments.launch.plan import Plan, make_plan
from experiments.launch.snapshot import take_snapshot
from experiments.launch.status import (
    DONE,
    LEFT,
    UNDER_WAY,
    Line,
    cost,
    counts,
    look,
    read_queue,
    table,
    troubles,
)
from experiments.launch.submission import (
    SWEEPS,
    TABLE,
    Sweep,
    find_sweep,
    labels_of,
    new_submission,
    run_key,
    sweep_of,
)
from experiments.launch.submit import (
    cancel_sweep,
    check_launcher,
    ensure_report,
    launcher_of,
    one_at_a_time,
    submit_runs,
)
from experiments.launch.supervisor import slots_for, write_pid
from experiments.terminal.arguments import Parser
from experiments.terminal.console import console, exit_on_user_error, note, say
from experiments.terminal.progress import display
from experiments.tracking.names import LOG
from experiments.tracking.run_folder import RunFolder
from experiments.training.signals import stop_on_signals

USAGE = """\
python -m experiments.sweep VERB ...

  plan    key=value ...   show the grid: what is done, interrupted, missing, and what it costs
  run     key=value ...   carry out what is missing on this machine, then report
  submit  key=value ...   hand what is missing to a launcher and return at once
  status  [SWEEP]         what became of each run; --watch follows it
  cancel  [SWEEP]         take it back; runs under way save first
  collect [SWEEP]         a table of the results, and the report
  retry   [SWEEP]         submit again what is not done; --failed: only what failed
  logs    RUN             what a run printed

The words are those of experiments.train; comma lists make a grid:

  python -m experiments.sweep plan experiment=fig6_lr_robustness
  python -m experiments.sweep run experiment=fig6_lr_robustness optimizer=adam,radam seed=1,2,3
  python -m experiments.sweep submit experiment=fig6_lr_robustness protocol=paper \\
      launcher=slurm launcher.partition=gpu launcher.gpus=1

Launchers: configs/launcher/. Experiments: configs/experiment/. protocol=auto is paper where there
is a CUDA GPU and mini elsewhere. A finished run is never run again, an unfinished one goes on
where it stopped, one that is queued is not queued twice: submitting again is harmless.

SWEEP is the name that submit printed, its folder, or the words that were submitted; without it,
the sweep of ./runs that was submitted last. RUN is a run's id or folder. Further words of submit:
  allow_dirty=true   even if the code differs from its commit (the results say so)
  sweep=NAME         a name of your own
and of run: sweep=NAME,
  estimate=false     do not measure beforehand what the runs will take
  report=false       do not report afterwards
"""

SECONDS_BETWEEN_LOOKS = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    parser = Parser("python -m experiments.sweep", add_help=False)
    parser.add_argument("verb", choices=VERBS, nargs="?")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--failed", action="store_true")
    parser.add_argument("--help", "-h", action="store_true")
    chosen = parser.parse_intermixed_args(arguments)
    if chosen.help or chosen.verb is None:
        print(USAGE, end="")
        return 0
    for option, verb in (("watch", "status"), ("failed", "retry")):
        if getattr(chosen, option) and chosen.verb != verb:
            raise UserError(f"--{option}: belongs to {verb}, not to {chosen.verb}")
    return VERBS[chosen.verb](chosen)


def plan(chosen: argparse.Namespace) -> int:
    """Show the grid."""
    planned = make_plan(take_out(chosen.words, "sweep", "allow_dirty")[0])
    lines = look(planned.store, labels_of(planned.configs), planned.queue)
    console.print(table(lines, headline(planned)))
    say(f"{len(lines)} runs: {counts(lines)}; {cost(lines)}")
    for line in claims_of(planned):
        say(line)
    return 0


def claims_of(planned: Plan) -> list[str]:
    """How many seeds the claims take that the plan's runs may decide."""
    from experiments.analysis.claims import seeds_of_claims  # here alone: it waits for polars
    from experiments.analysis.wording import decides

    first = planned.configs[0]
    if first.experiment is None or not decides(
        first.task.name, first.protocol.name, planned.dataset
    ):
        return []
    cells = Counter(labels.setting for labels in labels_of(planned.configs).values())
    optimizers = {config.optimizer.name for config in planned.configs}
    return seeds_of_claims(first.experiment, optimizers, min(cells.values()))


def run(chosen: argparse.Namespace) -> int:
    """Carry out what is left of the grid on this machine, then report on the whole of it."""
    words = ("sweep", "allow_dirty", "estimate", "report")
    overrides, name, _, measured, reported = take_out(chosen.words, *words)
    measured = is_true("estimate", measured or "true")
    reported = is_true("report", reported or "true")
    planned = make_plan(overrides)
    launcher, sweep = planned.launcher, sweep_of(planned.configs, name)
    if not isinstance(launcher, LocalLauncher):
        raise UserError(f"run is for this machine; write submit launcher={launcher.name}")
    sweep.check(planned.configs)
    check_launcher(launcher)
    describe_grid(planned)
    lines = look(planned.store, labels_of(planned.configs), planned.queue)
    if planned.left:
        sweep.write(overrides, planned.configs)  # first: a store that cannot be written shows here
        slots = slots_for(planned.left, launcher)
        if measured:
            estimate(planned, slots)
        members = [[run_key(config)] for config in planned.left]
        submission = new_submission(sweep, launcher, members, {})
        names = {run.folder.name: run.words.label for run in lines}
        with submission.held(), stop_on_signals() as stop, display(len(members), names) as shown:
            write_pid(submission, os.getpid())
            run_local(planned.left, slots, launcher, shown, stop)
        if stop:
            say("Stopped. The same command goes on from here.")
            return stop.exit_code
    if reported:
        first = planned.configs[0]
        about = {
            "task": first.task.name,
            "protocol": first.protocol.name,
            "dataset": planned.dataset,
        }
        report(about, planned.store, Path("reports"))
    lines = look(planned.store, labels_of(planned.configs), read_queue(planned.store))
    for text in troubles(lines):
        say(text)
    return 0 if all(line.state in DONE for line in lines) else 1


def submit(chosen: argparse.Namespace) -> int:
    """Hand what is left of the grid to its launcher."""
    overrides, name, dirty = take_out(chosen.words, "sweep", "allow_dirty")
    planned = make_plan(overrides)
    sweep = sweep_of(planned.configs, name)
    sweep.check(planned.configs)
    say(headline(planned))
    say(f"{len(planned.configs)} runs: {planned.counts}")
    return _submit(sweep, planned.left, planned.launcher, dirty, (overrides, planned.configs))


def retry(chosen: argparse.Namespace) -> int:
    """Submit again what ended without being done."""
    words, dirty = take_out(chosen.words, "allow_dirty")
    sweep = find(words)
    lines = look(sweep.store, sweep.runs, read_queue(sweep.store))
    wanted = [
        RunFolder(line.folder).config
        for line in lines
        if line.state == "failed" or (line.state in LEFT and not chosen.failed)
    ]
    say(f"{sweep.name}: {counts(lines)}")
    return _submit(sweep, wanted, launcher_of(sweep), dirty, None)


def _submit(
    sweep: Sweep,
    configs: Sequence[RunConfig],
    launcher: Launcher,
    dirty: str | None,
    grid: tuple[Sequence[str], Sequence[RunConfig]] | None,
) -> int:
    if not configs:
        say("Nothing to submit.")
        put_right(sweep)
        return 0
    check_launcher(launcher)
    code = take_snapshot(sweep.store, is_true("allow_dirty", dirty))
    with one_at_a_time(sweep.store):
        queue = read_queue(sweep.store)
        configs = [c for c in configs if run_key(c) not in queue]  # another may have been faster
        if grid is not None:
            sweep.write(*grid)
        if not configs:
            say("Another command has just submitted them.")
            return 0
        for line in submit_runs(sweep, configs, launcher, code):
            say(line)
    say(f"{len(configs)} runs submitted: python -m experiments.sweep status {sweep.written}")
    return 0


def status(chosen: argparse.Namespace) -> int:
    """Show what became of each run; with ``--watch`` until nothing goes on any more."""
    sweep = find(chosen.words)
    if not chosen.watch:
        show_status(sweep)
        put_right(sweep)
        return 0
    with Live(console=console, refresh_per_second=1) as live:
        while True:
            lines = look_carefully(sweep)
            live.update(table(lines, f"{sweep.name}: {counts(lines)}"))
            if not any(line.state in UNDER_WAY for line in lines):
                return 0
            time.sleep(SECONDS_BETWEEN_LOOKS)


def show_status(sweep: Sweep) -> None:
    """Print a sweep's table, its counts and what went wrong."""
    lines = look_carefully(sweep)
    console.print(table(lines, sweep.name))
    say(f"{len(lines)} runs: {counts(lines)}; {cost(lines)}")
    for text in troubles(lines):
        say(text)


def put_right(sweep: Sweep) -> None:
    """Queue what collects a sweep's results where it is missing, and say so."""
    try:
        for line in ensure_report(sweep):
            say(line)
    except UserError as error:
        say(f"note: {error}; whether a job will collect the results is not known")


def look_carefully(sweep: Sweep) -> list[Line]:
    """A sweep's runs, even where the queue does not answer: the folders still say much."""
    try:
        queue = read_queue(sweep.store)
    except UserError as error:
        say(f"note: {error}; what is queued is not known")
        queue = {}
    return look(sweep.store, sweep.runs, queue)


def cancel(chosen: argparse.Namespace) -> int:
    """Take back what is still queued or going on."""
    sweep = find(chosen.words)
    say(f"{sweep.name}: {cancel_sweep(sweep)} runs cancelled; those under way save first")
    return 0


def collect(chosen: argparse.Namespace) -> int:
    """Write the results of a sweep as a table, and the report on what the store now holds."""
    import polars as pl  # here alone: plan and status need not wait for it

    from experiments.tracking.store import read_results

    sweep = find(chosen.words)
    show_status(sweep)
    results = read_results(sweep.store, tell=note).filter(
        pl.concat_str("task", pl.lit("/"), "run_id").is_in(list(sweep.runs))
    )
    if results.is_empty():
        say("No results yet.")
        return 1
    write_atomic(sweep.path / TABLE, results.write_csv())
    say(f"{len(results)} results: {sweep.path / TABLE}")
    report(results.row(0, named=True), sweep.store, sweep.path / "report")
    return 0


def logs(chosen: argparse.Namespace) -> int:
    """Print what a run printed."""
    if len(chosen.words) != 1:
        raise UserError("logs: give one run, by its id or its folder")
    wanted = chosen.words[0]
    runs = (path for path in Path("runs").glob("*/*") if path.parent.name != SWEEPS)
    begun = [path for path in runs if path.name.startswith(wanted)]
    found = [Path(wanted)] if "/" in wanted else begun
    if len(found) != 1 or not found[0].is_dir():
        raise UserError(f"{wanted}: {len(found) or 'no'} such runs; give an id in full or a folder")
    log = found[0] / LOG
    if not log.exists():
        raise UserError(f"{log}: not there; the run has not begun, or was not part of a sweep")
    sys.stdout.write(log.read_text(errors="replace"))
    return 0


def report(run: Mapping[str, str], store: Path, out: Path) -> None:
    """Show what the store now says of a run's ``task``, ``protocol`` and ``dataset``."""
    words = [f"--{name}={run[name]}" for name in ("task", "protocol", "dataset")]
    words += [f"--runs={store}", f"--out={out}"]
    subprocess.run([sys.executable, "-m", "experiments.report", *words], check=False)


def find(words: Sequence[str]) -> Sweep:
    """The sweep that is meant: by its name or folder, its grid's overrides, or the last one."""
    if not words or "=" not in words[0]:
        if len(words) > 1:
            raise UserError(f"{' '.join(words)}: give one sweep, or the words that were submitted")
        return find_sweep(Path("runs").absolute(), words[0] if words else None)
    overrides, name, _ = take_out(words, "sweep", "allow_dirty")
    planned = make_plan(overrides, look=False)
    sweep = sweep_of(planned.configs, name)
    if not sweep.exists:
        raise UserError(f"{sweep.name}: this grid was not submitted; submit takes the same words")
    return sweep


def take_out(words: Sequence[str], *names: str) -> tuple[Any, ...]:
    """``words`` without those that set ``names``, and the values of these, None where not set."""
    values = dict(word.split("=", 1) for word in words if word.partition("=")[0] in names)
    rest = [word for word in words if word.partition("=")[0] not in names]
    return rest, *(values.get(name) for name in names)


def is_true(name: str, value: str | None) -> bool:
    """A yes or no from the command line; no if not set. Raises :class:`UserError`."""
    if value not in (None, "true", "false"):
        raise UserError(f"{name}={value}: write true or false")
    return value == "true"


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    verb.__name__: verb for verb in (plan, run, submit, status, cancel, collect, retry, logs)
}


if __name__ == "__main__":
    with exit_on_user_error():
        sys.exit(main())
