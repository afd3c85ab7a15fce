"""The language model: its loss, its beginnings, its state, its size."""

import math
import resource
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from experiments.errors import UserError
from experiments.tasks.lm1b import memory
from experiments.tasks.lm1b.model import AdaptiveSoftmax, LstmLanguageModel, LstmSizes

PACK = Path(__file__).resolve().parents[5] / "shared/data/lm-lm1b-test-and-standins.tar.xz"
needs_pack = pytest.mark.skipif(not PACK.exists(), reason="no ../shared/data beside the checkout")

SMALL = LstmSizes(words=50, embedding=6, hidden=32, layers=2, cutoffs=(8, 20))
PAPER = LstmSizes(643_448, 300, 2048, 2, (4_000, 40_000, 200_000))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def small(dropout: float = 0.0) -> LstmLanguageModel:
    torch.manual_seed(0)
    return LstmLanguageModel(SMALL, dropout)


def test_summed_loss_and_gradients_are_those_of_torchs_adaptive_softmax() -> None:
    torch.manual_seed(0)
    ours = AdaptiveSoftmax(32, 50, [8, 20], div_value=4, head_bias=True)
    theirs = nn.AdaptiveLogSoftmaxWithLoss(32, 50, [8, 20], div_value=4, head_bias=True)
    theirs.load_state_dict(ours.state_dict())
    targets = torch.randint(0, 50, (200,))
    inputs = [torch.randn(200, 32).requires_grad_() for _ in range(2)]
    inputs[1].data.copy_(inputs[0].data)
    ours.summed_loss(inputs[0], targets).backward()
    (-theirs(inputs[1], targets).output.sum()).backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)
    brute = -ours.log_prob(inputs[0]).gather(1, targets[:, None]).sum()
    torch.testing.assert_close(ours.summed_loss(inputs[0], targets), brute)


def test_the_lstm_stays_in_float32_under_autocast() -> None:
    """cuDNN's would be float16 whatever type autocast has; the softmax is what is asked for."""
    model, seen = small(), []
    model.softmax.head.register_forward_hook(lambda *at: seen.append(at[2].dtype))
    words = torch.randint(0, 50, (5, 4))
    with torch.autocast("cpu", torch.bfloat16):
        _, state = model(words, words, model.initial_state(4))
    assert {x.dtype for pair in state for x in pair} == {torch.float32}
    assert seen == [torch.bfloat16]


def test_padding_counts_nothing() -> None:
    softmax = AdaptiveSoftmax(32, 50, [8, 20], head_bias=True)
    hidden, targets = torch.randn(10, 32), torch.randint(0, 50, (10,))
    padded = torch.cat([targets, torch.full((5,), -100)])
    more = torch.cat([hidden, torch.randn(5, 32)])
    torch.testing.assert_close(
        softmax.summed_loss(more, padded), softmax.summed_loss(hidden, targets)
    )


def test_a_cluster_without_targets_has_a_gradient_of_zero() -> None:
    model = small()
    inputs = torch.randint(0, 8, (5, 3))
    loss, _ = model(inputs, inputs, model.initial_state(3))
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    assert all((p.grad == 0).all() for p in model.softmax.tail.parameters())


def test_windows_with_carried_state_are_one_long_pass() -> None:
    model = small().eval()
    tokens = torch.randint(0, 50, (31, 4))
    with torch.no_grad():
        whole, _ = model(tokens[:-1], tokens[1:], model.initial_state(4))
        state, parts = model.initial_state(4), torch.zeros(())
        for start in range(0, 30, 7):
            stop = min(start + 7, 30)
            loss, state = model(tokens[start:stop], tokens[start + 1 : stop + 1], state)
            parts += loss
    torch.testing.assert_close(parts, whole)


def test_state_is_detached_and_dropout_only_in_training() -> None:
    model = small(dropout=0.5)
    tokens = torch.randint(0, 50, (6, 4))
    loss, state = model(tokens[:-1], tokens[1:], model.initial_state(4))
    assert not any(part.requires_grad for layer in state for part in layer)
    model.eval()
    with torch.no_grad():
        quiet = [model(tokens[:-1], tokens[1:], model.initial_state(4))[0] for _ in range(2)]
    assert quiet[0] == quiet[1] != loss.detach()


def test_initialisation_is_the_authors() -> None:
    torch.manual_seed(0)
    model = LstmLanguageModel(LstmSizes(5_000, 100, 256, 2, (500, 2_000)), 0.1)

    def uniform(weight: torch.Tensor, bound: float) -> None:
        assert weight.abs().max() <= bound
        assert weight.abs().max() > 0.99 * bound
        assert float(weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)

    uniform(model.embedding.weight, math.sqrt(3 / 100))
    uniform(model.layers[0].weight_ih_l0, math.sqrt(6 / (100 + 256)))
    uniform(model.layers[0].weight_hh_l0, math.sqrt(6 / (256 + 256)))
    uniform(model.layers[1].weight_ih_l0, math.sqrt(6 / (256 + 256)))
    for lstm in model.layers:
        for bias in (lstm.bias_ih_l0, lstm.bias_hh_l0):
            gates = bias.view(4, 256)
            assert (gates[1] == 1).all()
            assert (gates[[0, 2, 3]] == 0).all()
    head, first_tail = model.softmax.head.weight, model.softmax.tail[0][1].weight
    assert float(head.detach().std()) == pytest.approx(math.sqrt(2 / sum(head.shape)), rel=0.02)
    assert float(first_tail.detach().std()) == pytest.approx(
        math.sqrt(2 / sum(first_tail.shape)), rel=0.02
    )
    assert model.softmax.head.bias is not None
    shapes = [tuple(layer.weight.shape) for tail in model.softmax.tail for layer in tail]
    assert shapes == [(64, 256), (1_500, 64), (16, 256), (3_000, 16)]
    assert all(layer.bias is None for tail in model.softmax.tail for layer in tail)


@pytest.mark.parametrize(
    "sizes", [SMALL, LstmSizes(100, 7, 64, 1, (10,)), LstmSizes(300, 5, 64, 3, (10, 20, 60))]
)
def test_parameters_are_counted_without_building(sizes: LstmSizes) -> None:
    model = LstmLanguageModel(sizes, 0.1)
    assert sizes.parameters == sum(p.numel() for p in model.parameters())


def test_the_papers_model_is_refused_where_it_does_not_fit(monkeypatch) -> None:
    needed = memory.parameter_bytes(PAPER)
    with torch.device("meta"):
        model = LstmLanguageModel(PAPER, 0.1)
    assert needed == 16 * sum(p.numel() for p in model.parameters())
    monkeypatch.setattr(memory, "free_bytes", lambda device: needed)
    memory.check_memory(PAPER, needed, torch.device("cpu"))
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2 * 2**30)
    with pytest.raises(UserError, match=r"643,448 words.* needs about 4.6 GiB .* has 2.0 GiB"):
        memory.check_memory(PAPER, needed, torch.device("cpu"))


def test_free_memory_is_between_nothing_and_the_machines() -> None:
    assert 0 < memory.free_bytes(torch.device("cpu")) < 2**45


@needs_pack
def test_true_scale_never_builds_the_full_matrix(tmp_path: Path) -> None:
    """793,471 words with their counts: an evaluation's memory stays far below 4 bytes a word."""
    with tarfile.open(PACK) as archive:
        archive.extract("lm/lm1b/extra/word_freq.npz", tmp_path, filter="data")
    counts = np.load(tmp_path / "lm/lm1b/extra/word_freq.npz")["counts"].astype(np.int64)
    sizes = LstmSizes(len(counts), 8, 64, 1, (4_000, 40_000, 200_000))
    model = LstmLanguageModel(sizes, 0.1).eval()
    drawn = np.random.default_rng(0).choice(len(counts), (21, 128), p=counts / counts.sum())
    tokens = torch.from_numpy(drawn)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.no_grad():
        loss, _ = model(tokens[:-1], tokens[1:], model.initial_state(128))
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert math.isfinite(float(loss))
    full_matrix = 4 * 20 * 128 * len(counts)
    assert grown < full_matrix / 10
    assert grown < 2 * memory.window_bytes(sizes, counts, 20 * 128) + 2**26
