"""How a task's ``origin`` says that a part of the published training data was read."""

import re
from collections.abc import Iterable

_PART = re.compile(r"\d+ ?% of train \([^)]*\)")


def training_part(read: int, whole: int, what: str) -> str:
    """``29% of train (47,051 of 160,239 pairs)``, to stand in an origin."""
    return f"{read / whole:.0%} of train ({read:,} of {whole:,} {what})"


def part_of_data(origins: Iterable[str]) -> str | None:
    """The origin of runs that read a part alone, as far as one says so; None: they read all."""
    return next((origin for origin in origins if _PART.search(origin)), None)
