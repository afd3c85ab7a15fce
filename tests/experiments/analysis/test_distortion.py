"""The histograms of runs as numbers and figures."""

import math
import shutil

import numpy as np
import pytest
import torch

from experiments.analysis.distortion import (
    distortion,
    mass_below,
    median,
)
from experiments.mechanism.__main__ import main
from experiments.training.histograms import Bins
from tests.experiments.conftest import Command


def histogram(values):
    bins = Bins(-20, 0)
    counts = [int(n) for n in bins.count(values)]
    zeros = int((values == 0).sum())
    return {"edges": bins.edges, "counts": counts, "zeros": zeros, "elements": values.numel()}


@pytest.fixture
def values():
    generator = torch.Generator().manual_seed(1)
    return torch.exp(3 * torch.randn(20_000, generator=generator) - 14)


def test_against_the_values_themselves(values):
    logs = values.double().log()
    assert mass_below(histogram(values)) == pytest.approx(float((logs < -16).double().mean()))
    assert mass_below(histogram(values), -10) == pytest.approx(float((logs < -10).double().mean()))
    assert median(histogram(values)) == pytest.approx(float(logs.median()), abs=0.05)


def test_zeros_are_tiny_and_nans_are_none():
    values = torch.tensor([0.0, 1.0, 0.5, math.nan])
    assert mass_below(histogram(values)) == 0.25
    assert median(histogram(torch.zeros(3))) == -math.inf
    assert median(histogram(torch.full((3,), 2.0))) == math.inf
    assert math.isnan(median(histogram(torch.full((3,), math.nan))))


def test_only_edges_are_asked_for(values):
    with pytest.raises(ValueError, match="an edge from -20 to 0"):
        mass_below(histogram(values), -16.2)


def test_growth(values):
    """Between the first record and the last until then; a thousandfold smaller is distorted."""
    healthy, distorted = histogram(values), histogram(values / 1000)
    records = [
        {"update": update, "gradient": found}
        for update, found in ((1, healthy), (10, healthy), (50, distorted))
    ]
    found = distortion(records)
    assert found.updates == (1, 10, 50)
    assert found.growth(10) == 0
    assert found.growth(100) == pytest.approx(mass_below(distorted) - mass_below(healthy))
    assert found.growth(100) > 0.5
    assert found.growth(1) is None
    assert np.all(np.diff(found.median) <= 0)


def test_from_runs_to_figures(command: Command, smoke, tmp_path, capsys):
    words = [*smoke, "tracking=local", "runner.histograms.record=true", "optimizer=adam,radam"]
    done = command("experiments.train", "-m", *words)
    assert done.returncode == 0, done.stderr
    main(["gradient_histograms", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path)])
    drawn = {path.name for path in (tmp_path / "figures").glob("*.png")}
    start = "cifar10-smoke-standin"
    kinds = [f"{q}-histograms" for q in ("gradient", "momentum", "rate", "change")]
    assert drawn == {f"{start}-{kind}-0.03.png" for kind in (*kinds, "distortion")}
    assert all(path.with_suffix(".pdf").exists() for path in (tmp_path / "figures").glob("*.png"))
    shutil.rmtree(tmp_path / "runs" / "cifar10")
    main(["gradient_histograms", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path)])
    assert "runner.histograms.record=true" in capsys.readouterr().out
