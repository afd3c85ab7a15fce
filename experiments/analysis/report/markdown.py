"""Markdown out of free text: tables, and text that shows as it is."""

import re
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def plain(text: str) -> str:
    """Free text (an error, a name, a data set's origin) so that it shows as text."""
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def anchor(title: str) -> str:
    """The anchor that a Markdown viewer gives the heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
