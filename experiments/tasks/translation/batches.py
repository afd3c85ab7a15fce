"""fairseq's batches: sentences of similar length, at most so many tokens with their padding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.errors import UserError
from experiments.ranks import rank_slice
from experiments.tasks.translation.data import Prepared

MULTIPLE = 8
"""Batches have a multiple of so many sentences, where the tokens allow (fairseq's default)."""

KEPT_TOKENS = 20_000_000
"""Batches of a set up to this size are put together once and stay on the device."""


@dataclass(frozen=True)
class PairBatch:
    """Numbers of pieces, padded; on the device."""

    source: Tensor
    """int64 [B, S], padded on the left."""
    lengths: Tensor
    """int64 [B]: of the sources, longest first."""
    previous: Tensor
    """int64 [B, T]: the target shifted by one."""
    target: Tensor
    """int64 [B, T]."""
    tokens: int
    """Pieces of the target, ends of sentences among them; 0 in a batch that counts for nothing."""

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the model takes."""
        return self.source, self.lengths, self.previous, self.target


class _Chosen:
    """Some sentences of an indexed dataset, as fairseq takes them."""

    def __init__(self, sentences: Any, chosen: np.ndarray) -> None:
        self.sentences, self.chosen = sentences, chosen
        self.sizes = sentences.sizes[chosen]

    def __getitem__(self, i: int) -> Tensor:
        sentence: Tensor = self.sentences[int(self.chosen[i])]
        return sentence

    def __len__(self) -> int:
        return len(self.chosen)


def load_pairs(
    prepared: Prepared,
    split: str,
    task: Any,
    *,
    first: int | None = None,
    longest: int | None = None,
) -> tuple[Any, np.ndarray]:
    """A split as fairseq's ``LanguagePairDataset``, and the numbers of its pairs in the split.

    ``task``: fairseq's, for languages and dictionaries. ``longest``: pieces a side may have;
    longer pairs are left out before the ``first`` so many are taken.
    """
    from fairseq.data import LanguagePairDataset

    languages = (task.cfg.source_lang, task.cfg.target_lang)
    dictionaries = (task.source_dictionary, task.target_dictionary)
    source, target = (
        _shards(prepared, split, language, dictionary)
        for language, dictionary in zip(languages, dictionaries, strict=True)
    )
    pieces = np.maximum(source.sizes, target.sizes) - 1  # the end of the sentence is not one
    limit = min(longest or task.cfg.max_source_positions, task.cfg.max_source_positions - 1)
    chosen = np.flatnonzero(pieces <= limit)[:first]
    if not len(chosen):
        raise UserError(f"task.longest={longest}: no pair of {split} is that short; write more")
    sides = [_Chosen(sentences, chosen) for sentences in (source, target)]
    dataset = LanguagePairDataset(
        *(sides[0], sides[0].sizes, dictionaries[0]),
        *(sides[1], sides[1].sizes, dictionaries[1]),
        left_pad_source=True,
        left_pad_target=False,
        shuffle=split == "train",
    )
    return dataset, chosen


def _shards(prepared: Prepared, split: str, language: str, dictionary: Any) -> Any:
    from fairseq.data import ConcatDataset, data_utils

    joined, shards = "-".join(prepared.languages), list[Any]()
    while True:
        stem = prepared.folder / f"{split}{len(shards) or ''}.{joined}.{language}"
        if (split != "train" and shards) or not stem.with_name(f"{stem.name}.idx").is_file():
            break
        shards.append(data_utils.load_indexed_dataset(str(stem), dictionary, "mmap"))
    return shards[0] if len(shards) == 1 else ConcatDataset(shards)


class Batches:
    """The batches of a dataset; the same ones in every epoch, in an order of its own.

    The order is fairseq's trainer's: a function of seed and epoch. Where several processes carry
    out the run, each reads its part of every batch.
    """

    def __init__(self, dataset: Any, max_tokens: int, seed: int, device: torch.device) -> None:
        from fairseq.data import data_utils

        self.dataset, self.seed, self.device = dataset, seed, device
        with data_utils.numpy_seed(seed):
            indices = dataset.ordered_indices()
        longest = int(np.maximum(dataset.src_sizes, dataset.tgt_sizes).max())
        if longest > max_tokens:
            raise UserError(
                f"protocol.batch_size={max_tokens}: fewer tokens than the longest pair's "
                f"{longest}; write at least that, or a smaller task.longest"
            )
        self.batches = dataset.batch_by_size(
            indices, max_tokens=max_tokens, required_batch_size_multiple=MULTIPLE
        )
        self.tokens = int(dataset.tgt_sizes.sum())
        keep = self.tokens + int(dataset.src_sizes.sum()) <= KEPT_TOKENS
        self.kept: dict[int, PairBatch] | None = {} if keep else None

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[PairBatch]:
        """The batches of an epoch (0, 1, ...) from the ``skip``-th on."""
        from fairseq.data import data_utils

        order = np.arange(len(self.batches))
        with data_utils.numpy_seed(self.seed + epoch + 1):  # fairseq counts epochs from 1
            np.random.shuffle(order)  # noqa: NPY002
        for number in order[skip:]:
            yield self[int(number)]

    def in_order(self) -> Iterator[PairBatch]:
        """All batches, by length."""
        for number in range(len(self.batches)):
            yield self[number]

    def __getitem__(self, number: int) -> PairBatch:
        if self.kept is not None and number in self.kept:
            return self.kept[number]
        whole = self.batches[number]
        own = whole[rank_slice(len(whole))]
        # A process that gets no sentence of a small batch reads one that counts for nothing.
        sample = self.dataset.collater([self.dataset[i] for i in (own if len(own) else whole[:1])])
        inputs = sample["net_input"]
        if not len(own):
            sample["target"].fill_(self.dataset.tgt_dict.pad())
        batch = PairBatch(
            source=inputs["src_tokens"].to(self.device),
            lengths=inputs["src_lengths"].to(self.device),
            previous=inputs["prev_output_tokens"].to(self.device),
            target=sample["target"].to(self.device),
            tokens=int(sample["ntokens"]) if len(own) else 0,
        )
        if self.kept is not None:
            self.kept[number] = batch
        return batch
