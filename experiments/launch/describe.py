"""What a grid will do and cost, said before anything is trained."""

from collections.abc import Iterator, Sequence

from experiments.config.choices import protocols_of
from experiments.config.length import describe_length, describe_setting, unreached
from experiments.config.schema import OptimizerConfig
from experiments.errors import UserError
from experiments.launch.estimate import measure_side_by_side, measure_small
from experiments.launch.local import on_slot
from experiments.launch.plan import Plan
from experiments.terminal.console import say
from experiments.terminal.progress import duration
from radam.zoo import ZOO


def headline(plan: Plan) -> str:
    """Which grid this is, in one line."""
    first = plan.configs[0]
    dataset = "STAND-IN data" if plan.dataset == "standin" else "real data"
    name = first.experiment or "grid"
    return f"{name}: task {first.task.name}, protocol {first.protocol.name}, {dataset}"


def describe_grid(plan: Plan) -> None:
    """Say what the plan will run, before anything is trained."""
    first = plan.configs[0]
    optimizers = list(dict.fromkeys(c.method_label for c in plan.configs))
    rates = sorted({c.optimizer.lr for c in plan.configs}, reverse=True)
    seeds = sorted({c.seed for c in plan.configs})
    say(headline(plan))
    say(f"  data        {plan.why}")
    for setting in dict.fromkeys(describe_setting(c) for c in plan.configs):
        say(f"  setting     {setting}")
    say(f"  optimizers  {', '.join(optimizers)}")
    say(f"  rates α     {', '.join(f'{rate:g}' for rate in rates)}")
    say(f"  seeds       {', '.join(map(str, seeds))}")
    notes = (note for c in plan.configs for note in (*_shortened(c.optimizer), *unreached(c)))
    for note in dict.fromkeys(notes):
        say(f"  note        {note}")
    say(f"  runs        {len(plan.configs)}: {plan.counts}")
    if not first.task.of_the_paper:
        say("  This is not a task of the paper: its results decide no claim of the paper.")
    elif first.protocol.name not in ("paper", "recipe") or plan.dataset == "standin":
        say("  This is not the paper's setting: its results decide no claim of the paper.")


def _shortened(optimizer: OptimizerConfig) -> Iterator[str]:
    """What a short protocol scales."""
    entry = ZOO[optimizer.name]
    usual = entry.defaults.get("freeze_updates")
    here = optimizer.options.get("freeze_updates", usual)
    if here != usual:
        yield f"{entry.title} freezes its first {here:,} updates here, not {usual:,}"


def estimate(plan: Plan, slots: Sequence[str]) -> None:
    """Say what the runs will take, and what the paper's protocol would take here."""
    say("Measuring a few updates ...")
    left, jobs = plan.left, len(slots)
    cost = measure_side_by_side([on_slot(left[0], slot, jobs) for slot in slots])
    total = cost.seconds * len(left) / jobs
    say(
        f"  one run     about {duration(cost.seconds)} ({1000 * cost.seconds_per_update:.0f} ms an "
        f"update, {cost.start:.1f} s to start, {jobs} at a time); the {len(left)} left about "
        f"{duration(total)}"
    )
    if left[0].protocol.name == "paper" or "paper" not in protocols_of(left[0].task.name):
        return
    paper = plan.at_protocol("paper")
    try:
        slotted = [on_slot(paper[0], slot, jobs) for slot in slots]
        cost = measure_side_by_side(slotted, measure_small)
    except UserError as error:  # a model that does not fit here, say
        say(f"  paper       that protocol cannot run here: {error}")
        return
    cost = cost.at_full_size(paper[0])
    total, length = cost.seconds * len(paper) / jobs, describe_length(paper[0].protocol)
    say(
        f"  paper       that protocol's {len(paper)} runs ({length} each) "
        f"would take about {duration(cost.seconds)} each here, {duration(total)} in all"
    )
