"""The report's real command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.invented_store import RATES, learning_curve, run
from experiments.analysis.claims.paper import paper
from experiments.analysis.claims.scorecard import FROM_RUNS
from experiments.config.compose import compose
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.launch.plan import make_plan
from experiments.mechanism.records import obtain
from experiments.report import main
from experiments.tracking.store import read_results
from tests.experiments.conftest import ROOT, Command


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mini runs on the stand-in and on real data, with one divergence."""
    root = tmp_path_factory.mktemp("store") / "runs"
    for dataset in ("real", "standin"):
        for optimizer, means in {"adam": (30, 41, 48, 47), "radam": (47, 47, 43, 34)}.items():
            for lr, mean in zip(RATES, means, strict=True):
                for seed in (1, 2):
                    lost = (optimizer, lr, seed) == ("adam", 0.1, 2)
                    run(
                        root,
                        optimizer,
                        lr,
                        seed,
                        mean + seed,
                        protocol="mini",
                        dataset=dataset,
                        status="diverged" if lost else "completed",
                        curves=learning_curve(mean, 1.0, 8, seed, stop=3 if lost else None),
                    )
    return root


def test_everything(command: Command, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    done = command("experiments.report", "--runs", str(store), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "STAND-IN data: says nothing about the paper" in done.stdout
    assert "mini protocol, not the paper's setting: decides no claim" in done.stdout
    assert "1 diverged" in done.stdout
    said = [Path(line.strip()) for line in done.stdout.split("Written:")[1].strip().splitlines()]
    assert all(path.is_file() for path in said)
    assert {path.name for path in said} >= {
        "REPORT.md",
        "CLAIMS.md",
        "claims.json",
        "cifar10-mini-real-robustness.png",
        "cifar10-mini-standin-robustness.png",
        "cifar10-mini-standin-curves.png",
        "cifar10-mini-standin-rates.png",
    }
    text = (out / "REPORT.md").read_text()
    assert "## CIFAR-10 · mini protocol · STAND-IN data" in text
    assert "so short a run lies inside RAdam's own warmup" in text
    assert "15 completed, 1 diverged" in text
    assert text.count("### Test accuracy (%): final, best on test") == 2  # the same: one table
    for path in said:
        if path.suffix == ".png":
            assert f"](figures/{path.name})" in text
    decided = [r for r in json.loads((out / "claims.json").read_text()) if r["verdict"] is not None]
    assert {row["verdict"] for row in decided if row["claim"] not in ("C16", "C18")} == {"not run"}


def test_scores_that_differ_stand_in_one_table_and_shared_facts_are_said_once(
    tmp_path: Path,
) -> None:
    for protocol in ("mini", "recipe"):
        for optimizer, best in (("adam", 60.0), ("radam", 70.0)):
            for lr in RATES[:2]:
                for seed in (1, 2):
                    score, beyond = best + seed, 5.0 if optimizer == "adam" else 0.0
                    run(tmp_path / "runs", optimizer, lr, seed, score, protocol=protocol,
                        best=score + beyond)  # fmt: skip
    main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out" / "REPORT.md").read_text()
    assert text.count("### Test accuracy (%): final, best on test") == 2
    assert text.count("| optimizer | α = ") == 2
    for line in text.splitlines():
        if line.startswith("| Adam |") and "n = 2" in line:
            assert line.count("best on test: 66.50 (") == 2
        if line.startswith("| RAdam |"):
            assert "best on test" not in line
    for fact in ("Invented CPU", "torch 2.15.0", "`0123456789`", "RAdam's own warmup (about"):
        assert text.count(fact) == 1, fact


def test_what_researchers_ask_beside_the_claims(tmp_path: Path) -> None:
    for optimizer, means in {"adam": (30, 41, 48, 47), "radam": (47, 47, 43, 34)}.items():
        for lr, mean in zip(RATES, means, strict=True):
            for seed in (1, 2, 3):
                curves = learning_curve(mean, 1.0, 8, seed)
                score = mean + seed * (1 if lr > 0.01 else 2)
                run(tmp_path / "runs", optimizer, lr, seed, score, curves=curves)
    words = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    main([*words, "--target", "30"])
    text = (tmp_path / "out" / "REPORT.md").read_text()
    for said in (
        "| optimizer | best − RAdam's | expected − RAdam's | spread − RAdam's |",
        "Optimizer and α interact (p < .0001)",
        "best of 1 tried α | best of 2 tried α | best of 3 tried α | best of 4 tried α",
        "updates to test 30.00",
        "lost at next best α",
    ):
        assert said in text
    with pytest.raises(UserError, match="--target nan: write a score"):
        main([*words, "--target", "nan"])
    run(tmp_path / "runs", "radam", 0.1, 1, 40.0, task="lm1b")
    with pytest.raises(UserError, match="accuracy, perplexity; say of which with --task"):
        main([*words, "--target", "30"])


def test_computations_of_the_store_are_drawn(tmp_path: Path) -> None:
    obtain(tmp_path / "runs", "fig8_variance")
    run(tmp_path / "runs", "radam", 0.1, 1, 50.0)
    main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out" / "REPORT.md").read_text()
    assert "](figures/fig8_variance.png)" in text
    assert "(Fig. 8)" in text
    assert "figures/fig9" not in text
    assert (tmp_path / "out" / "figures" / "fig8_variance.pdf").is_file()


def test_the_table_writes_nothing(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["table", "--runs", str(store), "--out", str(tmp_path / "o"), "--dataset", "real"])
    said = capsys.readouterr().out
    assert "STAND-IN" not in said
    assert "P(RAdam" in said
    assert not (tmp_path / "o").exists()


def test_claims_of_an_empty_store(command: Command, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    out = tmp_path / "reports"
    words = ("claims", "--runs", str(tmp_path / "runs"), "--out", str(out))
    done = command("experiments.report", *words)
    assert done.returncode == 0, done.stderr
    assert "holds no results yet. Run something first: `make reproduce-cifar`" in done.stdout
    said = " ".join(done.stdout.split())
    assert "Of the paper's claims that take runs: 15 not run." in said
    assert "that mathematics or simulation decides: 1 supported (C18), 1 partly (C16), 1" in said
    assert {path.name for path in out.iterdir()} == {"CLAIMS.md", "claims.json"}


def test_an_empty_store_says_what_to_run_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what in ("all", "table", "figures"):
        main([what, "--runs", str(tmp_path), "--out", str(tmp_path / "o")])
        assert "Run something first: `make reproduce-cifar`" in capsys.readouterr().out
    assert not (tmp_path / "o").exists()


def test_a_store_of_unfinished_runs_is_reported_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = "Traceback ...\nRuntimeError: out of memory"
    run(tmp_path / "runs", "radam", 0.1, 1, None, status="failed", error=error)
    run(tmp_path / "runs", "radam", 0.1, 2, None, status="interrupted")
    main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "o")])
    assert "2 without a score" in capsys.readouterr().out
    text = (tmp_path / "o" / "REPORT.md").read_text()
    assert "1 failed, 1 interrupted" in text or "1 interrupted, 1 failed" in text
    assert "RuntimeError: out of memory" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--protocol", "mnii"], "--protocol mnii: no such runs; there are: mini"),
        (["--dataset", "stand-in"], "--dataset stand-in: no such runs; there are: real, standin"),
        (["--task", "mnist"], "--task mnist: no such runs; there are: cifar10"),
        (["tabel"], "invalid choice: 'tabel'"),
        (["--score", "worst"], "invalid choice: 'worst'"),
        (["--runs", "/nowhere/at/all"], "--runs /nowhere/at/all: no such folder"),
        (["--rnus=runs"], "unrecognized arguments"),
        (["--run", "0123456789ab"], "--run: belongs to wandb; write wandb --run"),
        (["claims", "--live"], "--live: belongs to dashboard"),
    ],
)
def test_bad_input(store: Path, tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        main(["--runs", str(store), "--out", str(tmp_path / "o"), *words])
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "o").exists()


def test_bad_input_is_one_line_and_exit_code_2(command: Command, store: Path) -> None:
    done = command("experiments.report", "table", "--runs", str(store), "--protocol", "mnii")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: --protocol mnii: no such runs; there are: mini\n"


def test_a_damaged_result_is_named_and_costs_itself_alone(command: Command, tmp_path: Path) -> None:
    folder = run(tmp_path, "radam", 0.1, 1, 40.0, protocol="mini")
    result = folder / "result.json"
    result.write_text(result.read_text().replace('"update', '"date'))
    run(tmp_path, "radam", 0.1, 2, 40.0, protocol="mini")
    done = command("experiments.report", "table", "--runs", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert len([line for line in done.stdout.splitlines() if str(result) in line]) == 1
    assert "40.0" in done.stdout


def test_help_is_worth_reading(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    for word in ("claims", "figures", "table", "--runs", "--out", "--protocol", "best"):
        assert word in said


def test_the_report_imports_no_training() -> None:
    code = (
        "import sys, experiments.report, experiments.analysis.report.figures\n"
        "print([m for m in sys.modules if m.startswith('experiments.training')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_names_from_the_store_show_as_text(tmp_path: Path) -> None:
    for seed in (1, 2):
        run(tmp_path / "runs", "<img src=x>|a", 0.1, seed, 50.0, origin="<b>data</b>")
    main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out" / "REPORT.md").read_text()
    assert "<img" not in text
    assert "<b>data" not in text
    assert "&lt;img src=x&gt;\\|a" in text


@pytest.mark.parametrize("protocol", ["paper", "recipe"])
@pytest.mark.parametrize("task", paper().settings)
def test_the_suites_own_protocols_have_the_settings_that_decide(
    tmp_path: Path, task: str, protocol: str
) -> None:
    """A run as the suite configures it is not left out by results/paper.yaml; a longer one is."""
    for optimizer in ("sgd", "adam", "adam_warmup", "adam_2k", "adam_eps", "radam"):
        words = [f"task={task}", f"optimizer={optimizer}", f"protocol={protocol}"]
        config = resolve(compose(words)).model_dump(mode="json")
        run(tmp_path, optimizer, 0.1, 1, 50.0, task=task, protocol=protocol, config=config)
    assert not paper().unlike(read_results(tmp_path), task, protocol).any()
    config["optimizer"]["weight_decay"] += 0.5
    run(tmp_path, "radam", 0.1, 1, 50.0, task=task, protocol=protocol, config=config)
    assert paper().unlike(read_results(tmp_path), task, protocol).sum() == 1


@pytest.mark.parametrize(
    "claim", [name for name in FROM_RUNS if paper().claims[name].task == "cifar10"]
)
def test_the_command_that_would_decide_gives_the_runs_that_the_rule_asks_for(
    tmp_path: Path, claim: str
) -> None:
    entry = paper().claims[claim]
    words = entry.decided_by.split()
    assert words[:4] == ["python", "-m", "experiments.sweep", "run"]
    own = ["task.dataset=standin", f"runner.runs_dir={tmp_path}"]
    plan = make_plan([*words[4:], *own])
    assert {config.protocol.name for config in plan.configs} == {"paper"}
    assert {config.seed for config in plan.configs} == set(range(1, entry.seeds + 1))
    if entry.optimizers:
        assert {config.optimizer.name for config in plan.configs} == set(entry.optimizers)
