"""The words of a command line, ``key=value``: read as Hydra's grammar reads them, or refused.

What the grammar cannot read is taken as text, which the field's type then takes or refuses: so a
path may hold any letter, and ``optimizer.lr=0.1,`` is told to be no number.
"""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
)
from hydra.errors import HydraException

from experiments.config.choices import GROUPS, choices, suggestion
from experiments.errors import UserError

MOST_VALUES = 100_000
"""Of one axis: more is a slip."""

_PARSER = OverridesParser.create()


def check_words(words: Sequence[str]) -> list[str]:
    """The words as Hydra takes them; ``experiment=null`` takes an earlier experiment back.

    Raises :class:`UserError` naming field, value and remedy.
    """
    kept: list[str] = []
    for word in words:
        if word == "experiment=null":
            kept = [other for other in kept if not other.startswith("experiment=")]
        else:
            kept.append(read_word(word).input_line or word)
    return kept


def read_word(word: str) -> Override:
    """One setting. Raises :class:`UserError` naming field, value and remedy."""
    key, equals, value = word.partition("=")
    if key.startswith("hydra"):
        return _PARSER.parse_override(word)
    if key.startswith(("+", "~")):
        raise UserError(f"{word}: write {key.lstrip('+~') or 'key'}=value, without + or ~")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w./@-]*", key):
        raise UserError(
            f"{word}: not a setting; write key=value without blanks around the =, and several "
            "values without blanks too, as in seed=1,2"
        )
    if not value.strip():
        raise UserError(
            f"{word}: no value (a variable that is not set?); give one, or leave the word out"
        )
    if key.removesuffix(".name") in GROUPS and key.endswith(".name"):
        raise UserError(f"{word}: write {key.removesuffix('.name')}={value}")
    override = _parse(word, key, value)
    if key in GROUPS:
        _check_choices(key, word, override)
    return override


def values_of(override: Override) -> list[str]:
    """What an axis runs through, as words write it. Raises :class:`UserError`."""
    word = override.input_line
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if isinstance(override.value(), IntervalSweep | Glob):
        raise UserError(f"{word}: write the values, as in {override.key_or_group}=a,b")
    found = [str(value) for value in islice(override.sweep_string_iterator(), MOST_VALUES + 1)]
    if not 0 < len(found) <= MOST_VALUES:
        count = "no values" if not found else f"more than {MOST_VALUES:,} values"
        raise UserError(
            f"{word}: {count}, so 0 runs; write them, as in seed=1,2 or seed=range(1,4)"
        )
    return found


def _parse(word: str, key: str, value: str) -> Override:
    try:
        return _PARSER.parse_override(word)
    except HydraException:
        if value[0] in "[{'\"":
            raise UserError(
                f"{word}: cannot be read; write a list as {key}=[1,2], put text with signs in it "
                "into quotes, and close what is opened"
            ) from None
    text = QuotedString(text=value, quote=Quote.single).with_quotes()
    return _PARSER.parse_override(f"{key}={text}")


def _check_choices(group: str, word: str, override: Override) -> None:
    value: Any = override.value()
    listed = value.list if isinstance(value, ChoiceSweep) else [value]
    for choice in listed:
        name = choice.text if isinstance(choice, QuotedString) else choice
        if isinstance(name, IntervalSweep | Glob):
            continue
        if not isinstance(name, str):
            raise UserError(f"{word}: not a name; choose from {', '.join(choices(group))}")
        if not re.fullmatch(r"[\w-]+", name):
            raise UserError(f"{word}: no such choice{suggestion(name, choices(group))}")
