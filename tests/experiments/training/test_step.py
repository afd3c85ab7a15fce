"""An update from several batches is the update from all of their examples at once."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from experiments.training.step import Step


class Regression:
    """The least of a task: a mean loss and its counts."""

    def loss(self, model, batch):
        inputs, targets = batch
        errors = (model(inputs) - targets).square()
        return errors.mean(), {"count": torch.tensor(len(inputs)), "loss": errors.sum().double()}


def model_and_step(grad_clip):
    torch.manual_seed(0)
    model = nn.Linear(3, 1, dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return model, Step(Regression(), model, optimizer, nullcontext(), grad_clip)


@pytest.mark.parametrize("grad_clip", [None, 0.01])
@pytest.mark.parametrize("sizes", [[8], [5, 3], [1, 6, 1]])
def test_a_batch_weighs_what_it_counts(sizes, grad_clip):
    inputs = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    targets = inputs.sum(1, keepdim=True).square()
    whole_model, whole = model_and_step(grad_clip)
    whole_loss, whole_counts = whole([(inputs, targets)], 0.1)
    model, step = model_and_step(grad_clip)
    batches = list(zip(inputs.split(sizes), targets.split(sizes), strict=True))
    loss, counts = step(batches, 0.1)
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close(counts, whole_counts)
    torch.testing.assert_close(model.weight, whole_model.weight)
