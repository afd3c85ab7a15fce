"""The workspaces and the report as specifications, built without a network."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from benchmarks import invented_store
from experiments.analysis.cells import Section, sections
from experiments.analysis.claims import scorecard
from experiments.analysis.wandb.views import heatmap, report, robustness_rows, workspace
from experiments.tracking.store import read_results
from experiments.tracking.wandb.client import flat_config


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Section]:
    invented_store.write_grid(tmp_path, ["sgd", "radam"], (1.0, 0.1, 0.01), (1, 2), epochs=3)
    mini = {"protocol__name": "mini", "task__dataset": "standin"}
    invented_store.write_grid(tmp_path, ["adam"], (0.1,), (1,), epochs=3, **mini)

    def refuse(*_: Any) -> None:
        raise AssertionError("a specification asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return sections(read_results(tmp_path))


def spec(model: Any) -> str:
    return json.dumps(json.loads(model.model_dump_json(by_alias=True)), ensure_ascii=False)


def test_a_workspace_shows_one_section_only(found: list[Section]) -> None:
    for section in found:
        text = spec(workspace(section, "me", "radam")._to_model())
        for value in (section.task, section.protocol, section.dataset):
            assert f'"value": "{value}"' in text
        others = {"mini", "recipe"} - {section.protocol}
        assert not any(f'"value": "{other}"' in text for other in others)
        assert '"xAxis": "config:lr.value"' in text
        assert '"xAxisLogScale": true' in text
        assert '"yAxis": "summary:final"' in text
        assert '"metrics": ["train/loss"]' in text
        assert '"mediaKeys": ["heatmap"]' in text


def test_what_the_views_ask_for_is_what_the_mirror_writes(found: list[Section]) -> None:
    config = flat_config(invented_store.configuration("sgd", 0.1, 1))
    assert {"task", "protocol", "dataset", "optimizer", "lr", "seed"} <= set(config)
    assert not any("." in key for key in config)


def test_the_report_has_every_section_and_every_claim(found: list[Section], tmp_path: Path) -> None:
    rows = scorecard(found, tmp_path)
    text = spec(report(found, rows, "", "radam")._to_model().spec)
    for section in found:
        assert section.title in text
    assert "STAND-IN" in text
    for row in rows:
        assert f"| {row.claim}, {row.where}" in text


def test_the_heatmap_and_the_table_are_the_statistics(found: list[Section]) -> None:
    (section,) = [each for each in found if each.protocol == "recipe"]
    grid = section.grid("final")
    (trace,) = heatmap(section).data
    for method, values in zip(section.methods, trace.z, strict=True):
        for lr, value in zip(grid.lrs, values, strict=True):
            cell = grid.cells[method, lr]
            assert value == grid.value(cell)
    columns, data = robustness_rows(section)
    assert columns[0] == "optimizer"
    assert [row[0] for row in data] == [method.label for method in section.methods]
    assert all(len(row) == len(columns) for row in data)
