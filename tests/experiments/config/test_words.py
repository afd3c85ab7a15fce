"""Every field of every configuration is given the same odd values: taken, or told in one line."""

import itertools
from collections.abc import Iterator

import pytest
from omegaconf import DictConfig, OmegaConf

from experiments.config.choices import GROUPS, choices
from experiments.config.compose import compose, set_field
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.launch.grid import expand
from experiments.launch.launcher import typed_launcher

ODD = (
    *("", " ", "null", "true", "0", "-1", "0.0", "1e999", "nan", str(10**30), "1,", "word"),
    *("Übung", "~nobody-of-that-name/x", "a b", "--flag", "[]", "[null]", "[1,a]", "{a: 1}"),
    *("[", "${nope}", "${", "???", "range(3)", "interval(1,3)"),
)

CONFIGURATIONS = [
    *([f"task={task}"] for task in choices("task")),
    *([f"optimizer={optimizer}"] for optimizer in choices("optimizer")),
    *([f"schedule={schedule}"] for schedule in choices("schedule")),
    ["launcher=slurm", "tracking=wandb"],
]
"""Which together have every field that there is."""


def fields(tree: DictConfig, prefix: str = "") -> Iterator[str]:
    """The leaves of what was composed, as a command line names them."""
    for key, value in OmegaConf.to_container(tree, resolve=False).items():  # type: ignore[union-attr]
        if isinstance(value, dict):
            yield from fields(OmegaConf.create(value), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def all_fields() -> Iterator[tuple[DictConfig, str]]:
    """Every field once, with a configuration that has it."""
    seen = set[str]()
    for words in CONFIGURATIONS:
        composed = compose([*words, "protocol=smoke", "task.dataset=standin"])
        kind = words[0] if words[0].startswith("optimizer") else ""
        for field in fields(composed):
            # The optimizers check their options themselves, each its own.
            name = f"{kind if field.startswith('optimizer.') else ''}{field}"
            if name not in seen and field != "experiment":
                seen.add(name)
                yield composed, field


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_field_takes_an_odd_value_or_says_in_one_line_what_is_wrong_with_it() -> None:
    tried = 0
    for composed, field in all_fields():
        before = OmegaConf.to_container(composed, resolve=False)
        for odd in ODD:
            tried += 1
            try:
                set_field(composed, f"{field}={odd}")
                (typed_launcher if field.startswith("launcher.") else resolve)(composed)
            except UserError as error:
                check(str(error), field, odd)
            finally:
                section = field.partition(".")[0]
                composed[section] = before[section]  # type: ignore[index, call-overload]
    assert tried > 3_000


def check(message: str, field: str, odd: str) -> None:
    """One line that names the field, and is no parser's jargon."""
    told = f"{field}={odd}: {message}"
    assert "\n" not in message, told
    assert len(message) < 500, told  # a list of all experiments
    assert field.rpartition(".")[2] in message, told
    for jargon in ("mismatched input", "Lexer", "expecting", "ConfigNode", "Error"):
        assert jargon not in message, told


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_every_group_refuses_what_is_no_choice(group: str) -> None:
    for odd in ODD:
        if (group, odd) == ("experiment", "null"):  # which means none
            continue
        with pytest.raises(UserError) as refused:
            compose([f"{group}={odd}"])
        check(str(refused.value), group, odd)


def test_no_experiment_is_none() -> None:
    plain = ["protocol=smoke", "optimizer=adam"]
    assert expand([*plain, "experiment=fig6_lr_robustness", "experiment=null"]) == expand(plain)


SLIPS = {
    "optimizer=RAdam": "did you mean radam?",
    "optimizer=AdamW": "did you mean adamw?",
    "optimizer=Adam-2k": "did you mean adam_2k?",
    "task=iwslt14": "did you mean iwslt14_de_en or iwslt14_en_de?",
    "optimizer.lr=0.1,": "optimizer.lr=0.1,: input should be a valid number",
    "optimizer.lr": "write key=value without blanks",
    "optimizer.lr =0.1": "write key=value without blanks",
    "=0.1": "write key=value without blanks",
    "2": "seed=1,2",
    "runner.runs_dir=": "a variable that is not set?",
    "+optimizer.lr=1": "without + or ~",
    "~optimizer": "without + or ~",
    "task.name=lm1b": "write task=lm1b",
    "schedule.name=linear": "write schedule=linear",
    "protocol.name=paper": "write protocol=paper",
    "seed=interval(1,3)": "write the values",
    "seed=range(3,1)": "no values",
    "seed=range(0,1000000000)": "more than 100,000 values",
    "optimizer=glob(a*)": "write the values",
    "optimizer.betas=[0.9,": "close what is opened",
    "optimizer.betas=0.9": "optimizer.betas=0.9: write two numbers in [0, 1), such as [0.9, 0.999]",
    "schedule.milestones=3": "write a list, as in schedule.milestones=[3]",
    "schedule.gamma=true": "valid number",
    "tracking.project=a/b": "without / ",
    "task.search_length=[0,0]": "no such key",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_everyday_slips_are_told_in_the_persons_words(slip: str) -> None:
    with pytest.raises(UserError) as refused:
        expand(["protocol=smoke", slip])
    message = str(refused.value)
    assert SLIPS[slip] in message
    assert "\n" not in message


def test_a_path_may_hold_any_letter() -> None:
    for path in ("/home/müller/runs", "a#b", "/data (old)/x", "C:\\x", "it's"):
        (config,) = expand([f"runner.runs_dir={path}"])
        assert str(config.runner.runs_dir) == path


def test_a_tilde_is_the_persons_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("RADAM_DATA", "~/data")
    (config,) = expand(["runner.runs_dir=~/runs"])
    assert str(config.runner.runs_dir) == "/home/somebody/runs"
    assert str(config.runner.data_dir) == "/home/somebody/data"


SAME = {
    "optimizer.weight_decay": ("0", "0.0", "-0.0", "0e0"),
    "optimizer.eps": ("1", "1.0"),
    "optimizer.betas": ("[0,0.999]", "[0.0,0.999]", "[-0.0,.999]"),
    "protocol.presets.weight_decay": ("0", "0.0"),
    "schedule.gamma": ("1", "1.0"),
    "training.grad_clip": ("1", "1.0"),
}


@pytest.mark.parametrize("field", SAME)
def test_a_number_written_otherwise_is_the_same_run(field: str) -> None:
    def run(value: str) -> RunConfig:
        (config,) = expand(["optimizer=adam", "task.dataset=standin", f"{field}={value}"])
        return config

    for one, other in itertools.pairwise(SAME[field]):
        assert run(one).run_id == run(other).run_id
