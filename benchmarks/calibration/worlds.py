"""Worlds whose truth is known: how scores vary over methods, rates and seeds."""

from collections.abc import Callable

import numpy as np

from experiments.analysis.statistics import Floats

RATES = (0.003, 0.01, 0.03, 0.1)
SD = 0.25
"""Of a score over seeds: points of CIFAR-10 accuracy, assumed."""

Shape = tuple[int, int, int]
Noise = Callable[[np.random.Generator, Shape], Floats]


def normal(rng: np.random.Generator, shape: Shape) -> Floats:
    """Independent, of SD 1."""
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: Shape) -> Floats:
    """Student's t with 3 degrees of freedom, scaled to SD 1."""
    scaled: Floats = rng.standard_t(3, shape) / np.sqrt(3)
    return scaled


def skewed(rng: np.random.Generator, shape: Shape) -> Floats:
    """A long tail of bad scores: exponential, skewness −2."""
    turned: Floats = 1 - rng.exponential(size=shape)
    return turned


def shared(icc: float) -> Noise:
    """All cells of one seed have the share ``icc`` of the variance in common."""

    def noise(rng: np.random.Generator, shape: Shape) -> Floats:
        common = rng.standard_normal((1, 1, shape[2]))
        both: Floats = np.sqrt(icc) * common + np.sqrt(1 - icc) * rng.standard_normal(shape)
        return both

    return noise


def unequal(rng: np.random.Generator, shape: Shape) -> Floats:
    """Every second method has half the SD, and every method's first cell four times its own."""
    scale = np.ones(shape[:2])
    scale[1::2] = 0.5
    scale[:, 0] *= 4
    spread_out: Floats = scale[:, :, None] * rng.standard_normal(shape)
    return spread_out


WORLDS: dict[str, Noise] = {
    "normal": normal,
    "t, 3 df": heavy,
    "skewed": skewed,
    "seeds share .4": shared(0.4),
    "seeds share .7": shared(0.7),
    "unequal SDs": unequal,
}
