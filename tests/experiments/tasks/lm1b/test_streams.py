"""Streams of tokens: every token in its place, whoever reads them."""

import math
from itertools import islice
from pathlib import Path

import pytest
import torch

from experiments.errors import UserError
from experiments.ranks import Place, set_place
from experiments.tasks.lm1b.corpus import Corpus
from experiments.tasks.lm1b.encode import RawShard
from experiments.tasks.lm1b.prepare import prepare
from experiments.tasks.lm1b.streams import (
    IGNORE,
    CappedText,
    TrainingStreams,
    held_out_streams,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Three training shards of 101, 58 and 7 tokens, and a test shard."""
    folder = tmp_path_factory.mktemp("text")
    raws = []
    for name, words in (("a", 100), ("b", 57), ("c", 6)):
        text = " ".join(f"{name}{n % 40}" for n in range(words)) + "\n"
        (folder / name).write_text(text)
        raws.append(RawShard("train", folder / name))
    (folder / "t").write_text("a1 a2 b3 never\n" * 5)
    raws.append(RawShard("test", folder / "t"))
    return prepare(folder / "out", raws, text="t", dataset="standin", origin="", least_count=1)


@pytest.fixture
def text(corpus: Corpus) -> CappedText:
    return CappedText(corpus, corpus.manifest.words)


def streams_of(text: CappedText, seed: int = 1) -> TrainingStreams:
    return TrainingStreams(text, streams=4, sequence=3, seed=seed, device=CPU)


def test_windows_in_a_row_are_the_text_in_a_row(text: CappedText) -> None:
    training = streams_of(text)
    assert training.windows == [8, 4, 0]
    batches = list(islice(training.batches(0), 12))
    shards: list[list] = []
    for batch in batches:
        if batch.begins:
            shards.append([])
        shards[-1].append(batch)
    assert sorted(len(shard) for shard in shards) == [4, 8]
    for shard in shards:
        index = training.windows.index(len(shard))
        expected = text.tokens("train", index).long()
        length = len(shard) * 3
        inputs = torch.cat([batch.inputs for batch in shard])
        targets = torch.cat([batch.targets for batch in shard])
        for stream in range(4):
            here = slice(stream * length, (stream + 1) * length)
            after = slice(stream * length + 1, (stream + 1) * length + 1)
            assert torch.equal(inputs[:, stream], expected[here])
            assert torch.equal(targets[:, stream], expected[after])


def test_windows_are_views_of_one_tensor(text: CappedText) -> None:
    first, second = islice(streams_of(text).batches(0), 2)
    for tensor in (first.targets, second.inputs):
        assert tensor.untyped_storage().data_ptr() == first.inputs.untyped_storage().data_ptr()


def test_going_on_from_any_window_gives_the_same_as_having_read_the_others(
    text: CappedText,
) -> None:
    training = streams_of(text)
    straight = list(islice(training.batches(0), 40))
    for first in range(30):
        for expected, found in zip(straight[first:], training.batches(first), strict=False):
            assert torch.equal(expected.inputs, found.inputs)
            assert torch.equal(expected.targets, found.targets)
            assert expected.begins == found.begins


def test_every_pass_has_its_own_order_and_a_seed_the_same_ones(text: CappedText) -> None:
    orders = {seed: [streams_of(text, seed)._order(n) for n in range(20)] for seed in (1, 2)}
    assert orders[1] != orders[2]
    assert len({tuple(order) for order in orders[1]}) > 1
    assert orders[1] == [streams_of(text)._order(n) for n in range(20)]
    assert all(sorted(order) == [0, 1, 2] for order in orders[1])


def test_processes_together_read_what_one_reads(text: CappedText) -> None:
    alone = list(islice(streams_of(text).batches(0), 15))
    parts = []
    try:
        for rank in range(2):
            set_place(Place(rank=rank, world_size=2))
            parts.append(list(islice(streams_of(text).batches(0), 15)))
            held = held_out_streams(text.held_out("test", None), 4, 0, CPU)
            parts[-1].append(held)
    finally:
        set_place(Place())
    for whole, left, right in zip(alone, *parts, strict=False):
        assert torch.equal(whole.inputs, torch.cat([left.inputs, right.inputs], 1))
        assert torch.equal(whole.targets, torch.cat([left.targets, right.targets], 1))
        assert whole.begins == left.begins == right.begins
    assert parts[0][-1].tokens + parts[1][-1].tokens == 25


@pytest.mark.parametrize("streams", [1, 3, 4, 100])
def test_held_out_has_every_token_once_and_the_one_before_it(
    text: CappedText, streams: int
) -> None:
    tokens = text.held_out("test", None)
    held = held_out_streams(tokens, streams, text.end_of_line, CPU)
    targets, inputs = held.targets.t().flatten(), held.inputs.t().flatten()
    real = targets != IGNORE
    assert held.tokens == int(real.sum()) == len(tokens) == 25
    assert torch.equal(targets[real], tokens.long())
    before = torch.cat([torch.tensor([text.end_of_line]), tokens.long()[:-1]])
    assert torch.equal(inputs[real], before)


def test_words_beyond_the_cap_are_unknown(corpus: Corpus) -> None:
    full, capped = CappedText(corpus, corpus.manifest.words), CappedText(corpus, 90)
    raw, found = full.tokens("train", 0), capped.tokens("train", 0)
    assert (found[raw >= 90] == capped.unknown).all()
    assert (found[raw < 90] == raw[raw < 90]).all()
    assert (raw >= 90).any() == (corpus.manifest.words > 90)
    assert capped.counts.sum() == full.counts.sum() == corpus.size("train")


def test_a_cap_that_leaves_out_the_unknown_word_is_refused(corpus: Corpus) -> None:
    with pytest.raises(UserError, match="leaves out <UNK> or </S>"):
        CappedText(corpus, 3)


def test_more_words_than_the_text_has_do_not_occur(corpus: Corpus) -> None:
    text = CappedText(corpus, 1000)
    assert len(text.counts) == 1000
    assert text.counts[corpus.manifest.words :].sum() == 0


def test_unigram_perplexity_is_that_of_the_word_frequencies(text: CappedText) -> None:
    tokens = text.held_out("test", None)
    total = sum(text.counts)
    nll = [-math.log(max(text.counts[token], 1) / total) for token in tokens]
    assert text.unigram_perplexity(tokens) == pytest.approx(math.exp(sum(nll) / len(nll)))


def test_a_batch_longer_than_every_shard_is_refused(text: CappedText) -> None:
    with pytest.raises(UserError, match="batch of 300 tokens is longer than every shard"):
        TrainingStreams(text, streams=10, sequence=30, seed=1, device=CPU)


def test_a_shard_is_read_from_the_disk_not_copied_whole(corpus: Corpus) -> None:
    tokens = corpus.tokens("train", 0)
    assert type(tokens).__name__ == "memmap"
    assert Path(tokens.filename).name == "train-a.npy"
