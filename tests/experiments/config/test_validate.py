"""A person's mistake: one line that names field, value and remedy; exit code 2; nothing created."""

from pathlib import Path

import pytest

from experiments.config.compose import compose, settle_dataset
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.training.run import prepare
from tests.experiments.conftest import Command

MISTAKES = {
    "misspelt section": (["optimizr.lr=1"], ["optimizr.lr", "did you mean optimizer.lr?"]),
    "misspelt key": (["optimizer.lrr=1"], ["optimizer.lrr"]),
    "wrong type": (["optimizer.lr=fast"], ["optimizer.lr=fast", "number"]),
    "rate of zero": (["optimizer.lr=0"], ["optimizer.lr=0", "greater than 0"]),
    "negative rate": (["optimizer.lr=-0.1"], ["optimizer.lr=-0.1", "greater than 0"]),
    "unknown optimizer": (["optimizer=radm"], ["optimizer=radm", "did you mean radam?"]),
    "unknown task": (["task=cifar11"], ["task=cifar11", "did you mean cifar10?"]),
    "unknown protocol": (["protocol=minni"], ["protocol=minni", "did you mean mini?"]),
    "unknown experiment": (
        ["experiment=fig6_lr_robustnes"],
        ["experiment=fig6_lr_robustnes", "did you mean fig6_lr_robustness?"],
    ),
    "an update longer than an epoch": (
        ["training.accumulate=8"],
        ["training.accumulate=8", "only 4 batches"],
    ),
    "milestones after the end": (
        ["schedule.milestones=[1,9]"],
        ["schedule.milestones=[1, 9]", "longer than the run of 2 epochs"],
    ),
    "warmup longer than the run": (
        ["optimizer=adam_warmup", "schedule.warmup.updates=5000"],
        ["schedule.warmup.updates=5000", "longer than the run of 8 updates"],
    ),
    "freeze longer than the run": (
        ["optimizer=adam_2k", "optimizer.freeze_updates=2000"],
        ["optimizer.freeze_updates=2000", "8 updates"],
    ),
    "warmup taken from its optimizer": (
        ["optimizer=adam_warmup", "schedule.warmup.kind=none"],
        ["schedule.warmup.kind=none", "optimizer=adam"],
    ),
    "a length of no warmup": (
        ["optimizer=adam", "schedule.warmup.updates=4"],
        ["schedule.warmup.updates=4", "schedule.warmup.kind=linear"],
    ),
    "no length": (["protocol.epochs=null"], ["protocol.epochs or protocol.updates"]),
    "several things longer than the run": (
        ["optimizer=adam_warmup", "schedule.warmup.updates=50", "schedule.milestones=[7]"],
        ["schedule.milestones=[7]", "schedule.warmup.updates=50"],
    ),
    "no update left to the decay": (
        ["schedule=cosine", "optimizer=adam_warmup", "schedule.warmup.updates=8"],
        ["schedule.warmup.updates=8", "at most 7"],
    ),
    "milestones in disorder": (
        ["schedule.milestones=[5,3]"],
        ["schedule.milestones=[5, 3]", "ascending"],
    ),
    "an option of another schedule": (["schedule=cosine", "schedule.gamma=.5"], ["schedule.gamma"]),
    "unknown schedule": (["schedule=cosin"], ["schedule=cosin", "did you mean cosine?"]),
    "batch larger than the data": (["protocol.batch_size=4096"], ["protocol.batch_size=4096"]),
    "no such device": (["runner.device=gpu"], ["runner.device=gpu", "cuda"]),
    "beta out of range": (["optimizer.betas=[0.9,1.5]"], ["betas"]),
    "no such kind of device": (["runner.device=meta"], ["runner.device=meta", "cuda"]),
    "more than a float holds": (["optimizer.lr=1e300"], ["optimizer.lr=1e+300", "at most 3e+38"]),
    "no channels": (["task.widths=[0,1,1]"], ["task.widths", "greater than 0"]),
    "all for validation": (["task.validation_examples=128"], ["task.validation_examples=128"]),
    "a test set of another corpus": (
        ["task=iwslt14_de_en", "task.test_set=newstest2014"],
        ["task.test_set=newstest2014", "write test"],
    ),
    "no room for a translation": (
        ["task=iwslt14_de_en", "task.search_length=[0,0]"],
        ["task.search_length=[0, 0]"],
    ),
    "depth": (["task.depth=9"], ["6n + 2"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named_with_what_to_write(mistake: str, smoke: list[str]) -> None:
    words, expected = MISTAKES[mistake]
    with pytest.raises(UserError) as refused:
        prepare(settle_dataset(resolve(compose([*smoke, *words])))[0])
    message = str(refused.value)
    assert "\n" not in message
    for part in expected:
        assert part in message


OF_THE_COMMAND_LINE = {
    "a flag": (["--lr", "0.1"], ["--lr", "section.lr="]),
    "several values": (["seed=1,2"], ["seed=1,2", "-m"]),
    "no number": (["optimizer.lr=0.1,"], ["optimizer.lr=0.1,", "number"]),
    "no name": (["optimizer=null"], ["optimizer=null", "radam"]),
    "of a launcher": (["launcher.jobs=many"], ["launcher.jobs=many"]),
    "found with the data": (["protocol.batch_size=4096"], ["protocol.batch_size=4096"]),
}


@pytest.mark.parametrize("mistake", OF_THE_COMMAND_LINE)
def test_a_mistake_is_one_line_and_code_2_and_nothing_is_created(
    mistake: str, command: Command, smoke: list[str], tmp_path: Path
) -> None:
    words, expected = OF_THE_COMMAND_LINE[mistake]
    done = command("experiments.train", *smoke, *words)
    assert done.returncode == 2, done.stderr
    message = done.stderr.strip()
    assert message.startswith("error: ")
    assert "Traceback" not in message
    assert len(message.splitlines()) == 1, message
    for part in expected:
        assert part in message
    assert not (tmp_path / "runs").exists()


def test_no_experiment_and_flags_anywhere(command: Command, smoke: list[str]) -> None:
    done = command("experiments.train", "experiment=null", "--cfg", "job", *smoke, "--resolve")
    assert done.returncode == 0, done.stderr
    assert "experiment: null" in done.stdout


def test_real_data_that_is_not_there_is_an_error(
    command: Command, smoke: list[str], tmp_path: Path
) -> None:
    done = command("experiments.train", *smoke, "task.dataset=real")
    assert done.returncode == 2, done.stderr
    assert "RADAM_DATA" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["protocol.epochs=1"], "schedule.milestones: 1 of protocol=smoke lies beyond"),
        (["protocol.updates=3"], "schedule.milestones: 1 of protocol=smoke lies beyond"),
        (["protocol.updates=3", "schedule=linear"], ""),
    ],
)
def test_a_shorter_run_just_works(
    command: Command, smoke: list[str], words: list[str], note: str
) -> None:
    """The milestones of the protocol that lie beyond its end do nothing, and one line says so."""
    done = command("experiments.train", *smoke, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("note: ") == (1 if note else 0)
    assert note in done.stdout
