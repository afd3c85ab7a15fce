"""What is packed on one machine goes on on another, and never takes its place what is further."""

import json
import tarfile
from pathlib import Path

import pytest

from experiments.errors import UserError
from scripts.gpu.archive import pack, unpack


def run(store: Path, name: str, records: int, status: str | None = None) -> Path:
    folder = store / "cifar10" / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"# {store.name}\n")
    (folder / "metrics.jsonl").write_text("{}\n" * records)
    (folder / f"checkpoint-{records:09d}.pt").write_bytes(b"x" * 1000)
    (folder / "lock").touch()
    if status is not None:
        (folder / "result.json").write_text(json.dumps({"status": status}))
    return folder


def test_there_and_back_with_checkpoints_of_what_is_not_done_at_the_end(tmp_path: Path) -> None:
    store, study = tmp_path / "runs", tmp_path / "study"
    for name, status in (("a", "completed"), ("b", "interrupted"), ("c", "diverged"), ("d", None)):
        run(store, name, 3, status)
    (study / "logs").mkdir(parents=True)
    (study / "outcomes.jsonl").write_text("{}\n")
    (study / "logs" / "runs.txt").write_text("said\n")
    archive = study / "study.tar"
    pack(archive, store, study)
    pack(archive, store, study)  # which does not pack itself
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    assert [n for n in names if n.endswith(".pt")] == names[-2:]
    assert {n.split("/")[2] for n in names[-2:]} == {"b", "d"}
    assert unpack(archive, tmp_path / "other", tmp_path / "there") == 4
    assert (tmp_path / "there" / "logs" / "runs.txt").read_text() == "said\n"
    assert (tmp_path / "other" / "cifar10" / "b" / "checkpoint-000000003.pt").exists()
    assert not list((tmp_path / "other" / "cifar10").glob("*/lock"))


@pytest.mark.parametrize(
    ("here", "taken"),
    [
        ((5, None), True),
        ((7, "interrupted"), True),
        ((8, "interrupted"), False),
        ((3, "completed"), False),
        ((3, "diverged"), False),
    ],
)
def test_what_is_further_here_stays(
    here: tuple[int, str | None], taken: bool, tmp_path: Path
) -> None:
    """Than an interrupted run with eight records."""
    run(tmp_path / "packed", "a", 8, "interrupted")
    pack(tmp_path / "a.tar", tmp_path / "packed", tmp_path / "none")
    own = run(tmp_path / "own", "a", *here)
    assert unpack(tmp_path / "a.tar", tmp_path / "own", tmp_path / "study") == taken
    assert (own / "config.yaml").read_text() == ("# packed\n" if taken else "# own\n")
    assert len(list(own.glob("*.pt"))) == 1


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    run(tmp_path / "packed", "a", 8)
    archive = tmp_path / "a.tar"
    pack(archive, tmp_path / "packed", tmp_path / "none")
    archive.write_bytes(archive.read_bytes()[:1100])
    with pytest.raises(UserError, match=r"a\.tar: cannot be read"):
        unpack(archive, tmp_path / "own", tmp_path / "study")
    assert not list((tmp_path / "own").iterdir())
