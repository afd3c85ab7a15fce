"""Entry point: the runs of an experiment, planned and carried out.

``python -m experiments.sweep run experiment=reproduce_cifar10 protocol=auto``
"""

import argparse
import subprocess
import sys

from rich.table import Table

from experiments.config import RunConfig
from experiments.console import console, exit_on_user_error, say
from experiments.launch.estimate import measure_side_by_side
from experiments.launch.local import choose_jobs, run_local, with_threads
from experiments.launch.plan import DONE, Plan, make_plan, state
from experiments.launch.worker import LOG
from experiments.progress import display, duration, label, outcome
from experiments.tracking.run_folder import RunFolder
from experiments.training.length import describe_setting
from experiments.training.signals import stop_on_signals

VERBS = {
    "plan": "show the grid: what is finished, unfinished, missing",
    "run": "carry out what is missing on this machine, then report",
}

USAGE = """\
python -m experiments.sweep VERB key=value ...

The words are those of experiments.train; comma lists make a grid:

  python -m experiments.sweep plan experiment=fig6_lr_robustness
  python -m experiments.sweep run experiment=fig6_lr_robustness optimizer=adam,radam seed=1,2,3
  python -m experiments.sweep run experiment=reproduce_cifar10 protocol=auto launcher.jobs=2

protocol=auto is paper where there is a CUDA GPU and mini elsewhere. Experiments:
configs/experiment/. A finished run is never run again; an unfinished one goes on where it stopped.
"""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(
        "experiments.sweep", usage=USAGE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = "\n".join(f"{verb}: {meaning}" for verb, meaning in VERBS.items())
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help=verbs)
    parser.add_argument("words", nargs="*", metavar="key=value", help="as for experiments.train")
    chosen = parser.parse_args(arguments)
    plan = make_plan(chosen.words)
    if chosen.verb == "plan":
        show_plan(plan)
        return 0
    return run_here(plan)


def show_plan(plan: Plan) -> None:
    """Print the grid as a table, a line a run."""
    table = Table("run", "optimizer", "α", "seed", "state", title=headline(plan))
    for config, found in zip(plan.configs, plan.states, strict=True):
        optimizer = label(config).split(" α=")[0]
        rate, seed = f"{config.optimizer.lr:g}", str(config.seed)
        table.add_row(config.run_id, optimizer, rate, seed, found)
    console.print(table)
    say(f"{len(plan.configs)} runs: {plan.counts}")


def headline(plan: Plan) -> str:
    """Which grid this is, in one line."""
    first = plan.configs[0]
    dataset = "STAND-IN data" if plan.dataset == "standin" else "real data"
    name = first.experiment or "grid"
    return f"{name}: task {first.task.name}, protocol {first.protocol.name}, {dataset}"


def run_here(plan: Plan) -> int:
    """Carry out what is left of the plan on this machine, then report on the whole grid."""
    describe_grid(plan)
    if plan.left:
        jobs = choose_jobs(plan.launcher.jobs, plan.left[0].runner.device, len(plan.left))
        left = [with_threads(config, jobs) for config in plan.left]
        estimate(plan, left, jobs)
        with stop_on_signals() as stop, display(len(left)) as shown:
            run_local(left, jobs, shown, stop)
        if stop:
            say("Stopped. The same command goes on from here.")
            return stop.exit_code
    report(plan)
    undone = [config for config in plan.configs if state(config) not in DONE]
    for config in undone:
        say(f"not done: {label(config)}: {outcome(RunFolder(config.folder).result)}")
        say(f"          {config.folder / LOG}")
    return 1 if undone else 0


def report(plan: Plan) -> None:
    """Show what the store now says of the grid's task, protocol and dataset."""
    first = plan.configs[0]
    of_grid = ["--task", first.task.name, "--protocol", first.protocol.name]
    words = [*of_grid, "--dataset", plan.dataset, "--runs", str(first.runner.runs_dir)]
    subprocess.run([sys.executable, "-m", "experiments.report", *words], check=False)


def describe_grid(plan: Plan) -> None:
    """Say what the plan will run, before anything is trained."""
    first = plan.configs[0]
    optimizers = list(dict.fromkeys(label(c).split(" α=")[0] for c in plan.configs))
    rates = sorted({c.optimizer.lr for c in plan.configs}, reverse=True)
    seeds = sorted({c.seed for c in plan.configs})
    say(headline(plan))
    say(f"  data        {plan.why}")
    for setting in dict.fromkeys(describe_setting(c) for c in plan.configs):
        say(f"  setting     {setting}")
    say(f"  optimizers  {', '.join(optimizers)}")
    say(f"  rates α     {', '.join(f'{rate:g}' for rate in rates)}")
    say(f"  seeds       {', '.join(map(str, seeds))}")
    for freeze in {c.optimizer.options.get("freeze_updates", 2000) for c in plan.configs} - {2000}:
        say(f"  note        Adam-2k freezes its first {freeze} updates here, not 2,000")
    say(f"  runs        {len(plan.configs)}: {plan.counts}")
    if first.protocol.name in ("mini", "smoke") or plan.dataset == "standin":
        say("  This is not the paper's setting: its results decide no claim of the paper.")


def estimate(plan: Plan, left: list[RunConfig], jobs: int) -> None:
    """Say what the runs will take, and what the paper's protocol would take here."""
    say("Measuring a few updates ...")
    cost = measure_side_by_side(left[0], jobs)
    total = cost.seconds * len(left) / jobs
    say(
        f"  one run     about {duration(cost.seconds)} ({1000 * cost.seconds_per_update:.0f} ms an "
        f"update, {jobs} at a time); the {len(left)} left about {duration(total)}"
    )
    if left[0].protocol.name == "paper":
        return
    paper = [with_threads(config, jobs) for config in plan.at_protocol("paper")]
    cost = measure_side_by_side(paper[0], jobs).at_full_size(paper[0])
    total = cost.seconds * len(paper) / jobs
    say(
        f"  paper       that protocol's {len(paper)} runs ({paper[0].protocol.epochs} epochs each) "
        f"would take about {duration(cost.seconds)} each here, {duration(total)} in all"
    )


if __name__ == "__main__":
    with exit_on_user_error():
        sys.exit(main())
