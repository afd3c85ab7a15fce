"""Whatever text an error holds, it costs nobody the sight of the sweep."""

from pathlib import Path

import pytest

from experiments import sweep
from experiments.launch.plan import make_plan
from experiments.launch.submission import sweep_of
from experiments.terminal.console import console
from experiments.tracking.run_folder import RunFolder
from experiments.training.run import record_failure
from tests.experiments.launch.conftest import SMOKE

ODD = [
    "[/__w/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:545] Connection closed by peer",
    "[red]gone[/red] and [/]",
    "\\[bold] [link=x] %s {0} \x1b[31m",
    "",
    "\n\n",
]


@pytest.mark.parametrize("verb", ["plan", "status", "collect"])
def test_text_of_errors_is_shown_as_it_is(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(console, "width", 300)
    grid = [*SMOKE, f"runner.runs_dir={tmp_path / 'runs'}", "seed=1,2,3,4,5"]
    configs = make_plan(grid).configs
    for config, text in zip(configs, ODD, strict=True):
        RunFolder(config.folder).write_config(config)
        record_failure(config, RuntimeError(text))
    found = sweep_of(configs, None)
    found.write(grid, configs)

    sweep.main([verb, *(grid if verb == "plan" else [str(found.path)])])
    said = capsys.readouterr().out
    assert "5 failed" in said
    for text in ODD[:2]:
        assert text in " ".join(said.split()), said
    if verb == "collect":
        assert (found.path / "results.csv").exists()
