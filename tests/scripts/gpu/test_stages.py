"""A stage ends within its limit whatever it does, and what became of it is written at once."""

import math
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from scripts.gpu import stages
from scripts.gpu.stages import Outcome, Outcomes, Stage, Stop, carry_out


def code(text: str) -> tuple[str, ...]:
    """Words after ``python -m`` that carry out a line of Python, once."""
    return ("timeit", "-n1", "-r1", text)


STALL = 3.0
"""Longer than Python takes to begin on a busy machine."""


def outcome_of(
    folder: Path, words: tuple[str, ...], seconds: float = 60, records: Path | None = None
) -> Outcome:
    stage = Stage("a stage", words, seconds, records, STALL)
    return carry_out(stage, folder, os.environ, Stop(math.inf))


@pytest.fixture(autouse=True)
def little_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "GRACE_SECONDS", 1.0)


def test_what_it_came_to(tmp_path: Path) -> None:
    done = outcome_of(tmp_path, code("print('all is well')"))
    assert (done.state, done.exit_code) == ("done", 0)
    assert "all is well" in (tmp_path / "logs" / "a-stage.txt").read_text()
    failed = outcome_of(tmp_path, ("no_such_module",))
    assert failed.state == "failed"
    assert "No module named no_such_module" in failed.said


ENDLESS = "import time; time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {ENDLESS}"


@pytest.mark.parametrize("text", [ENDLESS, DEAF])
def test_out_of_time(text: str, tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, code(text), 1.5)
    assert outcome.state == "out of time"
    assert outcome.exit_code in (-signal.SIGTERM, -signal.SIGKILL)


def test_stalled_is_one_whose_runs_record_nothing(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, code(ENDLESS), records=tmp_path).state == "stalled"
    run = tmp_path / "task" / "run"
    run.mkdir(parents=True)
    text = f"import time; file = open('{run}/metrics.jsonl', 'a')\n"
    text += "for _ in range(20): time.sleep(0.2); file.write('{}'); file.flush()"
    assert outcome_of(tmp_path, code(text), records=tmp_path).state == "done"


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    command = ["sleep", "612.25"]
    outcome_of(tmp_path, code(f"import subprocess; subprocess.Popen({command})"))
    deadline = time.monotonic() + 20
    while command in [p.info["cmdline"] for p in psutil.process_iter(["cmdline"])]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_study_that_is_asked_to_end_ends_its_stage(tmp_path: Path) -> None:
    stop = Stop(math.inf)
    os.kill(os.getpid(), signal.SIGTERM)
    while not stop.asked:
        time.sleep(0.01)
    stage = Stage("a stage", code(ENDLESS), 60)
    assert carry_out(stage, tmp_path, os.environ, stop).state == "stopped"
    assert carry_out(stage, tmp_path, os.environ, Stop(0)).state == "out of time"


def test_outcomes_outlive_a_line_that_was_cut_off(tmp_path: Path) -> None:
    outcomes = Outcomes(tmp_path)
    assert outcomes.last() == {}
    first, second = Outcome("one", "failed", ("a", "b"), 1), Outcome("two", "done", ("c",), 0, 2.5)
    for outcome in (first, second, Outcome("one", "done", ("a", "b"), 0)):
        outcomes.add(outcome)
    with outcomes.path.open("a") as file:
        file.write('{"stage": "two", "sta')
    last = outcomes.last()
    assert last["two"] == second
    assert last["one"].state == "done"


@pytest.fixture(autouse=True)
def signals_as_before() -> object:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
