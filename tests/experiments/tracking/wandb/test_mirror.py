"""The mirror holds what the store holds, and no server, disk or key harms a run."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import invented_store
from experiments.config.compose import compose
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.errors import UserError
from experiments.tracking.result import read_result
from experiments.tracking.wandb import mirror as wandb_mirror
from experiments.tracking.wandb.client import fingerprint, history_row, read_mirror
from experiments.tracking.wandb.mirror import mirrored
from experiments.training.run import run
from experiments.training.signals import StopRequest
from tests.experiments.tracking.wandb import transaction_file
from tests.experiments.tracking.wandb.server import Server, serving

ROOT = Path(__file__).resolve().parents[4]
KEY = "0" * 40


@pytest.fixture(autouse=True)
def no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person without a W&B account, and a home of their own."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    (tmp_path / "home").mkdir()


def smoke(tmp_path: Path, *words: str) -> RunConfig:
    return resolve(
        compose(
            [
                *("protocol=smoke", "task.dataset=standin", "runner.device=cpu"),
                *(f"runner.runs_dir={tmp_path / 'runs'}", "runner.threads=1"),
                *words,
            ]
        )
    )


def carry_out(config: RunConfig) -> None:
    with mirrored(config) as mirrors:
        run(config, StopRequest(), list(mirrors))


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def same(a: Any, b: Any) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and a != a and b != b)


def check_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Every number of the store is in the mirror, at its update, and no other run's."""
    expected: dict[int, dict[str, Any]] = {}
    for record in records(folder):
        row = history_row(record)
        expected.setdefault(row["update"], {}).update(row)
    assert [row["_step"] for row in history] == sorted(expected)
    for row in history:
        wanted = expected[row["_step"]]
        assert {key for key in row if not key.startswith("_")} == set(wanted)
        for key, value in wanted.items():
            assert same(row[key], value), key


def test_offline_files_equal_the_store(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = smoke(tmp_path, "experiment=fig6_lr_robustness", "optimizer=adam_warmup")
    carry_out(config)
    folder, result = config.folder, read_result(config.folder)
    assert result is not None
    assert result.status == "completed"
    record = read_mirror(folder)
    assert record is not None
    found = transaction_file.read(Path(record["where"]))
    assert (found.id, found.group, found.job_type) == (
        config.run_id,
        "fig6_lr_robustness",
        "adam_warmup",
    )
    assert found.tags == ["smoke", "standin", *([result.commit[:12]] if result.commit else [])]
    assert found.exit_code == 0
    check_history(folder, found.history)
    assert found.config["lr"] == config.optimizer.lr
    assert found.config["warmup_updates"] == config.schedule.warmup.updates
    assert found.config["protocol_batch_size"] == config.protocol.batch_size
    assert found.config["hardware"] == result.hardware
    for key in ("status", "final", "best", "updates", "wall_seconds", "origin"):
        assert found.summary[key] == getattr(result, key), key
    said = capsys.readouterr()
    assert f"wandb sync {record['where']}" in said.out
    assert said.err == ""


def test_system_metrics_are_those_of_the_runs_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_X_STATS_SAMPLING_INTERVAL", "0.2")  # 15 s otherwise
    config = smoke(tmp_path, "protocol.epochs=30")
    carry_out(config)
    record = read_mirror(config.folder)
    assert record is not None
    samples = transaction_file.read(Path(record["where"])).system
    memory = [s["proc.memory.rssMB"] for s in samples if "proc.memory.rssMB" in s]
    assert memory, samples
    # This process has torch loaded and trains; the mirror's has neither.
    assert max(memory) > 200


def test_local_tracking_and_the_users_switch_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = smoke(tmp_path, "tracking=local")
    carry_out(local)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    switched_off = smoke(tmp_path, "seed=2")
    carry_out(switched_off)
    for config in (local, switched_off):
        assert read_result(config.folder) is not None
        assert not list(config.folder.glob("wandb*"))


def test_tracking_is_no_part_of_a_runs_identity(tmp_path: Path) -> None:
    assert smoke(tmp_path).run_id == smoke(tmp_path, "tracking=local").run_id


OUTAGES = ["hangs", "answers 500", "refuses the key", "refuses connections", "malformed key"]


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_costs_one_line(
    outage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config = smoke(tmp_path)
    undisturbed = smoke(tmp_path / "undisturbed", "tracking=local")
    carry_out(undisturbed)
    behaviour = outage if outage in ("hangs", "answers 500", "refuses the key") else "works"
    monkeypatch.setitem(wandb_mirror.GRACE, "connecting", 1.0)
    with serving(behaviour) as server:
        url = "http://127.0.0.1:9" if outage == "refuses connections" else server.url
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", "short" if outage == "malformed key" else KEY)
        carry_out(config)
    said = capsys.readouterr().err.strip()
    assert said.startswith("warning: the Weights & Biases mirror is not complete")
    assert len(said.splitlines()) == 1
    assert KEY not in said
    result = read_result(config.folder)
    assert result is not None
    assert result.status == "completed"
    timeless = [{**r, "seconds": 0} for r in records(config.folder)]
    assert timeless == [{**r, "seconds": 0} for r in records(undisturbed.folder)]
    assert not _alive(config.folder)


def _alive(folder: Path) -> list[str]:
    """Processes whose command line names the folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            lines.append(line)
    return lines


def test_a_server_that_stops_answering_in_mid_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config = smoke(tmp_path)
    monkeypatch.setitem(wandb_mirror.GRACE, "online", 1.0)
    with serving("works") as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        with mirrored(config) as mirrors:
            run(config, StopRequest(), [*mirrors, _HangWhenKnown(server)])
    said = capsys.readouterr().err.strip()
    assert said.startswith("warning: the Weights & Biases mirror is not complete")
    assert len(said.splitlines()) == 1
    assert read_mirror(config.folder) is None
    assert read_result(config.folder) is not None


class _HangWhenKnown:
    """Holds the run at its first record until W&B knows it, and then has the server hang."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def __call__(self, event: dict[str, Any]) -> None:
        deadline = time.monotonic() + 60
        while event["kind"] == "train" and not self.server.runs and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.server.runs:
            self.server.behaviour = "hangs"


def test_a_full_disk_under_wandb_costs_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = smoke(tmp_path)
    full = config.folder / "wandb"
    full.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(full)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    try:
        carry_out(config)
    finally:
        subprocess.run(["umount", "-l", str(full)], check=True)
    said = capsys.readouterr().err.strip()
    assert said.startswith("warning: the Weights & Biases mirror is not complete")
    assert len(said.splitlines()) == 1
    result = read_result(config.folder)
    assert result is not None
    assert result.status == "completed"


def test_a_resumed_run_goes_on_in_the_same_wandb_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = smoke(tmp_path, "runner.checkpoint_seconds=0")
    with serving("works") as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        stop = StopRequest()
        with mirrored(config) as mirrors:
            run(config, stop, [*mirrors, lambda e: _stop_at(stop, e, 5)])
        first = read_result(config.folder)
        assert first is not None
        assert first.status == "interrupted"
        assert [row["_step"] for row in server.runs[config.run_id]["history"]] == [4]
        carry_out(config)
        check_history(config.folder, server.runs[config.run_id]["history"])
        assert list(server.runs) == [config.run_id]
        assert server.runs[config.run_id]["summary"]["status"] == "completed"


def _stop_at(stop: StopRequest, event: dict[str, Any], update: int) -> None:
    if event["kind"] == "update" and event["update"] == update:
        stop.signal = 15


def report(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "experiments.report", "wandb", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def test_the_store_is_mirrored_afterwards_and_only_once(tmp_path: Path) -> None:
    folders = invented_store.write_grid(tmp_path, ["sgd"], [1.0, 0.1], [1], epochs=3)
    done = report("--runs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for folder in folders:
        record = read_mirror(folder)
        assert record is not None
        assert record["fingerprint"] == fingerprint(folder)
        found = transaction_file.read(Path(record["where"]))
        check_history(folder, found.history)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = report("--runs", str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_one_run_is_mirrored_online_twice_and_stands_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = invented_store.write_grid(tmp_path, ["sgd"], [0.1, 0.01], [1], epochs=3)
    with serving("works") as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        # The views need more of a server than this one is; the runs are mirrored before them.
        report("--runs", str(tmp_path), "--run", folders[0].name)
        report("--runs", str(tmp_path), "--run", folders[0].name, "--again")
        assert next(iter(server.runs)) == folders[0].name
        assert folders[1].name not in server.runs
        sent = server.runs[folders[0].name]
        check_history(folders[0], sent["history"])
        assert sent["config"]["optimizer"]["value"] == "sgd"
        assert sent["tags"][:2] == ["recipe", "real"]


def test_each_run_goes_to_the_project_and_team_of_its_own(tmp_path: Path) -> None:
    """And the second time nothing is made: the mirrors are where the runs ask for them."""
    for number, project in enumerate(("mine", "-other"), 1):
        own = [f"tracking.project={project}", f"tracking.entity=team-{number}", f"seed={number}"]
        config = smoke(tmp_path, *own, "tracking.mode=offline")
        carry_out(config)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("wandb*")}
    done = report("--runs", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("wandb*")}
    records = [read_mirror(path.parent) or {} for path in tmp_path.rglob("wandb.json")]
    assert {record["project"] for record in records} == {"mine", "-other"}
    assert {record["entity"] for record in records} == {"team-1", "team-2"}


def test_a_mode_that_is_none_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "banana")
    with pytest.raises(UserError, match="WANDB_MODE=banana"):
        carry_out(smoke(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_what_cannot_be_mirrored_is_said_and_exits_2(tmp_path: Path) -> None:
    assert "no such runs" in report("--runs", str(tmp_path)).stderr
    (folder,) = invented_store.write_grid(tmp_path, ["sgd"], [0.1], [1], epochs=3)
    (folder / "config.yaml").write_text("{")
    done = report("--runs", str(tmp_path))
    assert done.returncode == 2
    assert "1 of 1 runs are not mirrored" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_histogram_in_the_store_is_one_in_the_mirror(tmp_path: Path) -> None:
    (folder,) = invented_store.write_grid(tmp_path, ["sgd"], [0.1], [1], epochs=1)
    counts, edges = [1, 2, 3], [-20.0, -10.0, -5.0, 0.0]
    gradient = {"edges": edges, "counts": counts, "zeros": 0, "elements": 6}
    record = {"kind": "histogram", "update": 32, "epoch": 1.0, "gradient": gradient}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    assert report("--runs", str(tmp_path)).returncode == 0
    mirror = read_mirror(folder)
    assert mirror is not None
    (row,) = transaction_file.read(Path(mirror["where"])).history
    assert row["histogram/gradient"] == {"_type": "histogram", "values": counts, "bins": edges}


def test_the_files_that_choose_the_tracking() -> None:
    for name in ("local", "wandb"):
        assert yaml.safe_load((ROOT / f"configs/tracking/{name}.yaml").read_text())["name"] == name
