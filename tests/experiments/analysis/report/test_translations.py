"""Translations in the report are the best run's, whatever stands in them."""

import json

import polars as pl
import pytest

from experiments.analysis.report.translations import EXAMPLES, examples
from experiments.tasks.translation.config import SIGNATURE, TRANSLATIONS


class Runs:
    """What is asked of a section here."""

    def __init__(self, rows):
        self.runs = pl.DataFrame(rows)


def run(folder, bleu, sentences):
    folder.mkdir()
    row = {"run_id": folder.name, "final": bleu, "optimizer": "radam", "lr": 0.003, "seed": 1}
    record = {"kind": "eval", "update": 900, "split": "test", "bleu": bleu, "sacrebleu": bleu - 1}
    (folder / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    (folder / SIGNATURE).write_text("nrefs:1|tok:13a\n")
    lines = [{"source": f"s{i}", "reference": f"r{i}", "translation": t}
             for i, t in enumerate(sentences)]  # fmt: skip
    (folder / TRANSLATIONS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {**row, "folder": str(folder)}


def test_twenty_of_the_best_run_spread_over_the_test_set(tmp_path):
    worse = run(tmp_path / "a", 3.0, ["worse"] * 100)
    better = run(tmp_path / "b", 4.0, ["better"] * 100)
    text = examples(Runs([worse, better]))
    assert text.count("| better |") == EXAMPLES
    assert "worse" not in text
    assert "| s0 |" in text
    assert "| s95 |" in text
    assert "BLEU 4.00 on tokens" in text
    assert "sacreBLEU 3.00 (`nrefs:1|tok:13a`)" in text


@pytest.mark.parametrize(
    ("ours", "shown"),
    [("it &apos;s a | b", "it 's a \\| b"), ("*x* <i>", "\\*x\\* \\<i\\>"), ("", "*(nothing)*")],
)
def test_no_sentence_breaks_the_table(tmp_path, ours, shown):
    text = examples(Runs([run(tmp_path / "a", 1.0, [ours])]))
    assert f"| s0 | r0 | {shown} |" in text


def test_without_translations_there_is_no_section(tmp_path):
    row = run(tmp_path / "a", 1.0, ["x"])
    (tmp_path / "a" / TRANSLATIONS).unlink()
    assert examples(Runs([row])) is None
