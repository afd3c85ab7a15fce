"""What a run needs is told from measurement, and nothing is kept."""

from pathlib import Path

import pytest
import torch
from torch import nn

from experiments.launch.dry_run import activation_bytes, mebibytes, size_of, state_tensors
from tests.experiments.conftest import Command


class OneLayer:
    """A task whose forward pass keeps what can be counted by hand."""

    def batches(self, epoch: int) -> list[torch.Tensor]:
        return [torch.ones(10, 4)]

    def loss(self, model: nn.Module, batch: torch.Tensor) -> tuple[torch.Tensor, dict]:
        return model(batch).square().sum(), {}


class Holder:
    """As much of a step as is asked for."""

    def __init__(self) -> None:
        self.model = nn.Linear(4, 3, bias=False)
        self.parameters = list(self.model.parameters())
        self.autocast = torch.autocast("cpu", enabled=False)


def test_activations_are_what_the_backward_pass_needs() -> None:
    # The batch (10×4) for the weight's gradient and the product (10×3) for the square's.
    assert activation_bytes(OneLayer(), Holder()) == 4 * (10 * 4 + 10 * 3)


@pytest.mark.parametrize(("name", "values"), [("SGD", 0), ("Adam", 2)])
def test_state_is_counted_after_an_update(name: str, values: int) -> None:
    model = nn.Linear(4, 3)
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1)
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    steps = 4 * 2 if values else 0  # Adam counts updates in a tensor a parameter
    assert size_of(state_tensors(optimizer)) == 4 * 15 * values + steps


@pytest.mark.parametrize(
    ("size", "expected"), [(0, "0.0 MiB"), (46_726_568, "44.6 MiB"), (3 * 2**30, "3.0 GiB")]
)
def test_sizes_are_for_people(size: int, expected: str) -> None:
    assert mebibytes(size) == expected


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--dry-run"], ["dry_run=true"]])
def test_nothing_is_kept(
    words: list[str], command: Command, smoke: list[str], tmp_path: Path
) -> None:
    done = command("experiments.train", *smoke, *words, "optimizer=adam")
    assert done.returncode == 0, done.stderr
    for part in (
        "parameters   5,214:",
        "kept for the backward pass of 32 examples",
        "an update of 32 (mean of 20)",
        "8 updates, 2 evaluations of 100 examples",
        "disk",
    ):
        assert part in done.stdout, done.stdout
    assert not (tmp_path / "runs").exists()
