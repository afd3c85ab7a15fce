"""Grids: an experiment's products, and what comma lists make of them."""

import shutil
from pathlib import Path

import pytest

from experiments.config.schema import CONFIG_DIR, RunConfig
from experiments.errors import UserError
from experiments.launch.grid import expand


def cells(configs: list[RunConfig]) -> set[tuple[str, float, int, int]]:
    return {(c.optimizer.name, c.optimizer.lr, c.schedule.warmup.updates, c.seed) for c in configs}


def test_the_mini_study_has_its_48_runs() -> None:
    configs = expand(["experiment=reproduce_cifar10", "protocol=mini"])
    names = {c.optimizer.name for c in configs}
    assert len(configs) == 48
    assert names == {"sgd", "adam", "adam_warmup", "adam_2k", "adam_eps", "radam"}
    assert [c.seed for c in configs] == [1] * 24 + [2] * 24


def test_the_papers_study_is_figures_6_and_7() -> None:
    study = expand(["experiment=reproduce_cifar10", "protocol=recipe"])
    figures = expand(["experiment=fig6_lr_robustness,fig7_warmup_lengths", "protocol=recipe"])
    assert len(study) == 28 * 5
    assert cells(study) == cells(figures)
    assert all(c.protocol.epochs == 164 for c in study)


def test_a_list_of_optimizers_selects_and_extends() -> None:
    configs = expand(["experiment=fig7_warmup_lengths", "protocol=mini", "optimizer=radam"])
    assert {c.optimizer.name for c in configs} == {"radam"}
    configs = expand(["experiment=fig6_lr_robustness", "optimizer=radam,adagrad", "seed=1"])
    assert {c.optimizer.name for c in configs} == {"radam", "adagrad"}
    assert len(configs) == 8


def test_values_replace_an_axis_where_there_is_one() -> None:
    configs = expand(
        ["experiment=fig7_warmup_lengths", "protocol=mini", "schedule.warmup.updates=3,5",
         "optimizer.lr=0.2", "seed=9"]
    )  # fmt: skip
    assert cells(configs) == {
        ("radam", 0.2, 0, 9), ("adam_warmup", 0.2, 3, 9), ("adam_warmup", 0.2, 5, 9)
    }  # fmt: skip


def test_a_value_that_is_no_axis_applies_to_all() -> None:
    configs = expand(
        ["experiment=fig6_lr_robustness", "training.precision=bf16", "seed=range(1,4)"]
    )
    assert {c.training.precision for c in configs} == {"bf16"}
    assert {c.seed for c in configs} == {1, 2, 3}


def test_one_run_without_an_experiment() -> None:
    (only,) = expand(["optimizer=adam", "optimizer.lr=0.05"])
    assert (only.optimizer.name, only.optimizer.lr) == ("adam", 0.05)


def test_a_cell_keeps_its_optimizers_own_fields() -> None:
    configs = expand(["experiment=table3_early_updates", "protocol=mini", "seed=1"])
    assert [c.optimizer.options["first_updates"] for c in configs] == [
        "rectified", "adam", "sgd_then_adam"
    ]  # fmt: skip


@pytest.mark.parametrize("words", [["+optimizer.x=1"], ["~seed"]])
def test_only_plain_words(words: list[str]) -> None:
    with pytest.raises(UserError, match="without"):
        expand(words)


MISTAKES = {
    "a mapping": ("{optimizer: [radam], seed: [1]}", ["is not a list", "dash"]),
    "a word": ("radam", ["is not a list"]),
    "a product that is a word": ("[radam]", ["product 1", "is not a product"]),
    "an empty product": ("[{}]", ["product 1", "is not a product"]),
    "a bare word": ("[{optimizer: radam, seed: [1]}]", ["optimizer: radam", "optimizer: [radam]"]),
    "a bare number": ("[{optimizer: [radam]}, {seed: 3}]", ["product 2", "seed: [3]"]),
    "an empty axis": ("[{optimizer: [], seed: [1]}]", ["optimizer: []", "not a list of values"]),
    "an axis without values": ("[{seed: null}]", ["seed: None", "seed: [...]"]),
    "a misspelt protocol": ("[{protocols: [minni], seed: [1]}]", ["minni", "did you mean mini?"]),
    "protocols as a word": ("[{protocols: mini}]", ["protocols: mini", "protocols: [mini]"]),
}


@pytest.fixture
def own_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The suite's configuration in a folder of the test's own."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIG_DIR, folder)
    monkeypatch.setattr("experiments.config.compose.CONFIG_DIR", folder)
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_an_experiments_grid_is_one_line(mistake: str, own_configs: Path) -> None:
    grid, expected = MISTAKES[mistake]
    path = own_configs / "experiment" / "mine.yaml"
    path.write_text(f"# @package _global_\nexperiment: mine\ngrid: {grid}\n")
    with pytest.raises(UserError) as refused:
        expand(["experiment=mine", "protocol=mini", "task.dataset=real"])
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith("configs/experiment/mine.yaml, grid")
    for part in expected:
        assert part in message


def test_a_key_that_no_file_knows_is_named(own_configs: Path) -> None:
    path = own_configs / "experiment" / "mine.yaml"
    path.write_text("# @package _global_\nexperiment: mine\ngrid: [{optimizr: [radam]}]\n")
    with pytest.raises(UserError, match="optimizr"):
        expand(["experiment=mine", "protocol=mini", "task.dataset=real"])
