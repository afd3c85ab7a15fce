"""The average of the last epochs: which, how, and what is left of it."""

import pytest
import torch
from torch import nn

from experiments.errors import UserError
from experiments.training.averaging import PATTERN, averaged, forget_epochs, keep_epoch


def model_of(value):
    model = nn.BatchNorm1d(2)  # has a buffer of whole numbers, which no one can average
    nn.init.constant_(model.weight, value)
    return model


@pytest.mark.parametrize(("keep", "mean"), [(1, 4.0), (3, 3.0), (9, 2.5)])
def test_it_is_the_mean_of_the_last_epochs_and_gone_afterwards(tmp_path, keep, mean):
    for epoch in range(1, 5):
        keep_epoch(tmp_path, epoch, 9, model_of(epoch))
    model = model_of(7)
    with averaged(tmp_path, 4, keep, model):
        assert model.weight.tolist() == [mean, mean]
    assert model.weight.tolist() == [7, 7]


@pytest.mark.parametrize(("epoch", "keep"), [(0, 3), (2, 0)])
def test_without_an_epoch_to_average_the_model_stays(tmp_path, epoch, keep):
    model = model_of(7)
    with averaged(tmp_path, epoch, keep, model):
        assert model.weight.tolist() == [7, 7]


def test_only_the_last_epochs_are_kept(tmp_path):
    for epoch in range(1, 6):
        keep_epoch(tmp_path, epoch, 2, model_of(epoch))
    assert len(list(tmp_path.glob(PATTERN))) == 2
    forget_epochs(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_epoch_is_named(tmp_path):
    for epoch in (1, 2):
        keep_epoch(tmp_path, epoch, 2, model_of(epoch))
    path = min(tmp_path.glob(PATTERN))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=path.name), averaged(tmp_path, 2, 2, model_of(0)):
        pass


def test_a_missing_epoch_is_named(tmp_path):
    keep_epoch(tmp_path, 2, 2, model_of(2))
    with pytest.raises(UserError, match="epoch-00001"), averaged(tmp_path, 2, 2, model_of(0)):
        assert torch.is_grad_enabled()
