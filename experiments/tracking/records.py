"""A run's records, ``metrics.jsonl``: one JSON object a line, written and read here alone.

A record has a ``kind`` ("train", "eval", "histogram"), the ``update`` it is of, and its values.
A last line without its newline is not a record yet: its writer is at work, or was killed, and a
resumed run cuts it off. Anything else that is no record is damage (a bad disk, a hand), and is
named with its line instead of being taken for the end. A checkpoint knows the records before it by
their :class:`Extent`, so that a run never goes on behind others than its own.
"""

import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from experiments.errors import UserError
from experiments.tracking.names import METRICS

Record = dict[str, Any]

_FIRST_LOOK = 4096
"""Bytes from the end in which a last record is looked for first."""


class Extent(NamedTuple):
    """The records up to a checkpoint."""

    bytes: int
    crc: int | None
    """Of these bytes; None in checkpoints of before, which counted alone."""


NO_RECORDS = Extent(0, zlib.crc32(b""))


def disagreement(folder: Path, known: Extent) -> str | None:
    """Why the file does not begin with the records that a checkpoint knows; None if it does."""
    path = Path(folder) / METRICS
    try:
        with path.open("rb") as file:
            data = file.read(known.bytes)
    except FileNotFoundError:
        data = b""
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    if len(data) < known.bytes:
        return f"it counts {known.bytes} bytes of records, but {path} holds {len(data)}"
    if known.crc not in (None, zlib.crc32(data)):
        return f"{path} does not begin with the records that were written before it"
    return None


class DamagedRecords(UserError):
    """A ``metrics.jsonl`` that cannot be read, or a line of it that is no record."""


class RecordWriter:
    """Appends to ``metrics.jsonl``, after cutting it back to what a run's checkpoint knew.

    So no record of a resumed run stands twice, and no half-written line stays.

    Args:
        folder: the run's.
        keep: the records that the checkpoint knows.

    Raises:
        UserError: the file holds others. It is left as it is.
    """

    def __init__(self, folder: Path, keep: Extent = NO_RECORDS) -> None:
        if (why := disagreement(folder, keep)) is not None:
            raise UserError(
                f"{why}; put the file back, or remove the checkpoints to start this run again"
            )
        self.path = folder / METRICS
        self.file = self.path.open("ab")
        self.file.truncate(keep.bytes)
        self.size, self.crc = keep.bytes, zlib.crc32(self.path.read_bytes())

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record; numbers that are not finite become null."""
        clean = {
            k: None if isinstance(v, float) and not math.isfinite(v) else v
            for k, v in record.items()
        }
        line = json.dumps(clean).encode() + b"\n"
        self.file.write(line)
        self.file.flush()
        self.size, self.crc = self.size + len(line), zlib.crc32(line, self.crc)

    def sync(self) -> Extent:
        """Bring the records to the disk; returns what the checkpoint behind them shall know.

        Raises :class:`UserError` if they do not lie in the run's folder any more: what would be
        written there would stand without them.
        """
        os.fsync(self.file.fileno())
        if not self._lie_there():
            raise UserError(
                f"{self.path}: removed, moved or changed while the run wrote to it; put it back, "
                "or remove its folder to start this run again"
            )
        return Extent(self.size, self.crc)

    def _lie_there(self) -> bool:
        try:
            found = self.path.stat()
        except OSError:
            return False
        same = os.path.samestat(found, os.fstat(self.file.fileno()))
        return same and found.st_size == self.size

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def read_records(folder: Path, *kinds: str) -> list[Record]:
    """A run's records of these kinds (all without any) in the order of their writing.

    Empty without a file. Those of an archived run come from its archive. Raises
    :class:`DamagedRecords`.
    """
    try:
        data = (Path(folder) / METRICS).read_bytes()
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        records = _archived(Path(folder))
        return [record for record in records if not kinds or record["kind"] in kinds]
    except OSError as error:
        raise _unreadable(folder, error) from None
    lines = _whole_lines(data)
    if kinds:
        lines = [line for line in lines if not _is_other(line, kinds)]
    # At once, which is several times faster than line by line.
    records = _parse(b"[%s]" % b",".join(lines))
    if not (isinstance(records, list) and len(records) == len(lines) and all(map(_valid, records))):
        for number, line in enumerate(_whole_lines(data), 1):
            if not _valid(_parse(line)):
                raise _damaged(folder, f"line {number}")
    return [record for record in records if not kinds or record["kind"] in kinds]


def _archived(folder: Path) -> list[Record]:
    """The records of an archived run, whose folder is ``<records.parquet>/<task>/<run_id>``."""
    path = folder.parent.parent
    if not path.is_file():
        return []
    found = _records_of_archive(path, path.stat().st_mtime_ns)
    return [json.loads(line) for line in found.get(f"{folder.parent.name}/{folder.name}", ())]


@lru_cache(maxsize=2)
def _records_of_archive(path: Path, changed: int) -> dict[str, list[str]]:
    import polars as pl  # here alone: training needs none

    try:
        table = pl.read_parquet(path, columns=["run", "record"])
    except pl.exceptions.PolarsError as error:
        raise DamagedRecords(f"{path}: not the records of an archive ({error})") from None
    parts = table.partition_by("run", as_dict=True, maintain_order=True)
    return {str(run): rows["record"].to_list() for (run,), rows in parts.items()}


def records_state(folder: Path) -> tuple[int, int] | None:
    """Something that is another when a run's records have changed; None without records."""
    try:
        status = (Path(folder) / METRICS).stat()
    except NotADirectoryError:
        status = Path(folder).parent.parent.stat()  # an archive's file
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def last_record(folder: Path) -> Record | None:
    """The newest record of a run, read from the end of the file; None if there is none yet.

    Raises :class:`DamagedRecords`.
    """
    try:
        with (Path(folder) / METRICS).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            look = _FIRST_LOOK
            while True:
                start = file.seek(max(0, size - look))
                lines = _whole_lines(file.read())
                if start == 0 or len(lines) > 1:  # else the line may begin before
                    break
                look *= 4
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(folder, error) from None
    if not lines:
        return None
    record = _parse(lines[-1])
    if not _valid(record):
        raise _damaged(folder, "its last line")
    return record


class RecordFollower:
    """Reads a run's records as they are written.

    Args:
        folder: the run's.
        from_end: leave out what stands there already.
    """

    def __init__(self, folder: Path, *, from_end: bool = False) -> None:
        self.folder, self.path = Path(folder), Path(folder) / METRICS
        self.position = 0
        if from_end and self.path.exists():
            self.position = self.path.stat().st_size

    def new(self) -> Iterator[Record]:
        """The whole records since the last call.

        Where a resumed run has cut the file back, it goes on from there. Raises
        :class:`DamagedRecords` for a line that is none; the next call goes on behind it.
        """
        try:
            with self.path.open("rb") as file:
                self._find_line(file.seek(0, os.SEEK_END), file)
                file.seek(self.position)
                lines = _whole_lines(file.read())
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unreadable(self.folder, error) from None
        for line in lines:
            start, self.position = self.position, self.position + len(line) + 1
            record = _parse(line)
            if not _valid(record):
                raise _damaged(self.folder, f"byte {start}")
            yield record

    def _find_line(self, size: int, file: Any) -> None:
        """Put the position at the beginning of a line of the file as it is now."""
        self.position = min(self.position, size)
        if self.position:
            file.seek(self.position - 1)
            if file.read(1) != b"\n":
                file.seek(self.position)
                self.position += len(file.readline())


def _whole_lines(data: bytes) -> Sequence[bytes]:
    return data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]


def _is_other(line: bytes, kinds: Sequence[str]) -> bool:
    """Whether a line is a record of another kind as :class:`RecordWriter` writes it: such are many,
    and are not parsed."""
    head, whole = b'{"kind": "', line.endswith(b"}")
    return (
        whole
        and line.startswith(head)
        and line[len(head) :].split(b'"', 1)[0] not in (kind.encode() for kind in kinds)
    )


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # of JSON or of its encoding
        return None


def _valid(record: object) -> TypeGuard[Record]:
    return isinstance(record, dict) and record.keys() >= {"kind", "update"}


def _unreadable(folder: Path, error: OSError) -> DamagedRecords:
    return DamagedRecords(f"{Path(folder) / METRICS}: cannot be read ({error.strerror})")


def _damaged(folder: Path, where: str) -> DamagedRecords:
    return DamagedRecords(
        f"{Path(folder) / METRICS}, {where}: not a record; move the file away to do without this "
        "run's curves"
    )
