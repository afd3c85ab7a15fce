"""What makes two runs the same run."""

import pickle

import pytest

from experiments.config.compose import compose
from experiments.config.schema import SCHEDULES, RunConfig
from experiments.config.validate import from_dict, resolve

BASE = ["task.dataset=standin"]


def config(*words: str) -> RunConfig:
    return resolve(compose([*BASE, *words]))


@pytest.mark.parametrize(
    "words",
    [
        ["runner.threads=2"],
        ["runner.device=cpu"],
        ["runner.runs_dir=elsewhere"],
        ["runner.checkpoint_seconds=1"],
        ["experiment=fig6_lr_robustness"],
        ["launcher.jobs=3"],
        ["protocol.presets.warmup_updates=3"],  # acts through Adam+warmup alone
        ["seed=1"],  # the value it has anyway
    ],
)
def test_what_cannot_change_the_numbers_keeps_the_run(words: list[str]) -> None:
    assert config(*words).run_id == config().run_id


@pytest.mark.parametrize(
    "words",
    [
        ["seed=2"],
        ["optimizer.lr=0.05"],
        ["optimizer.betas=[0.9,0.99]"],
        ["optimizer=adam"],
        ["schedule.gamma=0.2"],
        ["protocol.batch_size=64"],
        ["protocol=smoke"],
        ["task.train_examples=4000"],
        ["training.precision=bf16"],
        ["training.grad_clip=1.0"],
        ["task.dataset=real"],
    ],
)
def test_what_can_change_the_numbers_makes_another_run(words: list[str]) -> None:
    assert config(*words).run_id != config().run_id


def test_numbers_written_in_other_ways_are_the_same_run() -> None:
    assert config("optimizer.lr=1e-1").run_id == config("optimizer.lr=0.10").run_id


def test_config_comes_back_from_plain_values() -> None:
    original = config("optimizer=adam_warmup", "schedule.warmup.updates=7")
    again = from_dict(original.model_dump(mode="json"))
    assert again == original
    assert again.run_id == original.run_id


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_config_goes_to_another_process(schedule: str) -> None:
    original = config(f"schedule={schedule}")
    assert pickle.loads(pickle.dumps(original)) == original
