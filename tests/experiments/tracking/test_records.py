"""What a run wrote is what is read: torn, cut back, damaged, followed, after any accidents."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import UserError
from experiments.tracking.names import METRICS
from experiments.tracking.records import (
    NO_RECORDS,
    DamagedRecords,
    Extent,
    Record,
    RecordFollower,
    RecordWriter,
    last_record,
    read_records,
)

KINDS = ("train", "eval", "histogram")

GARBAGE = [
    b"\0" * 40,
    b'\0\0{"kind": "train", "update": 9}',
    b"",
    b"17",
    b"[]",
    b'{"kind": "train"}',
    b'{"kind": "ev',
    b"\xff\xfe\xfa",
    b"}",
]


def record(update: int) -> Record:
    return {"kind": KINDS[update % 3], "update": update, "text": "ä" * (update % 7)}


def write(folder: Path, records: list[Record], keep: Extent = NO_RECORDS) -> None:
    writer = RecordWriter(folder, keep)
    for each in records:
        writer.append(each)
    writer.close()


@given(st.integers(0, 2**32 - 1))
def test_kills_resumes_and_stops_lose_nothing_and_repeat_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """A checkpoint may be written at any time, between two records or before the first."""
    choose = random.Random(seed)
    folder = tmp_path_factory.mktemp("run")
    update, known, known_update = 0, NO_RECORDS, 0
    for _ in range(choose.randint(1, 6)):  # starts
        writer = RecordWriter(folder, known)
        update = known_update
        for _ in range(choose.randint(0, 5)):
            if choose.random() < 0.6:
                update += 1
                writer.append(record(update))
            else:
                known, known_update = writer.sync(), update
                assert known.bytes == (folder / METRICS).stat().st_size
        writer.close()
        if choose.random() < 0.3:  # killed in the middle of a line
            with (folder / METRICS).open("ab") as file:
                file.write(b'{"kind": "train", "upd')
    assert read_records(folder) == [record(u) for u in range(1, update + 1)]


def test_records_that_a_checkpoint_counts_and_that_are_not_there_are_missed(tmp_path: Path) -> None:
    write(tmp_path, [record(1), record(2)])
    before = (tmp_path / METRICS).read_bytes()
    with pytest.raises(
        UserError, match=f"counts {len(before) + 1} bytes.*{METRICS} holds {len(before)}"
    ):
        RecordWriter(tmp_path, Extent(len(before) + 1, None))
    assert (tmp_path / METRICS).read_bytes() == before


def test_a_number_that_is_not_finite_is_null(tmp_path: Path) -> None:
    write(tmp_path, [{"kind": "train", "update": 1, "loss": float("nan"), "lr": float("inf")}])
    assert read_records(tmp_path) == [{"kind": "train", "update": 1, "loss": None, "lr": None}]


@given(torn=st.integers(1, 200))
def test_a_last_line_without_its_end_is_not_a_record_yet(
    tmp_path_factory: pytest.TempPathFactory, torn: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    write(folder, [record(1), record(2), record(3)])
    whole = (folder / METRICS).read_bytes()
    left = whole[: max(1, len(whole) - torn)]
    (folder / METRICS).write_bytes(left)
    found = [record(u) for u in range(1, left.count(b"\n") + 1)]
    assert read_records(folder) == found
    assert last_record(folder) == (found[-1] if found else None)
    assert list(RecordFollower(folder).new()) == found


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
@pytest.mark.parametrize("line", [1, 3, 5])
def test_garbage_is_named_with_its_line(tmp_path: Path, garbage: bytes, line: int) -> None:
    write(tmp_path, [record(u) for u in range(1, 5)])
    lines = (tmp_path / METRICS).read_bytes().splitlines(keepends=True)
    lines.insert(line - 1, garbage + b"\n")
    (tmp_path / METRICS).write_bytes(b"".join(lines))
    for kinds in ((), ("train",), ("eval", "histogram")):
        if garbage == b'{"kind": "train"}' and kinds and "train" not in kinds:
            continue  # not asked for
        with pytest.raises(DamagedRecords, match=f"{METRICS}, line {line}: not a record"):
            read_records(tmp_path, *kinds)
    if line == 5:
        with pytest.raises(DamagedRecords, match=METRICS):
            last_record(tmp_path)
    follower, found = RecordFollower(tmp_path), []
    with pytest.raises(DamagedRecords, match=METRICS):
        found += follower.new()
    found += follower.new()  # goes on behind it
    assert [each["update"] for each in found] == [1, 2, 3, 4]


def test_only_the_kinds_that_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, [record(u) for u in range(1, 10)])
    spaced = json.dumps({"update": 10, "kind": "eval"}, indent=None, separators=(" ,", " : "))
    with (tmp_path / METRICS).open("a") as file:
        file.write(spaced + "\n")
    assert [r["update"] for r in read_records(tmp_path, "eval")] == [1, 4, 7, 10]
    assert [r["update"] for r in read_records(tmp_path, "train", "histogram")] == [2, 3, 5, 6, 8, 9]
    assert read_records(tmp_path / "none") == []
    assert last_record(tmp_path / "none") is None


def test_the_last_record_however_long(tmp_path: Path) -> None:
    long = {"kind": "histogram", "update": 2, "counts": list(range(20_000))}
    write(tmp_path, [record(1), long])
    assert last_record(tmp_path) == long


@given(st.integers(0, 2**32 - 1))
def test_a_follower_sees_every_record_once_whatever_is_written_between_two_looks(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    choose = random.Random(seed)
    folder = tmp_path_factory.mktemp("run")
    written = [record(u) for u in range(1, 20)]
    data = b"".join(json.dumps(each).encode() + b"\n" for each in written)
    follower, found = RecordFollower(folder), []
    with (folder / METRICS).open("ab") as file:
        while data:
            piece = choose.randint(1, 100)
            file.write(data[:piece])
            file.flush()
            data = data[piece:]
            found += follower.new()
    assert found == written


def test_a_follower_goes_on_where_a_resumed_run_cut_the_file_back(tmp_path: Path) -> None:
    write(tmp_path, [record(1)])
    known = Extent((tmp_path / METRICS).stat().st_size, None)
    write(tmp_path, [record(2), record(3)], known)
    follower = RecordFollower(tmp_path, from_end=True)
    writer = RecordWriter(tmp_path, known)
    assert list(follower.new()) == []
    writer.append(record(2))
    assert list(follower.new()) == [record(2)]
    # Cut back and written on between two looks: nothing half is taken for a record.
    writer.close()
    write(tmp_path, [record(u) for u in range(5, 9)], known)
    assert all(each in map(record, range(5, 9)) for each in follower.new())
