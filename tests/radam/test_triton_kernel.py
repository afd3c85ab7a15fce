"""The Triton kernel without a GPU: its arithmetic interpreted, its code compiled."""

import sys

import pytest
import torch

from radam import capturable
from tests.radam.stepping import ADAM_FAMILY, assert_follows_algorithm_1

triton = pytest.importorskip("triton", reason="Triton is not installed")


@pytest.fixture
def interpreter(monkeypatch):
    """Let capturable steps run the kernel on CPU tensors."""
    monkeypatch.setattr(triton.knobs.runtime, "interpret", True)
    monkeypatch.delitem(sys.modules, "radam.triton_kernel", raising=False)
    monkeypatch.setattr(capturable, "_implementation", lambda tensors: capturable.fused)
    capturable.triton_kernel.cache_clear()
    yield
    sys.modules.pop("radam.triton_kernel", None)
    capturable.triton_kernel.cache_clear()


@pytest.mark.parametrize("name", ADAM_FAMILY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decoupled", [True, False])
def test_it_follows_algorithm_1(name, dtype, decoupled, interpreter):
    options = {"weight_decay": 0.1, "decoupled_weight_decay": decoupled}
    if name == "adam_2k":
        options["freeze_updates"] = 3
    problem = {
        "name": name,
        "options": options,
        "shapes": [(3,), (40, 30)],
        "dtype": dtype,
        "lr": 0.01,
        "updates": 8,
        "seed": 1,
    }
    assert_follows_algorithm_1(problem, capturable=True)


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("parameter", ["*fp32", "*bf16"])
def test_it_compiles_for_gpus_that_are_not_here(architecture, parameter):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from radam.triton_kernel import update

    flags = {"MAXIMIZE": True, "AMSGRAD": True, "BLOCK": 1024}
    types = {"p_ptr": parameter, "g_ptr": parameter, "size": "i32"}
    signature = {
        name: "constexpr" if name in flags else types.get(name, "*fp32")
        for name in update.arg_names
    }
    source = ASTSource(fn=update, signature=signature, constexprs=flags)
    compiled = triton.compile(source, target=GPUTarget("cuda", architecture, 32))
    assert compiled.asm["cubin"]
