"""From command-line words to typed runs, with Hydra's own API."""

import re
from collections.abc import Sequence

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.config.choices import GROUPS, choices, protocols_of, suggestion
from experiments.config.schema import CONFIG_DIR, RunConfig
from experiments.config.validate import from_dict
from experiments.config.words import check_words, read_word
from experiments.errors import UserError


def compose(overrides: Sequence[str]) -> DictConfig:
    """What ``configs/train.yaml`` and ``overrides`` make together, not yet typed.

    Raises :class:`UserError` naming field, value and remedy.
    """
    words = check_words(overrides)
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            return hydra_compose("train", overrides=words)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain_hydra(error)) from None


def set_field(composed: DictConfig, word: str) -> None:
    """Set a field (no choice of a file) in what was composed, which is faster than composing anew.

    Raises :class:`UserError`.
    """
    override = read_word(word)
    try:
        OmegaConf.update(composed, override.key_or_group, override.value())
    except OmegaConfBaseException as error:
        raise UserError(f"{word}: {explain_hydra(error)}") from None


def settle_dataset(config: RunConfig) -> tuple[RunConfig, str]:
    """Decide between real data and stand-in where the configuration says ``auto``.

    Returns the settled configuration and a paragraph for the person. Raises :class:`UserError`
    where real data were asked for and cannot be had.
    """
    task, why = config.task.locate(config.runner.data_dir)
    settled = config.model_copy(update={"task": task})
    return from_dict(settled.model_dump(mode="json")), why


def explain_hydra(error: BaseException) -> str:
    """One line for what Hydra or OmegaConf refused: field, value, what to write instead."""
    text = str(error)
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match[1]
        return f"{key}: no such key{_suggest_key(key)}"
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, choice = match[1], match[2]
        if group.startswith("protocol/"):
            task = group.removeprefix("protocol/")
            return f"protocol={choice}: task {task} has {', '.join(protocols_of(task))} alone"
        return f"{group}={choice}: no such choice{suggestion(choice, choices(group))}"
    if match := re.search(r"Could not override '?([\w./]+)", text):
        return f"{match[1]}: no such group{_suggest_key(match[1])}"
    return " ".join(text.split())


def _suggest_key(key: str) -> str:
    sections = sorted({*RunConfig.model_fields, *GROUPS})
    first, _, rest = key.partition(".")
    if first in sections:
        return "; python -m experiments.train --help shows the fields"
    hint = suggestion(first, sections)
    return hint.replace("?", f".{rest}?") if rest and "did you mean" in hint else hint
