"""One style per optimizer, told apart by eyes of every kind, on white and on black."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import plotly.graph_objects
import pytest
from matplotlib.markers import MarkerStyle

from experiments.analysis.style import MARKERS, STYLES, Style, style, title
from radam.zoo import ZOO
from tests.experiments.conftest import ROOT

SOLID = [name for name, chosen in STYLES.items() if not chosen.dash]
STRANGERS = [f"stranger_{number}" for number in range(12)]

# Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB.
VISION = {
    "ordinary": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}

# Ottosson 2020: linear RGB to cones, and the cube roots of those to OKLab.
CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    return 100 * OKLAB @ np.cbrt(CONES @ np.clip(rgb, 0, 1))


def assert_distinct(styles: list[Style]) -> None:
    assert len({(s.symbol, s.dash) for s in styles}) == len(styles)
    assert len({s.colour for s in styles}) == len(styles)


@pytest.fixture
def newcomers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Optimizers of the zoo of which the styles say nothing."""
    for name in STRANGERS:
        monkeypatch.setitem(ZOO, name, replace(ZOO["adam"], name=name))  # type: ignore[index]  # read-only
    return STRANGERS


def test_chosen_styles_are_of_the_zoo_and_their_own() -> None:
    assert set(STYLES) <= set(ZOO)
    assert_distinct(list(STYLES.values()))


def test_optimizers_without_a_style_get_one_of_their_own(newcomers: list[str]) -> None:
    assert_distinct([style(name) for name in ZOO])
    assert [style(name) for name in newcomers] == [style(name) for name in newcomers]


def test_one_that_another_zoo_knew_is_drawn_and_named_all_the_same() -> None:
    styles = [style(name) for name in [*ZOO, *STRANGERS]]
    assert len(set(styles)) == len(styles)
    assert title(STRANGERS[0]) == STRANGERS[0]
    assert title("adam_warmup") == ZOO["adam_warmup"].title


def test_a_style_is_the_same_in_every_process() -> None:
    code = f"from experiments.analysis.style import style; print([style(n) for n in {STRANGERS}])"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True, cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert told == {f"{[style(name) for name in STRANGERS]}\n"}


@pytest.mark.parametrize("symbol", MARKERS)
def test_every_symbol_is_drawn_by_both(symbol: str) -> None:
    assert MarkerStyle(Style("#000000", symbol).marker).get_path().vertices.size
    assert plotly.graph_objects.scatter.Marker(symbol=symbol).symbol == symbol


def test_a_symbol_that_one_cannot_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="symbol 'heart' is unknown; write one of circle, square"):
        Style("#000000", "heart")


@pytest.mark.parametrize("vision", VISION)
def test_solid_ones_are_told_apart_by_colour(vision: str) -> None:
    """An OKLab distance of 2 is just noticeable."""
    seen = {name: oklab(VISION[vision] @ linear(STYLES[name].colour)) for name in SOLID}
    for a, b in itertools.combinations(SOLID, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 6, (a, b)


@pytest.mark.parametrize("name", [*STYLES, *(f"stranger_{number}" for number in range(200))])
def test_colours_stand_out_from_white_and_from_black(name: str) -> None:
    luminance = float(np.array([0.2126, 0.7152, 0.0722]) @ linear(style(name).colour))
    assert 1.05 / (luminance + 0.05) > 2.5
    assert (luminance + 0.05) / (float(linear("#111111")[0]) + 0.05) > 2.5
