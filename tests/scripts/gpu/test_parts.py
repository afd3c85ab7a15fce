"""Files in parts are the files again, or it is said what is wrong."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.errors import UserError
from scripts.gpu.parts import join, split


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of files of many sizes, an empty one and one of exactly two parts among them."""
    folder, generator = tmp_path / "there" / "cifar10", random.Random(0)
    for name, size in {"a": 2500, "inner/b": 2000, "inner/deeper/c": 1, "d": 0}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.randbytes(size))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_there_and_back(data: Path, tmp_path: Path) -> None:
    carried = tmp_path / "here"
    parts = split(data, carried, 1000)
    assert len(parts) == 3 + 2 + 1 + 1
    assert max(part.stat().st_size for part in parts) == 1000
    assert len(join(carried)) == 4
    found = contents(carried / "cifar10")
    assert {name: found[name] for name in contents(data)} == contents(data)
    assert join(carried) == []  # nothing is left to do


@pytest.mark.parametrize("wrong", ["missing", "damaged"])
def test_a_part_that_is_not_right_is_named(wrong: str, data: Path, tmp_path: Path) -> None:
    parts = split(data, tmp_path / "here", 1000)
    if wrong == "missing":
        parts[1].unlink()
    else:
        parts[1].write_bytes(b"x" * 1000)
    with pytest.raises(UserError, match=wrong) as raised:
        join(tmp_path / "here")
    assert str(tmp_path / "here" / "cifar10" / "a") in str(raised.value)
    assert not (tmp_path / "here" / "cifar10" / "a").exists()


def test_the_command(data: Path, tmp_path: Path) -> None:
    def command(*words: object) -> "subprocess.CompletedProcess[str]":
        words = (sys.executable, "-m", "scripts.gpu.parts", *map(str, words))
        return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60)

    assert command(data, tmp_path / "here").returncode == 0
    assert command("--join", tmp_path / "here").returncode == 0
    assert contents(tmp_path / "here" / "cifar10").items() >= contents(data).items()
    (tmp_path / "empty").mkdir()
    refused = command(tmp_path / "empty", tmp_path / "here")
    assert refused.returncode != 0
    assert "no files there" in refused.stderr
    assert "Traceback" not in refused.stderr
