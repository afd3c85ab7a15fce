"""Every word of README's table of choices works with every other."""

import itertools
import re
from functools import cache

import pytest
from omegaconf import DictConfig

from experiments.config.compose import compose
from experiments.config.length import build_schedule, length
from experiments.config.schema import SCHEDULES
from experiments.config.validate import resolve
from radam.zoo import ZOO
from tests.experiments.conftest import ROOT

BATCHES = 500
PAPERS_EPOCH = {"cifar10": 391, "imagenet": 1_125, "lm1b": 360}
"""Batches of an epoch of the real data at ``short``."""


def choices(group: str) -> list[str]:
    """The files of a group in ``configs/``."""
    return sorted(path.stem for path in (ROOT / "configs" / group).glob("*.yaml"))


OPTIMIZERS, TASKS, SCHEDULE_NAMES = choices("optimizer"), choices("task"), choices("schedule")
LENGTHS = [
    (task, path.stem)
    for task in TASKS
    for path in sorted((ROOT / "configs" / "protocol" / task).glob("*.yaml"))
]
"""Every task with the protocols that it has."""


def test_every_optimizer_and_schedule_is_a_choice() -> None:
    assert set(OPTIMIZERS) == set(ZOO)
    assert set(SCHEDULE_NAMES) == set(SCHEDULES)


@pytest.mark.parametrize("group", ["optimizer", "task", "schedule", "protocol"])
def test_readme_offers_what_there_is(group: str) -> None:
    table = (ROOT / "README.md").read_text().partition("| | choose from |")[2].partition("\n\n")[0]
    (row,) = re.findall(rf"^\| `{group}` \| (.*) \|$", table, re.M)
    names = re.findall(r"`(\w+)` \(", row) or re.findall(r"\w+", row.partition(";")[0])
    assert set(names) <= set(choices(group))


@cache
def with_optimizer(name: str) -> DictConfig:
    """Its own words still refer to the protocol's presets."""
    return compose([f"optimizer={name}"])


@pytest.mark.slow
@pytest.mark.parametrize(("task", "protocol"), LENGTHS)
def test_every_schedule_and_optimizer_composes(task: str, protocol: str) -> None:
    """And gives a rate to the first and the last update; an optimizer's warmup stays its own."""
    for schedule in SCHEDULE_NAMES:
        composed = compose([f"task={task}", f"protocol={protocol}", f"schedule={schedule}"])
        for optimizer in OPTIMIZERS:
            own = with_optimizer(optimizer)
            composed.optimizer = own.optimizer
            composed.schedule.warmup = own.schedule.warmup
            config = resolve(composed)
            assert (config.schedule.name, config.optimizer.name) == (schedule, optimizer)
            whole = length(config, BATCHES * config.training.accumulate)
            rates = build_schedule(config, whole)
            assert rates(1) > 0
            assert rates(whole.updates) >= 0


SOME = ["cifar10", "iwslt14_de_en"]


@pytest.mark.parametrize(("task", "schedule"), itertools.product(SOME, SCHEDULE_NAMES))
def test_all_three_on_one_line(task: str, schedule: str) -> None:
    words = [f"task={task}", f"schedule={schedule}", "optimizer=adam_warmup", "protocol=smoke"]
    config = resolve(compose(words))
    assert config.schedule.name == schedule
    assert config.schedule.warmup.kind == "linear"


@pytest.mark.parametrize("task", [task for task, protocol in LENGTHS if protocol == "short"])
def test_short_is_more_than_twice_radams_own_warmup(task: str) -> None:
    config = resolve(compose([f"task={task}", "task.dataset=real", "protocol=short"]))
    whole = length(config, PAPERS_EPOCH.get(task, BATCHES))
    assert whole.updates > 2 * 2 / (1 - config.optimizer.beta2)


@pytest.mark.parametrize(
    ("task", "task_length"), [("cifar10", 186), ("imagenet", 90), ("lm1b", 14)]
)
def test_short_decays_where_the_paper_does(task: str, task_length: int) -> None:
    """At the same fractions of the run, so that the parts have the same shares."""
    words = [f"task={task}", "task.dataset=real"]
    paper, short = (resolve(compose([*words, f"protocol={name}"])) for name in ("paper", "short"))
    assert paper.protocol.epochs == task_length
    whole = length(short, PAPERS_EPOCH[task])
    at = short.schedule.in_updates(whole.updates_per_epoch)["milestones"]
    fractions = [milestone / whole.updates for milestone in at]
    wanted = [epoch / task_length for epoch in paper.schedule.options["milestones"]]
    assert fractions == pytest.approx(wanted, abs=1e-3)
