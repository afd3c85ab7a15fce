"""What only a GPU can show, besides the tests that need one: a line for each thing.

``python -m scripts.gpu.checks [--device cuda]``. No check ends the others; exit code 1 if one
failed.
"""

import json
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional as F

import radam
from benchmarks.training import random_images, update_of
from experiments.files import write_atomic
from experiments.tasks.lm1b.model import LstmLanguageModel, LstmSizes
from experiments.terminal.arguments import Parser
from experiments.terminal.console import exit_on_user_error
from experiments.training.cuda_graphs import WARM_UP
from experiments.training.histograms import QUANTITIES
from experiments.training.precision import set_precision
from experiments.training.step import Step


class NotHere(Exception):
    """This device cannot show it."""


def histograms(device: torch.device) -> str:
    """Are counted where algorithms must be deterministic, as on the CPU."""
    values, bins = torch.randn(1_000_000), QUANTITIES["gradient"]
    expected = bins.count(values)
    torch.use_deterministic_algorithms(True)
    try:
        found = bins.count(values.to(device)).cpu()
    finally:
        torch.use_deterministic_algorithms(False)
    apart = int((found - expected).abs().sum())
    assert apart <= 20, f"{apart} of a million values are in other bins than on the CPU"
    return f"{apart} of a million values in another bin than on the CPU"


def lstm_under_bf16(device: torch.device) -> str:
    """Stays in float32, and trains."""
    model = LstmLanguageModel(LstmSizes(1000, 32, 64, 2, (100, 400)), 0.0).to(device)
    words = torch.randint(0, 1000, (20, 16), device=device)
    with set_precision("bf16", device):
        loss, state = model(words, words, model.initial_state(16))
    loss.backward()
    types = {str(x.dtype) for pair in state for x in pair}
    assert types == {"torch.float32"}, f"its state is {types}"
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    return "float32 state, finite gradients"


LARGEST_ERRORS = {"fp32": 1e-5, "tf32": 5e-3, "bf16": 2e-2}


def convolution(device: torch.device) -> str:
    """Is as exact as its precision's name says, against float64."""
    x, w = torch.randn(128, 64, 8, 8, device=device), torch.randn(64, 64, 3, 3, device=device)
    exact = F.conv2d(x.double(), w.double(), padding=1)
    said = []
    for precision, largest in LARGEST_ERRORS.items():
        if precision == "tf32" and device.type != "cuda":
            continue
        with set_precision(precision, device):
            found = F.conv2d(x, w, padding=1)
        error = float((found.double() - exact).norm() / exact.norm())
        said.append(f"{precision} {error:.1e}")
        assert error < largest, f"{precision} is off by {error:.1e} of the result"
    return "relative error: " + ", ".join(said)


def optimizers(device: torch.device) -> str:
    """Make the steps that they make on the CPU, captured or not."""
    for name, entry in radam.ZOO.items():
        ways = [{}, entry.captured({}) or {}] if device.type == "cuda" else [{}]
        for options in ways:
            apart = _apart(name, dict(options), device)
            assert apart < 1e-5, f"{name} {options}: {apart:.1e} from the CPU's after 8 updates"
    return f"{len(radam.ZOO)} optimizers within 1e-5 after 8 updates"


def _apart(name: str, options: dict[str, object], device: torch.device) -> float:
    """The largest distance of a parameter here from one on the CPU, with the same gradients."""
    torch.manual_seed(0)
    begun, gradients = torch.randn(1000), torch.randn(8, 1000)
    ended = []
    for place, extra in ((torch.device("cpu"), {}), (device, options)):
        p = torch.nn.Parameter(begun.to(place, copy=True))
        optimizer = radam.make_optimizer(name, [p], lr=1e-3, **extra)
        for gradient in gradients:
            p.grad = gradient.to(place, copy=True)
            optimizer.step()
        ended.append(p.detach().cpu())
    return float((ended[0] - ended[1]).abs().max())


def captured_step(device: torch.device, precision: str) -> Step:
    """A step of ResNet-20 whose updates are replayed by now."""
    if device.type != "cuda":
        raise NotHere("needs CUDA graphs")
    words = [f"training.precision={precision}", "runner.capture=auto"]
    step, batches = update_of(random_images(), "recipe", str(device), *words)
    for batch in islice(batches, 2 * WARM_UP + 4):
        step([batch], 0.01)
    assert step.trouble is None, step.trouble
    return step


def captured(device: torch.device) -> str:
    """An update becomes a graph, whose first replay does what was launched; its kernels."""
    said = []
    for precision in ("fp32", "tf32", "bf16"):
        step = captured_step(device, precision)
        assert step.calls is not None
        (shape,) = step.calls.shapes.values()
        assert shape.graph is not None
        activities = [torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            shape.graph.replay()
            torch.cuda.synchronize()
        events = [e for e in profile.events() or () if e.device_type.name == "CUDA"]
        own = sum("adam" in e.name.lower() or e.name == "update" for e in events)
        said.append(f"{precision} {len(events)} kernels, {own} of them Adam's")
    return "; ".join(said)


def layouts(device: torch.device) -> str:
    """How many gradients lie in memory otherwise than their parameters: each costs a copy."""
    step = captured_step(device, "tf32")
    names = {p: name for name, p in step.model.named_parameters()}
    other = [
        names[p]
        for p in step.parameters
        if p.grad is not None and p.numel() > 1 and p.grad.stride() != p.stride()
    ]
    return f"{len(other)} of {len(names)} lie otherwise {other[:3]}"


CHECKS: dict[str, Callable[[torch.device], str]] = {
    "histograms": histograms,
    "LSTM under bf16": lstm_under_bf16,
    "convolutions": convolution,
    "optimizers": optimizers,
    "captured update": captured,
    "layouts of gradients": layouts,
}


def check(name: str, device: torch.device) -> tuple[str, str]:
    """``ok``, ``FAILED`` or ``not here``, and what was found."""
    try:
        return "ok", CHECKS[name](device)
    except NotHere as reason:
        return "not here", str(reason)
    except Exception as error:  # no check hides another
        line = " ".join(str(error).split())[:300]
        return "FAILED", line if isinstance(
            error, AssertionError
        ) else f"{type(error).__name__}: {line}"


def main() -> int:
    """Carry them out and say what came of each, at once."""
    parser = Parser("python -m scripts.gpu.checks", description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, help="write them down as JSON, after each anew")
    chosen = parser.parse_args()
    found: dict[str, tuple[str, str]] = {}
    for name in CHECKS:
        found[name] = check(name, torch.device(chosen.device))
        print(f"{name}: {': '.join(found[name])}", flush=True)
        if chosen.out is not None:
            write_atomic(chosen.out, json.dumps(found, indent=1) + "\n")
    failed = [name for name, (state, _) in found.items() if state == "FAILED"]
    print(f"{len(found)} checks, failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    with exit_on_user_error():
        sys.exit(main())
