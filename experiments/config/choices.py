"""What ``configs/`` offers to choose from, and what a person meant who wrote something close."""

import difflib
import re

from experiments.config.schema import CONFIG_DIR

GROUPS = frozenset(path.name for path in CONFIG_DIR.iterdir() if path.is_dir())
"""What a file is chosen for: ``optimizer``, ``task``, ..."""


def choices(group: str) -> list[str]:
    """The files of a group, by name."""
    return sorted(path.stem for path in (CONFIG_DIR / group).glob("*.yaml"))


def protocols_of(task: str) -> list[str]:
    """The protocols that a task has; one of no paper need not have the paper's."""
    return choices(f"protocol/{task}")


def suggestion(word: str, known: list[str]) -> str:
    """``; did you mean ...?`` or the list of what is known.

    Spelling comes first: ``AdamW`` is ``adamw``, and not the method that looks most like it.
    """
    same = [name for name in known if _plain(name) == _plain(word)]
    begun = [name for name in known if _plain(word) and _plain(name).startswith(_plain(word))]
    close = difflib.get_close_matches(word.lower(), known, n=1)
    if found := same or (begun if len(begun) <= 3 else []) or close:
        return f"; did you mean {' or '.join(found)}?"
    return f"; known: {', '.join(sorted(known))}"


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
