"""What surrounds an optimizer in torch: scalers, schedulers, compilation, several processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from radam import RAdam, make_optimizer

ROOT = Path(__file__).resolve().parents[2]


def twins(dtype=torch.float32):
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(6, dtype=dtype))
    return p, torch.nn.Parameter(p.detach().clone())


def test_grad_scaler_unscales_and_skips_overflows():
    p, q = twins()
    scaled, plain = RAdam([p], 0.1), RAdam([q], 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    for t in range(10):
        weights = torch.randn(6)
        scaled.zero_grad()
        scaler.scale((p * weights).sum()).backward()
        if t == 4:
            p.grad[0] = float("inf")
        scaler.step(scaled)
        scaler.update()
        if t != 4:
            q.grad = weights.clone()
            plain.step()
    assert float(scaled.state[p]["step"]) == 9
    torch.testing.assert_close(p, q)


@pytest.mark.parametrize("capturable", [False, True])
def test_gradient_clipping_and_scaler_together(capturable):
    p, _ = twins()
    optimizer = RAdam([p], 0.1, capturable=capturable)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for _ in range(7):
        scaler.scale(p.square().sum()).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_([p], 0.5)
        scaler.step(optimizer)
        scaler.update()
    assert float(optimizer.state[p]["step"]) == 7


SCHEDULERS = {
    "StepLR": lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.5),
    "CosineAnnealingLR": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10),
    "LambdaLR": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: 1 / (t + 1)),
    "OneCycleLR": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.2, total_steps=12),
    "SequentialLR": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o,
        [
            torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=3),
            torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
        ],
        milestones=[3],
    ),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_torchs_schedulers_set_our_rate(scheduler):
    p, q = twins(torch.float64)
    ours, theirs = RAdam([p], 0.1, variant="torch"), torch.optim.RAdam([q], 0.1)
    a, b = SCHEDULERS[scheduler](ours), SCHEDULERS[scheduler](theirs)
    for _ in range(10):
        p.grad = torch.randn_like(p)
        q.grad = p.grad.clone()
        ours.step()
        theirs.step()
        a.step()
        b.step()
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
        # One cycle moves β1 too.
        assert ours.param_groups[0]["betas"] == theirs.param_groups[0]["betas"]
    torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-13)


def test_hooks_around_the_step():
    p, _ = twins()
    optimizer, seen = RAdam([p], 0.1), []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert seen == ["before", "after"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"), [("radam", {}), ("radam", {"capturable": True}), ("adam_2k", {})], ids=str
)
def test_a_compiled_step_is_the_step(name, options):
    """Through the early updates, a changing rate, and a parameter without a gradient."""
    torch._dynamo.reset()
    p, q = twins(torch.float64)
    r, s = twins(torch.float64)
    own = {"freeze_updates": 3} if name == "adam_2k" else {}
    rate = torch.tensor(0.1, dtype=torch.float64)
    compiled = make_optimizer(name, [p, r], lr=rate, weight_decay=0.1, **own, **options)
    eager = make_optimizer(name, [q, s], lr=0.1, weight_decay=0.1, **own)
    step = torch.compile(compiled.step)
    for t in range(9):
        for one, other, present in ((p, q, True), (r, s, t % 4 != 1)):
            one.grad = torch.randn_like(one) if present else None
            other.grad = one.grad.clone() if present else None
        rate.fill_(0.1 / (t + 1))
        eager.param_groups[0]["lr"] = 0.1 / (t + 1)
        step()
        eager.step()
    torch.testing.assert_close((p, r), (q, s), rtol=1e-12, atol=1e-13)


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
@pytest.mark.parametrize("how", ["ddp", "fsdp", "fsdp1", "placements"])
def test_two_processes_train_as_one(how):
    """DistributedDataParallel, FSDP and other DTensors over gloo; the worker compares."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        str(Path(__file__).with_name("distributed_worker.py")),
        how,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.count("as one process") == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["adam", "amsgrad", "adam_2k", "radam", "radam_4step"])
def test_a_cuda_graph_holds_the_step(name):
    """Captured at update 4, replayed through the change of phase, it follows the eager step."""
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(1000, device="cuda"))
    q = torch.nn.Parameter(p.detach().clone())
    options = {"freeze_updates": 6} if name == "adam_2k" else {}
    rate = torch.tensor(0.1, device="cuda")
    captured = make_optimizer(name, [p], lr=rate, weight_decay=0.1, capturable=True, **options)
    eager = make_optimizer(name, [q], lr=0.1, weight_decay=0.1, **options)
    p.grad, graph = torch.zeros_like(p), torch.cuda.CUDAGraph()
    for t in range(12):
        g = torch.randn_like(p)
        p.grad.copy_(g)
        q.grad = g
        eager.step()
        if t < 3:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                captured.step()
            torch.cuda.current_stream().wait_stream(side)
            continue
        if t == 3:
            with torch.cuda.graph(graph):
                captured.step()
        graph.replay()
    torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)
    assert float(captured.state[p]["step"]) == 12


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_capturing_without_capturable_is_refused():
    p = torch.nn.Parameter(torch.randn(10, device="cuda"))
    p.grad = torch.ones_like(p)
    optimizer = RAdam([p], 0.1)
    optimizer.step()
    with (
        pytest.raises(RuntimeError, match="capturable=True"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        optimizer.step()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["adam", "amsgrad", "adam_2k", "radam", "radam_4step"])
@pytest.mark.parametrize("path", [{}, {"foreach": True}, {"capturable": True}], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_cuda_follows_the_cpu(name, path, dtype):
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(500, dtype=dtype))
    q = torch.nn.Parameter(p.detach().cuda())
    options = {"freeze_updates": 3} if name == "adam_2k" else {}
    host = make_optimizer(name, [p], lr=0.1, weight_decay=0.1, **options)
    device = make_optimizer(name, [q], lr=0.1, weight_decay=0.1, **options, **path)
    for _ in range(10):
        p.grad = torch.randn_like(p)
        q.grad = p.grad.cuda()
        host.step()
        device.step()
    rtol, atol = (1e-11, 1e-12) if dtype == torch.float64 else (1e-4, 1e-5)
    torch.testing.assert_close(p, q.cpu(), rtol=rtol, atol=atol)
