"""The random state of a checkpoint, on a machine that is not the one it was written on."""

import torch

from experiments.training.checkpoint import random_state, restore_random_state


def test_generators_of_gpus_that_are_not_here_are_left_alone() -> None:
    """A run may go on where fewer GPUs are visible."""
    state = random_state()
    expected = torch.rand(3)
    more = [torch.zeros(16, dtype=torch.uint8)] * (torch.cuda.device_count() + 2)
    restore_random_state({**state, "cuda": more})
    assert torch.equal(torch.rand(3), expected)
