"""How far the gradients' histograms are distorted: Figs. 2 and 3 as numbers, from the store.

A distorted histogram has its mass among tiny values. Two numbers say how far, at each update that
a run recorded: the share of all gradient elements below e^-16 (the exact zeros among them), and
the median of log|g|.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from experiments.analysis.statistics import Floats

TINY = -16.0
"""log|g| below which a gradient element counts as tiny."""

Histogram = Mapping[str, Any]
"""``edges``, ``counts``, ``zeros``, ``elements``; see `experiments.training.histograms`."""


def mass_below(histogram: Histogram, log: float = TINY) -> float:
    """The share of elements with log|x| < ``log`` (natural); NaN among no elements.

    Raises ValueError if ``log`` is not one of the inner edges: between them nothing is known.
    """
    edges = list(histogram["edges"])
    if log not in edges[1:-1]:
        raise ValueError(f"log is {log:g}; give an edge from {edges[1]:g} to {edges[-2]:g}")
    return _share(histogram, sum(histogram["counts"][: edges.index(log)]))


def median(histogram: Histogram) -> float:
    """The median of log|x|, interpolated within its bin: off by half a bin at most.

    −∞ or ∞ where it lies beyond the inner edges; NaN among no elements.
    """
    counts, half = histogram["counts"], sum(histogram["counts"]) / 2
    if not half:
        return np.nan
    below, last = 0.0, len(counts) - 1
    for place, ((left, right), count) in enumerate(
        zip(pairwise(histogram["edges"]), counts, strict=True)
    ):
        if below + count >= half:
            if place in (0, last):
                return -np.inf if place == 0 else np.inf
            return float(left + (right - left) * (half - below) / count)
        below += count
    raise AssertionError("half of the elements lies below the last edge")


def _share(histogram: Histogram, count: float) -> float:
    elements = histogram["elements"]
    return count / elements if elements else np.nan


@dataclass(frozen=True, eq=False)
class Distortion:
    """The two numbers of one run at its recorded updates; arrays of one length."""

    updates: tuple[int, ...]
    mass_below: Floats
    median: Floats

    def growth(self, until: int, after: int = 0) -> float | None:
        """The largest growth of `mass_below` since the first record, over the updates after
        ``after`` and up to ``until``. None if none of them but the first was recorded.
        """
        updates = np.array(self.updates)
        chosen = (updates > updates[:1]) & (updates > after) & (updates <= until)
        later = self.mass_below[chosen]
        return float(later.max() - self.mass_below[0]) if len(later) else None


def distortion(records: Sequence[Mapping[str, Any]]) -> Distortion:
    """The distortion of the gradients in one run's records of kind ``histogram``, by update."""
    fields = [record["gradient"] for record in records]
    return Distortion(
        tuple(record["update"] for record in records),
        np.array([mass_below(field) for field in fields]),
        np.array([median(field) for field in fields]),
    )
