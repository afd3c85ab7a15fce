"""An update from several batches is the update from all of their examples at once."""

import copy
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


def test_batch_normalisation_counts_as_it_does_by_itself():
    """Averages and counters after updates of several batches, and none of an evaluation's."""

    class Images(Regression):
        def loss(self, model, batch):
            errors = model(batch).square()
            return errors.mean(), {"count": torch.tensor(len(batch))}

    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4, momentum=None)]
    model = nn.Sequential(*layers, nn.BatchNorm2d(4, track_running_stats=False))
    own = copy.deepcopy(model)
    step = Step(Images(), model, torch.optim.SGD(model.parameters()), nullcontext(), None)
    optimizer = torch.optim.SGD(own.parameters(), lr=0.0)
    for size in (2, 3):
        batches = list(torch.randn(2, size, 3, 8, 8))
        step(batches, 0.0)
        for batch in batches:
            own(batch)
        optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(batches[0]), own.eval()(batches[0]))
    assert model.state_dict().keys() == own.state_dict().keys()
    for name, value in own.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, msg=name)
    assert int(model[1].num_batches_tracked) == 4
