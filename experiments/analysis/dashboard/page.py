"""From the store to the page: its data, and its one file."""

import base64
import gzip
import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
from plotly.offline import get_plotlyjs

from experiments.analysis.cells import Section, sections
from experiments.analysis.claims import opening, scorecard
from experiments.analysis.dashboard.curves import CurveReader, curves_data
from experiments.analysis.dashboard.data import claims_data, section_data
from experiments.analysis.dashboard.mechanism import mechanism_data
from experiments.analysis.dashboard.started import with_started
from experiments.tracking.result import now

PAGE = Path(__file__).parent / "page"

SCRIPTS = (
    *("dom.js", "state.js", "source.js", "charts.js", "robustness.js", "mean.js", "curves.js"),
    *("claims.js", "runs.js", "mechanism.js", "ridges.js", "main.js"),
)
"""Joined in this order into one script, since a page from ``file://`` may not load modules."""

Select = Callable[[], pl.DataFrame]
"""Reads the part of the store that was asked for."""


def head_data(found: list[Section], root: Path) -> dict[str, Any]:
    """All but the curves: what the page needs to show its first chart."""
    rows = scorecard(found, root)
    return {
        "made": now(),
        "sections": [section_data(section) for section in found],
        "claims": claims_data(rows),
        "opening": opening(rows),
        "mechanism": mechanism_data(root),
    }


def build(results: pl.DataFrame, root: Path) -> str:
    """The page as one HTML text that needs no network. ``results``: rows of the store ``root``."""
    found, reader = sections(with_started(results, root)), CurveReader()
    parts = [_embedded("head", head_data(found, root))]
    parts += [_embedded(f"curves-{s.name}", curves_data(s, reader)) for s in found]
    return render("\n".join(parts), live=False)


def render(data: str, live: bool) -> str:
    """The template with style, scripts and ``data`` (script elements, or none) in their places."""
    script = "\n".join((PAGE / name).read_text() for name in SCRIPTS)
    places = {
        "@STYLE@": (PAGE / "style.css").read_text(),
        "@PLOTLY@": get_plotlyjs().replace("</script", "<\\/script"),
        "@LIVE@": "true" if live else "false",
        "@DATA@": data,
        "@SCRIPT@": f'"use strict";\n(() => {{\n{script}\n}})();',
    }
    page = (PAGE / "page.html").read_text()
    for place, content in places.items():
        before, after = page.split(place)
        page = before + content + after
    return page


def pack(data: Any) -> bytes:
    """Plain values as gzipped JSON; NaN and infinity are refused, as JSON has neither."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def _embedded(name: str, data: Any) -> str:
    """A script element that holds the data; base64 cannot end it early, whatever the data say."""
    content = base64.b64encode(pack(data)).decode()
    return f'<script type="text/plain" id="{escape(name)}">{content}</script>'
