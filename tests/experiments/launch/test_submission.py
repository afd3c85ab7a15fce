"""What runs of a sweep are called."""

import itertools

import pytest

from experiments.launch.grid import expand
from experiments.launch.submission import labels_of

AXES = {
    "optimizer.betas": "[0.9,0.999],[0.9,0.99]",
    "optimizer.weight_decay": "0,0.1",
    "optimizer.lr": "0.03,0.01",
    "schedule.milestones": "[1],[]",
    "training.precision": "fp32,bf16",
    "seed": "1,2",
}


@pytest.mark.parametrize("axes", [*itertools.combinations(AXES, 2), ()])
def test_no_two_runs_are_called_alike(axes: tuple[str, ...]) -> None:
    words = ["protocol=smoke", "task.dataset=standin", "optimizer=adam"]
    configs = expand([*words, *(f"{axis}={AXES[axis]}" for axis in axes)])
    found = labels_of(configs)
    assert len(found) == len(configs)
    assert len({words.label for words in found.values()}) == len(configs)
    settings = {words.setting for words in found.values()}
    assert len(settings) == len(configs) // (2 if "seed" in axes else 1)


def test_what_tells_runs_apart_is_named_as_on_the_command_line() -> None:
    words = ["protocol=smoke", "task.dataset=standin", "optimizer=adam"]
    labels = labels_of(expand([*words, "optimizer.betas=[0.9,0.999],[0.9,0.99]"])).values()
    assert [words.label for words in labels] == [
        "adam α=0.03 (betas=[0.9, 0.999]) seed 1",
        "adam α=0.03 (betas=[0.9, 0.99]) seed 1",
    ]
    (alone,) = labels_of(expand(words)).values()
    assert alone.label == "adam α=0.03 seed 1"
