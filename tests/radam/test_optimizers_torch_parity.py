"""Where a variant says that it is torch's, it is torch's: 100 updates, several types."""

import pytest
import torch

from radam import Adam, AdamW, AMSGrad, RAdam

PAIRS = {
    "Adam": (
        lambda params, **options: Adam(params, variant="torch", **options),
        torch.optim.Adam,
    ),
    "AdamW": (
        lambda params, **options: AdamW(params, variant="torch", **options),
        torch.optim.AdamW,
    ),
    "AMSGrad": (
        lambda params, **options: AMSGrad(params, variant="torch", **options),
        lambda params, **options: torch.optim.Adam(params, amsgrad=True, **options),
    ),
    "RAdam": (
        lambda params, **options: RAdam(params, variant="torch", **options),
        torch.optim.RAdam,
    ),
    "RAdam, decoupled": (
        lambda params, **options: RAdam(
            params, variant="torch", decoupled_weight_decay=True, **options
        ),
        lambda params, **options: torch.optim.RAdam(params, decoupled_weight_decay=True, **options),
    ),
}
PATHS = [{}, {"foreach": True}, {"foreach": False}]
TOLERANCES = {torch.float64: 1e-13, torch.float32: 2e-6}


def step_both(ours, theirs, dtype, updates, ours_options, theirs_options):
    torch.manual_seed(0)
    mine = [torch.nn.Parameter(torch.randn(s, dtype=dtype)) for s in [(4, 3), (5,), ()]]
    yours = [torch.nn.Parameter(p.detach().clone()) for p in mine]
    a, b = ours(mine, **ours_options), theirs(yours, **theirs_options)
    for _ in range(updates):
        for p, q in zip(mine, yours, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        a.step()
        b.step()
    return mine, yours


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", PAIRS)
def test_a_hundred_updates(name, dtype, weight_decay, path):
    options = {"lr": 0.01, "weight_decay": weight_decay, "betas": (0.8, 0.99)}
    mine, yours = step_both(*PAIRS[name], dtype, 100, {**options, **path}, options)
    tolerance = TOLERANCES[dtype]
    for p, q in zip(mine, yours, strict=True):
        torch.testing.assert_close(p, q, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "AMSGrad"])
def test_bit_for_bit_where_torch_has_the_fused_step(name, dtype):
    options = {"lr": 0.01, "weight_decay": 0.1, "fused": True}
    mine, yours = step_both(*PAIRS[name], dtype, 100, options, options)
    for p, q in zip(mine, yours, strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=0)


@pytest.mark.parametrize("sizes", [[3, 70_000, 5, 66_000, 0], [3, 5], [70_000]])
def test_bit_for_bit_whatever_the_threads(sizes):
    """Small tensors take one thread, large ones all; the process keeps the number it had."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.manual_seed(0)
        mine = [torch.nn.Parameter(torch.randn(size)) for size in sizes]
        yours = [torch.nn.Parameter(p.detach().clone()) for p in mine]
        ours = Adam(mine, 0.01, variant="torch")
        theirs = torch.optim.Adam(yours, 0.01, fused=True)
        for _ in range(3):
            for p, q in zip(mine, yours, strict=True):
                p.grad = torch.randn_like(p)
                q.grad = p.grad.clone()
            ours.step()
            theirs.step()
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    for p, q in zip(mine, yours, strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_half_precision_is_computed_in_float32_on_every_path(dtype, path):
    """The fused kernels do; the other paths round once too, not after each operation."""
    build = PAIRS["RAdam"][0]
    options = {"lr": 0.01, "weight_decay": 0.1}
    mine, yours = step_both(
        build, build, dtype, 100, {**options, **path}, {**options, "fused": True}
    )
    for p, q in zip(mine, yours, strict=True):
        # Two roundings of nearly the same float32 number: at most the next half-precision one.
        torch.testing.assert_close(p, q, rtol=torch.finfo(dtype).eps, atol=1e-3)
