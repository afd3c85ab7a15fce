"""The page: one self-contained HTML file made from the store, or the same page served live."""

from pathlib import Path

from experiments.analysis.dashboard.live import serve
from experiments.analysis.dashboard.page import Select, build
from experiments.files import write_atomic
from experiments.terminal.console import say

__all__ = ["build", "show"]


def show(root: Path, out: Path, port: int | None, select: Select) -> None:
    """Write the page to ``out``; or, with a port, serve it there until interrupted."""
    if port is not None:
        serve(root, port, select)
        return
    page = build(select(), root)
    path = out / "dashboard.html"
    write_atomic(path, page)
    say(f"Written:\n  {path} ({len(page.encode()) / 1e6:.1f} MB; open it in a browser)")
