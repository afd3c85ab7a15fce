"""From plain values to a typed run, or one line a person can act on."""

import math
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from experiments.config.choices import suggestion
from experiments.config.length import check_length, known_length
from experiments.config.schema import (
    SCHEDULES,
    LocalTracking,
    RunConfig,
    WandbTracking,
)
from experiments.errors import UserError
from experiments.tasks.registry import TASKS


def plain(composed: DictConfig) -> dict[str, Any]:
    """What Hydra composed as plain values. Raises :class:`UserError` naming the field."""
    try:
        raw = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        what = " ".join(str(error.msg or error).split())
        raise UserError(f"{error.full_key or 'the configuration'}: {what}") from None
    assert isinstance(raw, dict)
    return {str(key): value for key, value in raw.items()}


def resolve(composed: DictConfig) -> RunConfig:
    """Type and check what Hydra composed.

    Raises :class:`UserError` naming field, value and remedy.
    """
    raw = plain(composed)
    if not isinstance(dry := raw.pop("dry_run", False), bool):
        raise UserError(f"dry_run={as_word(dry)}: write true or false")
    for key in ("grid", "launcher"):  # what is done with runs, not what they are
        raw.pop(key, None)
    return from_dict(raw)


def from_dict(raw: Mapping[str, Any]) -> RunConfig:
    """A :class:`RunConfig` from nested plain values, such as a run folder's ``config.yaml``.

    Raises :class:`UserError` naming field, value and remedy.
    """
    raw = one_spelling(raw)
    try:
        config = RunConfig.model_validate(raw)
        check_length(config, known_length(config))
    except ValidationError as error:
        raise UserError(explain(error, raw)) from None
    except ValueError as error:  # of the second
        raise UserError(str(error)) from None
    return config


def one_spelling(value: Any, field: str = "") -> Any:
    """The same tree with one zero, since -0.0 would be another run.

    Raises :class:`UserError` for a number that no machine counts to or no parameter can have.
    """
    if isinstance(value, Mapping):
        prefix = f"{field}." if field else ""
        return {key: one_spelling(item, f"{prefix}{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [one_spelling(item, field) for item in value]
    if isinstance(value, int) and abs(value) >= 2**63:
        raise UserError(f"{field}={value}: write a number of at most 18 digits")
    if isinstance(value, float) and math.isfinite(value) and abs(value) > LARGEST:
        raise UserError(f"{field}={value}: write a number of at most {LARGEST:g}, as float32 holds")
    return 0.0 if isinstance(value, float) and value == 0 else value


LARGEST = 3e38

SHOWN = 3
"""Mistakes that are told at once."""


def explain(error: ValidationError, raw: Mapping[str, Any], within: str = "") -> str:
    """One line for pydantic's errors about ``raw``, the section ``within`` of a configuration."""
    found = list(dict.fromkeys(_explain(e, raw, within) for e in error.errors()))
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


CHOICES = (*SCHEDULES, *TASKS, "local", "wandb", "slurm", "bool", "literal['auto']")
"""Names by which pydantic tells kinds of a section or value apart; no part of a field's path."""


def _explain(error: Any, raw: Mapping[str, Any], within: str) -> str:
    """One line for one of pydantic's errors: field, value, what to write instead."""
    parts = [str(p) for p in error["loc"] if p not in CHOICES]
    field, value = ".".join([within, *parts] if within else parts), error.get("input")
    if error["type"] == "extra_forbidden":
        known = [] if within else _known_keys(parts[:-1], raw)
        return f"{field}: no such key{suggestion(parts[-1], known) if known else ''}"
    if error["type"] == "missing":
        return f"{field}: missing; give it a value"
    message: str = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error" and (not field or "=" in message):
        return message
    if isinstance(value, Mapping) and error["type"] == "value_error":
        return f"{field}: {message}"
    if error["type"] == "tuple_type":
        message = f"write a list, as in {field}=[{as_word(value)}]"
    return f"{field}={as_word(value)}: {message[0].lower()}{message[1:]}"


def as_word(value: object) -> str:
    """A value as the command line has it: ``null``, ``true``, ``[1, 9]``."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(list(value)) if isinstance(value, tuple) else str(value)


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
