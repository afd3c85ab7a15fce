"""Records: kept where they fit, made again where they do not; and the figures drawn from them."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from experiments.errors import UserError
from experiments.mechanism import records
from experiments.mechanism.__main__ import main
from experiments.mechanism.records import Computation, obtain, record_path
from experiments.mechanism.simulation import Simulation, fig9


@dataclass(frozen=True)
class Settings:
    sizes: tuple[int, ...] = (1, 2)


@pytest.fixture
def counted(monkeypatch):
    """A computation named ``count`` that tells how often it was made."""
    made = []

    def compute(settings):
        made.append(settings)
        return {"values": np.array([1 / 3, np.nan]), "times": len(made)}

    def use(settings):
        monkeypatch.setattr(records, "COMPUTATIONS", {"count": Computation(compute, settings)})

    use(Settings())
    return use


def test_a_record_that_fits_is_kept(tmp_path, counted):
    first = obtain(tmp_path, "count")
    assert first["times"] == 1
    assert first["values"] == [0.333333, None]
    assert first["settings"] == {"sizes": [1, 2]}
    assert obtain(tmp_path, "count") == first
    assert json.loads(record_path(tmp_path, "count").read_text()) == first
    assert obtain(tmp_path, "count", again=True)["times"] == 2


def test_other_settings_make_another_record(tmp_path, counted):
    obtain(tmp_path, "count")
    counted(Settings(sizes=(3,)))
    assert obtain(tmp_path, "count")["times"] == 2


@pytest.mark.parametrize("content", ["", '{"name": "count"', "[]", "{}"])
def test_a_damaged_record_is_made_again(tmp_path, counted, content):
    path = record_path(tmp_path, "count")
    path.parent.mkdir()
    path.write_text(content)
    assert obtain(tmp_path, "count")["times"] == 1


def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(UserError, match="fig9_simulation"):
        obtain(tmp_path, "fig10")


def test_nothing_is_computed_beside_an_unknown_name(tmp_path):
    with pytest.raises(UserError, match=r"fig9_sim: .* did you mean fig9_simulation"):
        main(["rectifier_vs_warmup", "fig9_sim", "--runs", str(tmp_path), "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_every_computation_is_drawn(tmp_path, monkeypatch, capsys):
    small = dict(records.COMPUTATIONS)
    settings = Simulation(50, 60, beta2s=(0.999, 0.99))
    small["fig9_simulation"] = Computation(fig9, settings)
    fig8 = small["fig8_variance"]
    small["fig8_variance"] = replace(fig8, settings=replace(fig8.settings, samples=100))
    monkeypatch.setattr(records, "COMPUTATIONS", small)
    main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path)])
    names = ["fig8_variance", "fig9_simulation", "fig9_simulation-beta2", "rectifier_vs_warmup"]
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert drawn == sorted(f"{name}.{kind}" for name in names for kind in ("png", "pdf"))
    assert "1,033.3" in capsys.readouterr().out
