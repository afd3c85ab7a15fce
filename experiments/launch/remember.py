"""Grids that were composed before, so that planning a large one a second time takes no time."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence

from experiments.config.schema import CONFIG_DIR, RunConfig
from experiments.config.validate import from_dict
from experiments.files import cache_folder, write_atomic

KEPT = 20
"""Grids that are remembered; the oldest is forgotten first."""


def remembered(
    words: Sequence[str], compose: Callable[[Sequence[str]], list[RunConfig]]
) -> list[RunConfig]:
    """``compose(words)``, or what it gave before if no configuration, code or variable changed."""
    folder = cache_folder() / "grids"
    path = folder / f"{_key(words)}.json"
    try:
        return [from_dict(raw) for raw in json.loads(path.read_text())]
    except (OSError, ValueError):
        configs = compose(words)
    try:
        write_atomic(path, json.dumps([config.model_dump(mode="json") for config in configs]))
        for old in sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        pass  # no home to remember it in: compose again the next time
    return configs


def _key(words: Sequence[str]) -> str:
    root = CONFIG_DIR.parent
    digest = hashlib.sha256(json.dumps([*words, os.environ.get("RADAM_DATA")]).encode())
    sources = [CONFIG_DIR.rglob("*.yaml"), *((root / p).rglob("*.py") for p in _SUITE)]
    for path in sorted(path for found in sources for path in found):
        digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:20]


_SUITE = ("experiments", "radam")
