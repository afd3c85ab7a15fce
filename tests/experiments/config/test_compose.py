"""Every word of README's table of choices works with every other."""

import itertools
import re

import pytest

from experiments.config.compose import compose
from experiments.config.length import build_schedule, length
from experiments.config.schema import SCHEDULES
from experiments.config.validate import resolve
from tests.experiments.conftest import ROOT

BATCHES = 500
PAPERS_EPOCH = {"cifar10": 391, "imagenet": 1_125, "lm1b": 360}
"""Batches of an epoch of the real data at ``short``."""


TABLE = (ROOT / "README.md").read_text().split("| | choose from |")[1].split("\n\n")[0]


def offered(group: str) -> list[str]:
    """The choices of a group in README's table."""
    (row,) = re.findall(rf"^\| `{group}` \| (.*) \|$", TABLE, re.M)
    return re.findall(r"[a-z][a-z0-9_]+", row.split(";")[0].split(", each")[0])


OPTIMIZERS, TASKS, SCHEDULE_NAMES = offered("optimizer"), offered("task"), offered("schedule")
PROTOCOLS = re.findall(r"`(\w+)` \(", TABLE)
OFFERED = {"optimizer": OPTIMIZERS, "task": TASKS, "schedule": SCHEDULE_NAMES}


def test_the_table_offers_what_there_is() -> None:
    for group, names in {
        "optimizer": OPTIMIZERS,
        "task": TASKS,
        "schedule": SCHEDULE_NAMES,
    }.items():
        assert set(names) == {path.stem for path in (ROOT / "configs" / group).glob("*.yaml")}
    assert set(SCHEDULE_NAMES) == set(SCHEDULES)
    assert set(PROTOCOLS) == {path.stem for path in (ROOT / "configs" / "protocol").glob("*.yaml")}


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("task", TASKS)
def test_every_schedule_and_optimizer_composes(task: str, protocol: str) -> None:
    """And gives a rate to the first and the last update; an optimizer's warmup stays its own."""
    alone = {name: compose([f"task={task}", f"protocol={protocol}", f"optimizer={name}"])
             for name in OPTIMIZERS}  # fmt: skip
    for schedule in SCHEDULE_NAMES:
        composed = compose([f"task={task}", f"protocol={protocol}", f"schedule={schedule}"])
        for optimizer, own in alone.items():
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


@pytest.mark.parametrize("task", TASKS)
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
