"""The storm would see a loss, and names each fault that it can draw."""

import random
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.storm import LOST, SAME, Kind, begin, disturb, judge, table
from benchmarks.storm_faults import BETWEEN, DURING
from experiments.launch.worker import DONE
from experiments.tracking.names import METRICS

SHORT = ("task=cifar10", "protocol.epochs=1")


@pytest.fixture(scope="module")
def kind(tmp_path_factory: pytest.TempPathFactory) -> Kind:
    return Kind.undisturbed(tmp_path_factory.mktemp("calm"), random.Random(1), SHORT)


@pytest.mark.slow
def test_the_same_run_is_the_same_and_another_is_not(kind: Kind, tmp_path: Path) -> None:
    config = kind.again(tmp_path, 0)
    assert begin(config).wait(300) == DONE
    assert judge(kind, config.folder) == (SAME, "")
    (config.folder / ".result.json.a1b2c3d4").touch()
    assert judge(kind, config.folder)[0] == LOST
    (config.folder / ".result.json.a1b2c3d4").unlink()
    records = config.folder / METRICS
    records.write_text(records.read_text().replace('"update": 2', '"update": 3'))
    assert judge(kind, config.folder) == (LOST, "records differ from the undisturbed run's")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_disturbed_run_loses_nothing(seed: int, kind: Kind, tmp_path: Path) -> None:
    fault, outcome, why = disturb(kind, tmp_path / "runs", random.Random(seed))
    assert outcome != LOST, (fault, why)


def test_the_table_has_a_line_for_every_fault() -> None:
    lines = table(Counter({("SIGKILL", SAME): 3, ("result", LOST): 1})).splitlines()
    assert len(lines) == 2 + len(DURING) + len(BETWEEN) + 1
    assert "| SIGKILL | 3 | 3 |  |  |  |" in lines
    assert lines[-1] == "| all | 4 | 3 |  |  | 1 |"
