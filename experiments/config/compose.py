"""From command-line words to typed runs, with Hydra's own API."""

from collections.abc import Sequence

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig

from experiments.config.length import check_length, known_length
from experiments.config.schema import CONFIG_DIR, RunConfig
from experiments.errors import UserError


def compose(overrides: Sequence[str]) -> DictConfig:
    """What ``configs/train.yaml`` and ``overrides`` make together, not yet typed."""
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return hydra_compose("train", overrides=list(overrides))


def protocols_of(task: str) -> list[str]:
    """The protocols that a task has; one of no paper need not have the paper's."""
    return sorted(path.stem for path in (CONFIG_DIR / "protocol" / task).glob("*.yaml"))


def settle_dataset(config: RunConfig) -> tuple[RunConfig, str]:
    """Decide between real data and stand-in where the configuration says ``auto``.

    Returns the settled configuration and a paragraph for the person. Raises :class:`UserError`
    where real data were asked for and cannot be had.
    """
    task, why = config.task.locate(config.runner.data_dir)
    settled = config.model_copy(update={"task": task})
    try:
        check_length(settled, known_length(settled))
    except ValueError as error:
        raise UserError(str(error)) from None
    return settled, why
