"""The records of ``experiments/mechanism`` (``<store>/mechanism/<name>.json``) as charts of lines.

A chart is plain values: title, axes, lines. The page draws whatever charts there are.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments.analysis.style import style
from experiments.analysis.wording import rate

Chart = dict[str, Any]
PLAIN, RECTIFIED, OTHER = style("adam").colour, style("radam").colour, "#888888"
RATES = ("#0072B2", "#009E73", "#D1410C", "#CC79A7", "#DE8F05")
PAPER_BETA2 = 0.999


def mechanism_data(root: Path) -> list[Chart]:
    """The charts of the records that the store has."""
    charts = []
    for name, draw in CHARTS.items():
        try:
            record = json.loads((Path(root) / "mechanism" / f"{name}.json").read_text())
            charts += list(draw(record))
        except (OSError, ValueError, KeyError):
            continue  # not made yet, or by another version: the report says how to make it
    return charts


def _line(name: str, colour: str, x: Any, y: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "colour": colour, "x": x, "y": y, **more}


def _fig8(record: dict[str, Any]) -> Iterator[Chart]:
    rho, sampled = record["rho"], record["sampled"]
    yield {
        "title": "Fig. 8: the variance of the adaptive rate, exact and to first order",
        "note": f"sampled: {record['settings']['samples']:,} draws each, 95 % interval",
        "x": {"title": "ρ", "log": True},
        "y": {"title": "Var[ψ] · σ²", "log": True},
        "lines": [
            _line("exact (Eq. 2)", PLAIN, rho, record["exact"]),
            _line("first order (Eq. 5)", RECTIFIED, rho, record["first_order"], dash="dash"),
            _line("difference", OTHER, rho, record["difference"], dash="dot"),
            _line(
                "sampled",
                OTHER,
                sampled["rho"],
                sampled["variance"],
                bars=[sampled["low"], sampled["high"]],
            ),
        ],
    }


def _fig9(record: dict[str, Any]) -> Iterator[Chart]:
    updates = record["updates"]
    for place, mean in enumerate(record["means"]):
        lines = [
            _line(
                name,
                colour,
                updates,
                record[key][place],
                band=[record[f"{key}_low"][place], record[f"{key}_high"][place]],
            )
            for key, name, colour in (
                ("adaptive", "ψ (without r)", PLAIN),
                ("rectified", "r·ψ (rectified)", RECTIFIED),
            )
        ]
        yield {
            "title": f"Fig. 9: simulated variance of the adaptive rate, μ = {mean:g} σ",
            "note": f"β2 = {rate(record['beta2'])}, {record['trajectories']:,} trajectories, "
            "95 % interval",
            "x": {"title": "update", "log": True},
            "y": {"title": "variance · σ²", "log": True},
            "lines": lines,
        }


def _warmups(record: dict[str, Any]) -> Iterator[Chart]:
    updates, blocks = record["updates"], record["by_beta2"]
    papers = next(block for block in blocks if block["beta2"] == PAPER_BETA2)
    lines = [
        _line(
            f"linear warmup, {row['length']:,} updates",
            style("adam_warmup").colour,
            updates,
            row["weights"],
        )
        for row in record["linear"]
    ]
    for name, title in (
        ("untuned_linear", "untuned linear warmup"),
        ("untuned_exponential", "untuned exponential warmup"),
    ):
        colour = style(f"adam_{name}").colour
        lines.append(_line(title, colour, updates, papers["weights"][name], dash="dash"))
    lines.append(_line("r_t", RECTIFIED, updates, papers["weights"]["rectifier"]))
    yield {
        "title": f"The rectification r_t beside warmups, β2 = {rate(PAPER_BETA2)}",
        "note": f"the first {papers['momentum_updates']} updates of RAdam take no adaptive step",
        "x": {"title": "update t", "log": True},
        "y": {"title": "weight ω_t", "log": False},
        "lines": lines,
    }
    yield {
        "title": "r_t for several β2",
        "note": "",
        "x": {"title": "update t", "log": True},
        "y": {"title": "r_t", "log": False},
        "lines": [
            _line(f"β2 = {rate(block['beta2'])}", colour, updates, block["weights"]["rectifier"])
            for block, colour in zip(blocks, RATES, strict=False)
        ],
    }


CHARTS: dict[str, Callable[[dict[str, Any]], Iterator[Chart]]] = {
    "fig8_variance": _fig8,
    "fig9_simulation": _fig9,
    "rectifier_vs_warmup": _warmups,
}
