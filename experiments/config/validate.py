"""From plain values to a typed run, or one line a person can act on."""

import difflib
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from experiments.config.length import check_length, known_length
from experiments.config.schema import (
    SCHEDULES,
    LocalTracking,
    RunConfig,
    WandbTracking,
)
from experiments.errors import UserError
from experiments.tasks.registry import TASKS


def resolve(composed: DictConfig) -> RunConfig:
    """Type and check what Hydra composed.

    Raises :class:`UserError` naming field, value and remedy.
    """
    try:
        raw = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(" ".join(str(error).split())) from None
    assert isinstance(raw, dict)
    for key in ("grid", "launcher", "dry_run"):  # what is done with runs, not what they are
        raw.pop(key, None)
    return from_dict({str(k): v for k, v in raw.items()})


def from_dict(raw: Mapping[str, Any]) -> RunConfig:
    """A :class:`RunConfig` from nested plain values, such as a run folder's ``config.yaml``.

    Raises :class:`UserError` naming field, value and remedy.
    """
    try:
        config = RunConfig.model_validate(raw)
        check_length(config, known_length(config))
    except ValidationError as error:
        raise UserError("\n".join(_explain(e, raw) for e in error.errors())) from None
    except ValueError as error:  # of the second
        raise UserError(str(error)) from None
    return config


CHOICES = (*SCHEDULES, *TASKS, "local", "wandb")
"""Names by which pydantic tells the kinds of a section apart; no part of a field's path."""


def _explain(error: Any, raw: Mapping[str, Any]) -> str:
    """One line for one of pydantic's errors: field, value, what to write instead."""
    parts = [str(p) for p in error["loc"] if p not in CHOICES]
    field, value = ".".join(parts), error.get("input")
    if error["type"] == "extra_forbidden":
        known = _known_keys(parts[:-1], raw)
        return f"{field}: no such key{suggestion(parts[-1], known)}"
    if error["type"] == "missing":
        return f"{field}: missing; give it a value"
    message: str = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error" and (not field or "=" in message):
        return message
    if error["type"] == "value_error" and isinstance(value, Mapping):
        return f"{field}: {message}"
    message = message[0].lower() + message[1:]
    return f"{field}={value}: {message}"


def _known_keys(path: list[str], raw: Mapping[str, Any]) -> list[str]:
    section: Any = RunConfig
    for part in path:
        if part == "task":
            section = TASKS[str(raw["task"]["name"])]
        elif part == "schedule":
            section = SCHEDULES[str(raw["schedule"]["name"])]
        elif part == "tracking":
            section = WandbTracking if raw["tracking"]["name"] == "wandb" else LocalTracking
        else:
            section = section.model_fields[part].annotation
    return list(getattr(section, "model_fields", {}))


def suggestion(word: str, known: list[str]) -> str:
    """``; did you mean ...?`` or the list of what is known."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"
