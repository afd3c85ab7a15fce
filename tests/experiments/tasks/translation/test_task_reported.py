"""From the command line to the report with its translations, on the stand-in."""

import json
import subprocess
import sys

import pytest

from tests.experiments.conftest import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fairseq", "small_stand_in")]


def test_a_run_is_reported_with_its_translations(tmp_path):
    def command(*words):
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env={**environment(), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    words = ["task=wmt16_en_de", "protocol=smoke", "task.dataset=standin", "optimizer=radam"]
    words += ["runner.device=cpu", "tracking=local"]
    command("experiments.train", *words)
    (path,) = tmp_path.rglob("result.json")
    result = json.loads(path.read_text())
    assert (result["status"], result["metric"]) == ("completed", "bleu")
    assert "STAND-IN" in result["origin"]
    command("experiments.report")
    report = (tmp_path / "reports" / "REPORT.md").read_text()
    assert "STAND-IN data" in report
    assert "### Translations" in report
    assert "sacreBLEU" in report
