"""Every table of the report as tidy data: one number a row, with its interval and what it is of."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import polars as pl

from experiments.analysis.cells import Section
from experiments.analysis.claims import Row, as_data
from experiments.analysis.comparisons import Comparison, Comparisons
from experiments.analysis.report.text_tables import beaten_by_radam
from experiments.analysis.robustness import robustness
from experiments.analysis.statistics import LOG, Estimate
from experiments.analysis.times import race

Line = dict[str, Any]

BEST_OF_OTHERS = "best of the others"


def tidy(
    found: Sequence[Section], rows: Sequence[Row], target: float | None = None
) -> dict[str, pl.DataFrame]:
    """The tables by name, those that have a row. Missing numbers are null; ``n`` is seeds.

    cells: mean, interval and counts of each optimizer at each α. robustness, comparisons, budget,
    times: the numbers of `robustness`, `comparisons` and `times`. interaction: p of each section.
    claims: the scorecard, several values of a field joined by "; ".
    """
    makers = {
        "cells": _cells,
        "robustness": _robustness,
        "comparisons": _comparisons,
        "budget": _budget,
        "interaction": _interaction,
    }
    tables: dict[str, list[Line]] = {name: [] for name in makers}
    times: list[Line] = []
    for section in found:
        kinds = section.kinds()
        for kind in kinds:
            of = {**_of_section(section), "score": kind}
            for name, make in makers.items():
                tables[name] += [of | line for line in make(section, kind)]
        if kinds:
            times += [_of_section(section) | line for line in _times(section, kinds[0], target)]
    claims = [{key: _plain(value) for key, value in row.items()} for row in as_data(list(rows))]
    lines = {**tables, "times": times, "claims": claims}
    return {
        name: pl.DataFrame(each, infer_schema_length=None) for name, each in lines.items() if each
    }


def _of_section(section: Section) -> Line:
    settings = " ".join(f"{field}={value}" for field, value in section.settings)
    return {
        "task": section.task,
        "protocol": section.protocol,
        "dataset": section.dataset,
        "settings": settings,
        "metric": section.metric,
    }


def _cells(section: Section, kind: str) -> Iterator[Line]:
    grid = section.grid(kind)
    there = [grid.cells[at] for at in product(grid.methods, grid.lrs) if at in grid.cells]
    for cell in there:
        yield {
            **{"optimizer": cell.method.optimizer, "method": cell.method.label, "lr": cell.lr},
            **_numbers(grid.mean(cell)),
            "average": grid.scale.average,
            "completed": cell.n - cell.diverged,
            "diverged": cell.diverged,
            **_numbers(cell.how_often, "diverged_share"),
            "at_chance": cell.at_chance,
            "unscored": cell.unscored,
        }


def _robustness(section: Section, kind: str) -> Iterator[Line]:
    grid = section.grid(kind)
    for found in robustness(grid):
        numbers: Mapping[str, tuple[Estimate | None, float | None]] = {
            "best": (found.best, found.best_lr),
            "lost at next best": (found.lost, found.next_lr),
            "spread": (found.spread, None),
            "plateau": (found.plateau, None),
            "expected": (found.expected, None),
            "probability that RAdam is better": (beaten_by_radam(found.method, grid), None),
        }
        for name, (estimate, lr) in numbers.items():
            of = {"method": found.method.label, "number": name, "lr": lr}
            yield of | _numbers(estimate)


def _comparisons(section: Section, kind: str) -> Iterator[Line]:
    """Every method against every other, and against the best of all others."""
    found = Comparisons(section.grid(kind))
    how = "ratio" if found.grid.scale is LOG else "difference"
    for method in found.methods:
        compared = [found.pair(method, other) for other in found.methods if other != method]
        best = found.from_the_best(method)
        for each in [*compared, *([best] if best is not None else [])]:
            of = {"method": method.label, "against": _against(each), "as": how}
            for name in ("best", "expected", "spread"):
                yield of | {"number": name, **_numbers(getattr(each, name))}
            if each.against is None:
                continue
            for k in range(1, len(found.lrs) + 1):
                gap = found.budget_difference(method, each.against, k)
                yield of | {"number": f"best of {k} tried rates", **_numbers(gap)}


def _against(compared: Comparison) -> str:
    return BEST_OF_OTHERS if compared.against is None else compared.against.label


def _budget(section: Section, kind: str) -> Iterator[Line]:
    found = Comparisons(section.grid(kind))
    for method in found.methods:
        k = 1
        while (best := found.budget(method, k)) is not None:
            yield {"method": method.label, "tried_rates": k, **_numbers(best)}
            k += 1


def _interaction(section: Section, kind: str) -> Iterator[Line]:
    found = Comparisons(section.grid(kind))
    left_out = "; ".join(method.label for method in found.left_out)
    yield {"p": found.interaction, "without": left_out}


def _times(section: Section, kind: str, target: float | None) -> Iterator[Line]:
    found = race(section, section.grid(kind), target)
    if found is None:
        return
    for each in found.methods:
        yield {
            **{"target": found.target, "split": found.split},
            **{"method": each.method.label, "lr": each.lr},
            **{"runs": each.reached.n, "reached": each.runs},
            **_numbers(each.reached, "reached_share"),
            **_numbers(each.updates, "updates"),
            **_numbers(each.seconds, "seconds"),
            **_numbers(each.against, "updates_over_radam"),
        }


def _numbers(estimate: Estimate | None, name: str = "value") -> Line:
    """``value``, ``low``, ``high`` and ``n``; with a name of their own ``<name>``, ``<name>_low``,
    ``<name>_high``."""
    own = name == "value"
    low, high = ("low", "high") if own else (f"{name}_low", f"{name}_high")
    if estimate is None:
        return {name: None, low: None, high: None, **({"n": None} if own else {})}
    numbers = {name: estimate.value, low: estimate.low, high: estimate.high}
    return {**numbers, **({"n": estimate.n} if own else {})}


def _plain(value: Any) -> Any:
    """A field of the scorecard as one value."""
    if isinstance(value, list | tuple):
        return "; ".join(str(_plain(each)) for each in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
