"""Locks: whoever only looks is in nobody's way."""

import multiprocessing
from pathlib import Path

import pytest

from experiments.files import Locked, is_locked, locked

LOOKERS, STARTS = 4, 500


def look(path: Path) -> None:
    while True:
        is_locked(path)


def test_looking_never_refuses_a_start(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    context = multiprocessing.get_context("forkserver")
    lookers = [context.Process(target=look, args=(path,), daemon=True) for _ in range(LOOKERS)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(STARTS):
            with locked(path, wait=False):  # or it raises
                assert is_locked(path)
    finally:
        for looker in lookers:
            looker.kill()
            looker.join()


def test_a_second_start_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(Locked), locked(path, wait=False):
        pass
