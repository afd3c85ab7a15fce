"""Reads what wandb writes offline: its record messages, out of the log file they lie in.

The wandb tested here (0.31) no longer has the reader ``wandb.sdk.internal.datastore``; the messages
are wandb's own still, and the blocks around them are LevelDB's log format.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]  # made at run time

BLOCK, HEADER, FILE_HEADER = 32768, 7, 7
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    id: str = ""
    group: str = ""
    job_type: str = ""
    name: str = ""
    project: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    system: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None


def messages(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, message = FILE_HEADER, b""
    while position + HEADER <= len(data):
        if BLOCK - position % BLOCK < HEADER:  # a block's end too short for a header is padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        position += HEADER
        message += data[position : position + length]
        position += length
        if kind in (WHOLE, LAST):
            yield message
            message = b""


def values(items: Iterable[Any]) -> dict[str, Any]:
    """Keys and values of a record; nested keys as nested dictionaries."""
    found: dict[str, Any] = {}
    for item in items:
        *outer, last = list(item.nested_key) or [item.key]
        place = found
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = json.loads(item.value_json)
    return found


def read(folder: Path) -> OfflineRun:
    (path,) = folder.glob("run-*.wandb")
    found = OfflineRun()
    for message in messages(path):
        record = Record.FromString(message)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found.id, found.group, found.job_type = run.run_id, run.run_group, run.job_type
            found.name, found.project, found.tags = run.display_name, run.project, list(run.tags)
            found.config |= values(run.config.update)
        elif kind == "config":
            found.config |= values(record.config.update)
        elif kind == "history":
            found.history.append({**values(record.history.item), "_step": record.history.step.num})
        elif kind == "summary":
            found.summary |= values(record.summary.update)
        elif kind == "stats":
            found.system.append({x.key: json.loads(x.value_json) for x in record.stats.item})
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found
