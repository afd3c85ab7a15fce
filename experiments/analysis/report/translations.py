"""Translations in the report: twenty of the best run's, with both BLEUs."""

import json
from pathlib import Path
from typing import Any

from experiments.analysis.cells import Section
from experiments.analysis.curves import records_to_draw
from experiments.analysis.style import title
from experiments.analysis.wording import rate
from experiments.tasks.translation.config import SIGNATURE, TRANSLATIONS

EXAMPLES = 20


def examples(section: Section) -> str | None:
    """Source, reference and ours, spread evenly over the test set; None without translations."""
    ran = section.runs.drop_nulls("final").sort("final", "run_id", descending=True)
    for row in ran.iter_rows(named=True):
        folder = Path(row["folder"])
        if (folder / TRANSLATIONS).is_file():
            return f"{_heading(row, folder)}\n\n{_table(folder / TRANSLATIONS)}"
    return None


def _heading(row: dict[str, Any], folder: Path) -> str:
    tests = [r for r in records_to_draw(folder, "eval") if r["split"] == "test"]
    sacre = f"{tests[-1]['sacrebleu']:.2f}" if tests else "not known"
    signature = (folder / SIGNATURE).read_text().strip() if (folder / SIGNATURE).is_file() else ""
    return (
        f"Translations of the run with the best BLEU ({title(row['optimizer'])}, "
        f"α = {rate(row['lr'])}, seed {row['seed']}): BLEU {row['final']:.2f} on tokens, as in the "
        f"paper; sacreBLEU {sacre} (`{signature}`). All of them: "
        f"`{folder.name}/{TRANSLATIONS}` in the store; every run keeps its own."
    )


def _table(path: Path) -> str:
    lines = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    step = max(1, len(lines) / EXAMPLES)
    chosen = [lines[int(k * step)] for k in range(min(EXAMPLES, len(lines)))]
    columns = ("source", "reference", "translation")
    rows = [" | ".join(_cell(line[column]) for column in columns) for line in chosen]
    head = ["| source | reference | ours |", "|---|---|---|"]
    return "\n".join([*head, *(f"| {row} |" for row in rows)])


def _cell(text: str) -> str:
    """Plain text in a table of Markdown: Moses' escapes stand for these characters anyway."""
    for written, sign in (("&apos;", "'"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(written, sign)
    for sign in "\\|*_`<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text or "*(nothing)*"
