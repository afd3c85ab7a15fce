"""Histograms of updates: counted right, at the chosen updates, and without a trace elsewhere."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from experiments.config.schema import HistogramsConfig
from experiments.training.histograms import QUANTITIES, Bins, Histograms, default_updates
from radam import make_optimizer
from tests.experiments.conftest import Command


def config(**fields):
    return HistogramsConfig(**{"record": True, "updates": None, "by_layer": False, **fields})


def test_every_element_is_in_one_bin():
    bins = Bins(-20, 0)
    assert len(bins.edges) == 43
    assert bins.edges[:2] == [-20.5, -20.0]
    assert bins.edges[-2:] == [0.0, 0.5]
    values = torch.tensor([0.0, 1e-30, -math.exp(-19.75), math.exp(-0.25), 1.0, -7.0, math.inf])
    counts = bins.count(values).tolist()
    assert counts[:2] == [2, 1]  # below e^-20, zero too; -20 to -19.5
    assert counts[-2:] == [1, 3]
    assert sum(counts) == 7
    assert bins.count(torch.tensor([math.nan, 1.0])).sum() == 1


def test_counts_against_numpy():
    bins = Bins(-20, 0)
    values = torch.randn(50_000) * torch.exp(torch.randn(50_000) * 4 - 8)
    logs = np.clip(np.log(np.abs(values.double().numpy())), -20.25, 0.25)
    expected, _ = np.histogram(logs, bins.edges)
    assert np.abs(bins.count(values).numpy() - expected).max() <= 1  # float32 at an edge


class Called(TorchDispatchMode):
    """The names of torch's operations that are called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_nothing_that_a_gpu_refuses_where_algorithms_must_be_deterministic():
    """By torch's own list of what it refuses there whatever the arguments."""
    documented = torch.use_deterministic_algorithms.__doc__.split("will throw a\n")[-1]
    refused = re.findall(r":func:`torch\.(\w+)` when called on a CUDA tensor\n", documented)
    assert "histc" in refused
    with Called() as called:
        updated()
    assert "bincount" in called.names
    assert not called.names & set(refused)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types(dtype):
    assert Bins(-20, 0).count(torch.ones(3, 2, dtype=dtype))[-1] == 6


def test_default_updates():
    assert default_updates(300) == (1, 5, 10, 25, 50, 75, 100, 128, 256, 300)
    assert default_updates(8) == (1, 5, 8)
    assert default_updates(70_000)[-3:] == (32_768, 65_536, 70_000)


def updated(optimizer_name="radam", **fields):
    """Two layers, the histograms of their first update, and the parameters before it."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = make_optimizer(optimizer_name, model.parameters(), lr=0.1)
    histograms = Histograms(config(**fields), model, optimizer, total=10)
    before = histograms.before(1)
    assert before is not None
    model(torch.ones(5, 3)).sum().backward()
    optimizer.step()
    return model, histograms.after(before), before


def test_what_is_counted():
    model, found, before = updated()
    assert list(found) == list(QUANTITIES)
    parameters = list(model.parameters())
    expected = {
        "gradient": torch.cat([p.grad.flatten() for p in parameters]),
        "change": torch.cat([(p.detach() - before[p]).flatten() for p in parameters]),
        "rate": torch.ones(26),  # RAdam's first update is one of momentum
    }
    expected["momentum"] = expected["gradient"]
    for quantity, values in expected.items():
        field = found[quantity]
        assert field["counts"] == QUANTITIES[quantity].count(values).tolist()
        assert field["edges"] == QUANTITIES[quantity].edges
        assert field["elements"] == 26
        assert field["zeros"] == (values == 0).sum()


def test_zeros_and_nans_are_told_apart():
    model = nn.Linear(2, 2, bias=False)
    optimizer = make_optimizer("sgd", model.parameters(), lr=0.1)
    histograms = Histograms(config(), model, optimizer, total=10)
    before = histograms.before(1)
    model.weight.grad = torch.tensor([[0.0, math.nan], [1e-30, 1.0]])
    optimizer.step()
    field = histograms.after(before)["gradient"]
    assert (field["zeros"], field["counts"][0], field["elements"]) == (1, 2, 4)
    assert sum(field["counts"]) == 3


def test_by_layer():
    _, found, _ = updated(by_layer=True)
    assert {"gradient", "gradient/0", "gradient/1", "rate/1"} < found.keys()
    assert found["gradient/0"]["elements"] == 16
    both = zip(found["gradient/0"]["counts"], found["gradient/1"]["counts"], strict=True)
    assert [a + b for a, b in both] == found["gradient"]["counts"]


def test_an_optimizer_without_these_parts():
    _, found, _ = updated("adagrad")
    assert list(found) == ["gradient", "change"]


def test_nothing_between():
    model = nn.Linear(2, 2)
    optimizer = make_optimizer("adam", model.parameters(), lr=0.1)
    histograms = Histograms(config(updates=(2, 4)), model, optimizer, total=10)
    assert [t for t in range(1, 11) if histograms.before(t) is not None] == [2, 4]
    off = Histograms(config(record=False), model, optimizer, total=10)
    assert all(off.before(t) is None for t in range(1, 11))


def test_in_a_run(command: Command, smoke: list[str], tmp_path: Path):
    """The records are in the store; the run is the same run, and ends with the same numbers."""

    def records(store: str, *words: str) -> list[dict]:
        runs = f"runner.runs_dir={tmp_path / store}"
        done = command("experiments.train", *smoke, "tracking=local", runs, *words)
        assert done.returncode == 0, done.stderr
        (folder,) = (tmp_path / store / "cifar10").iterdir()
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        return [{"run": folder.name, **json.loads(line)} for line in lines]

    plain = records("plain")
    watched = records("watched", "runner.histograms.record=true")
    taken = [record for record in watched if record["kind"] == "histogram"]
    assert [record["update"] for record in taken] == [1, 5, 8]
    assert taken[0]["gradient"]["elements"] == sum(taken[0]["gradient"]["counts"])
    others = [record for record in watched if record["kind"] != "histogram"]
    for record in plain + others:
        del record["seconds"]
    assert others == plain
