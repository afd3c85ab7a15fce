"""The histograms that a section's runs took, as the page draws them (Figs. 2 and 3)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from experiments.analysis.cells import Section
from experiments.analysis.curves import records_to_draw

QUANTITIES = {
    "gradient": "log |g|",
    "momentum": "log |m|",
    "rate": "log of the adaptive rate",
    "change": "log |Δθ|",
}
"""The fields of a record that are drawn, and what their axis says."""

TOOK = "config.runner.histograms.record"


def histograms_data(section: Section, lrs: list[float]) -> list[dict[str, Any]]:
    """One entry a method, α and quantity: ``shares[i][j]`` of all elements, over the seeds
    together, in bin j (from ``edges[j]``) at ``updates[i]``."""
    if TOOK not in section.runs.columns:
        return []
    runs = section.runs.filter(pl.col(TOOK))
    labels = [method.label for method in section.methods]
    found = []
    for (label, lr), rows in runs.partition_by("method", "lr", as_dict=True).items():
        records = [records_to_draw(folder, "histogram") for folder in rows["folder"]]
        for quantity, axis in QUANTITIES.items():
            made = _together(records, quantity)
            if made is not None:
                place = {"method": labels.index(label), "lr": lrs.index(lr)}
                found.append({**place, "quantity": quantity, "axis": axis, **made})
    return sorted(found, key=lambda each: (each["lr"], each["method"]))


def _together(records: list[list[dict[str, Any]]], quantity: str) -> dict[str, Any] | None:
    sums: dict[int, Any] = {}
    elements: dict[int, float] = {}
    edges: list[float] = []
    for update, field in _fields(records, quantity):
        edges = field["edges"]
        sums[update] = np.array(field["counts"], dtype=float) + sums.get(update, 0.0)
        elements[update] = field["elements"] + elements.get(update, 0.0)
    if not sums:
        return None
    updates = sorted(sums)
    shares = [(sums[u] / max(elements[u], 1)).round(5).tolist() for u in updates]
    return {"edges": edges, "updates": updates, "shares": shares}


def _fields(
    records: list[list[dict[str, Any]]], quantity: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    for run in records:
        for record in run:
            if quantity in record:
                yield record["update"], record[quantity]
