"""fp32, tf32 and bf16: chosen by name, never silently."""

import re
from contextlib import AbstractContextManager, nullcontext

import torch

from experiments.errors import UserError
from experiments.ranks import place


def set_precision(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Set the process's matrix-product precision and return the context for forward passes.

    Raises :class:`UserError` where the device does not offer the precision.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UserError("training.precision=tf32: needs a CUDA GPU; write fp32 or bf16")
    tf32 = precision != "fp32"  # under autocast: for what it leaves in float32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def choose_device(name: str) -> torch.device:
    """``auto`` means a GPU where there is one: the first, or this process's own of several.

    Raises :class:`UserError`.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and place().world_size > 1 and torch.cuda.is_available():
        # A launcher may show each process its own GPU alone, or all of them.
        own = torch.device("cuda", place().local_rank % torch.cuda.device_count())
        torch.cuda.set_device(own)
        return own
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UserError(f"runner.device={name}: write auto, cpu, cuda or cuda:1")
    device = torch.device(name)
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise UserError(
            f"runner.device={name}: this machine has {torch.cuda.device_count()} CUDA GPUs; "
            "write runner.device=cpu"
        )
    return device
