"""Captured runs on a GPU: the numbers of the same run launched one by one, and its endings.

What does not compare the recorded with the launched alone also runs on the CPU.
"""

import itertools
import multiprocessing
import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.tasks.cifar10 import task as cifar10
from experiments.tracking.result import RunResult
from experiments.training.run import build_step, run
from experiments.training.signals import StopRequest
from radam.zoo import ZOO
from tests.experiments.training.noise import configure, noise_images

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
    ],
)
on_a_gpu = pytest.mark.parametrize("device", [CUDA])
on_both = pytest.mark.parametrize("device", ["cpu", CUDA])

pytestmark = pytest.mark.usefixtures("noise")

context = multiprocessing.get_context("spawn")

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or cuBLAS is not deterministic


@pytest.fixture(autouse=True)
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def losses(device: str, words: list[str]) -> list[float]:
    """Of 50 updates in batches of two shapes, and of a test after every ten."""
    config = configure(f"runner.device={device}", *words)
    task, step = build_step(config, torch.device(device))
    found = []
    batches = itertools.chain.from_iterable(task.batches(epoch) for epoch in itertools.count())
    for update in range(1, 51):
        found.append(step([next(batches)], 0.01 / update)[0].item())
        if update % 10 == 0:
            found.append(step.evaluate("test")["loss"].item())
            step.model.train()
    assert step.trouble is None
    if step.captured:
        assert step.calls is not None
        graphs = [shape.graph for shape in step.calls.shapes.values()]
        assert len(graphs) == 3
        assert None not in graphs
    return found


@on_a_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "optimizer", [name for name, entry in ZOO.items() if entry.captured({}) and not entry.warmup]
)
def test_captured_is_launched_one_by_one(device: str, optimizer: str, precision: str) -> None:
    words = [f"optimizer={optimizer}", f"training.precision={precision}"]
    found = losses(device, [*words, "runner.capture=auto"])
    assert found == pytest.approx(losses(device, [*words, "runner.capture=false"]), abs=1e-6)


def losses_on_noise(device: str, words: list[str]) -> list[float]:
    """The same in a fresh process."""
    cifar10.load_cifar10 = lambda *_, **__: noise_images(70)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    return losses(device, words)


@on_both
@pytest.mark.slow
def test_packed_is_alone(device: str) -> None:
    """Three at the same time."""
    cells = [["optimizer=radam"], ["optimizer=sgd"], ["optimizer=adam", "task.widths=[8,8,8]"]]
    torch.set_num_threads(1)
    expected = [losses(device, [*words, "runner.capture=false"]) for words in cells]
    with ProcessPoolExecutor(len(cells), mp_context=context) as pool:
        found = list(pool.map(losses_on_noise, [device] * len(cells), cells))
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def carry_out(store: Path, device: str, *words: str, stop_after: int | None = None) -> RunResult:
    """A run of 12 epochs of three updates, asked to stop after one of them."""
    config = configure(
        f"runner.device={device}", f"runner.runs_dir={store}", "protocol.epochs=12", *words
    )
    stop = StopRequest()

    def observer(event: dict[str, Any]) -> None:
        if event["kind"] == "update" and event["update"] == stop_after:
            stop.signal = 15

    result = run(config, stop, [observer])
    assert "not_captured" not in result.hardware
    assert result.hardware["captured"] is (device == "cuda" and "runner.capture=false" not in words)
    return result


def parameters(store: Path) -> dict[str, torch.Tensor]:
    (path,) = store.glob("cifar10/*/checkpoint-*.pt")
    state = torch.load(path, weights_only=True, map_location="cpu")
    model: dict[str, torch.Tensor] = state["model"]
    return model


@on_both
@pytest.mark.parametrize("others", ["runner.capture=auto", "runner.capture=false"])
def test_stopped_and_resumed_is_undisturbed(device: str, others: str, tmp_path: Path) -> None:
    """Whether it goes on captured or not; the stop falls between the recording of two shapes."""
    carry_out(tmp_path / "undisturbed", device)
    stopped = carry_out(tmp_path / "disturbed", device, stop_after=8)
    assert stopped.status == "interrupted"
    assert stopped.updates == 8
    assert carry_out(tmp_path / "disturbed", device, others).status == "completed"
    expected, found = (parameters(tmp_path / name) for name in ("undisturbed", "disturbed"))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6, msg=name)


@on_both
def test_a_diverging_run_is_a_result(device: str, tmp_path: Path) -> None:
    result = carry_out(tmp_path, device, "optimizer=sgd", "optimizer.lr=1e38")
    assert result.status == "diverged"
    assert result.final is None
    assert result.updates <= 3  # a GPU is asked at the end of the epoch


@on_both
def test_histograms_see_the_gradients_of_their_update(device: str, tmp_path: Path) -> None:
    """Of a replayed update too, whichever shape was recorded last."""
    words = ["runner.histograms.record=true", "runner.histograms.updates=[1,30,31,32]"]
    for choice in ("auto", "false"):
        carry_out(tmp_path / choice, device, *words, f"runner.capture={choice}")
    texts = [
        next(tmp_path.glob(f"{choice}/cifar10/*/metrics.jsonl")).read_text()
        for choice in ("auto", "false")
    ]
    one, other = (re.sub(r'"seconds": ?[\d.]+', "", text) for text in texts)
    assert one.count('"histogram"') == 4
    assert one == other
