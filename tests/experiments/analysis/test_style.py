"""One style per optimizer, told apart by eyes of every kind, on white and on black."""

import itertools

import numpy as np
import pytest

from experiments.analysis.style import STYLES, UNKNOWN, style, title
from radam.zoo import ZOO

PAPERS_SIX = ("sgd", "adam", "adam_warmup", "adam_2k", "adam_eps", "radam")

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


def test_every_optimizer_of_the_zoo_has_a_style_of_its_own() -> None:
    assert set(STYLES) == set(ZOO)
    assert len({(s.marker, s.dash) for s in STYLES.values()}) == len(STYLES)
    assert len({s.colour for s in STYLES.values()}) == len(STYLES)
    assert UNKNOWN not in STYLES.values()


def test_an_optimizer_without_a_style_is_drawn_and_named_all_the_same() -> None:
    assert style("mine") == UNKNOWN
    assert title("mine") == "mine"
    assert title("adam_warmup") == "Adam+warmup"


@pytest.mark.parametrize("vision", VISION)
def test_the_papers_six_are_told_apart_by_colour(vision: str) -> None:
    """An OKLab distance of 2 is just noticeable."""
    seen = {name: oklab(VISION[vision] @ linear(STYLES[name].colour)) for name in PAPERS_SIX}
    for a, b in itertools.combinations(PAPERS_SIX, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 6, (a, b)


@pytest.mark.parametrize("name", STYLES)
def test_colours_stand_out_from_white_and_from_black(name: str) -> None:
    luminance = float(np.array([0.2126, 0.7152, 0.0722]) @ linear(STYLES[name].colour))
    assert 1.05 / (luminance + 0.05) > 2.5
    assert (luminance + 0.05) / (float(linear("#111111")[0]) + 0.05) > 2.5
