"""Parallel streams of tokens: how a text is cut for a recurrent model, and which part is whose.

A shard is cut into as many contiguous streams as a batch has; a window is the same stretch of all
of them. With several processes each holds its share of the streams, so that one process and many
read the same tokens at the same update.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from experiments.errors import UserError
from experiments.ranks import rank_slice
from experiments.tasks.lm1b.corpus import Corpus, Split

IGNORE = -100
"""A target that is none: padding. As in ``torch.nn.functional.cross_entropy``."""


class CappedText:
    """A prepared text with the ``words`` most frequent words; the rest are ``<UNK>``.

    ``words`` may be more than the text has: those that are left do not occur. Raises
    :class:`UserError` if ``<UNK>`` or ``</S>`` is not among them.
    """

    def __init__(self, corpus: Corpus, words: int) -> None:
        self.corpus, self.words = corpus, words
        self.end_of_line, self.unknown = corpus.manifest.end_of_line, corpus.manifest.unknown
        last = max(self.end_of_line, self.unknown)
        if last >= words:
            raise UserError(
                f"task.vocabulary={words}: leaves out <UNK> or </S>; write at least {last + 1}"
            )
        self.counts = np.zeros(words, np.int64)
        """How often the training text has each word; int64 [words]."""
        self.counts[: len(corpus.counts)] = corpus.counts[:words]
        self.counts[self.unknown] += corpus.counts[words:].sum()

    def tokens(self, split: Split, shard: int, limit: int | None = None) -> Tensor:
        """The first ``limit`` tokens of a shard, a copy; int32."""
        found = self.corpus.tokens(split, shard)[:limit]
        return torch.from_numpy(np.where(found < self.words, found, np.int32(self.unknown)))

    def held_out(self, split: Split, limit: int | None) -> Tensor:
        """The first ``limit`` tokens of a whole split; int32."""
        shards = range(len(self.corpus.manifest.splits[split]))
        return torch.cat([self.tokens(split, shard) for shard in shards])[:limit]

    def unigram_perplexity(self, tokens: Tensor) -> float:
        """Of ``tokens`` under the training text's word frequencies; no count is less than 1."""
        log_p = np.log(np.maximum(self.counts, 1) / self.counts.sum())
        return math.exp(-log_p[tokens.numpy()].mean())


@dataclass(frozen=True)
class TokenBatch:
    """A window of every stream, on the device; the streams go on in the next batch."""

    inputs: Tensor
    """int64 [T, B]."""
    targets: Tensor
    """int64 [T, B]: each stream's next token."""
    begins: bool
    """Whether the streams begin here, with a zero state."""


class TrainingStreams:
    """The windows of a training text, pass after pass, the shards of each in an order of its own.

    Args:
        text: what is read.
        streams: of all processes together.
        sequence: tokens of a stream in a window.
        seed: decides the orders.

    Raises:
        UserError: no shard is long enough for a window.
    """

    def __init__(
        self, text: CappedText, streams: int, sequence: int, seed: int, device: torch.device
    ) -> None:
        self.text, self.streams, self.sequence = text, streams, sequence
        self.seed, self.device = seed, device
        sizes = [shard.tokens for shard in text.corpus.manifest.splits["train"]]
        self.windows = [(size - 1) // (streams * sequence) for size in sizes]
        """Of each shard; what is left at its end is not read."""
        self.windows_per_pass = sum(self.windows)
        if not self.windows_per_pass:
            raise UserError(
                f"protocol.batch_size={streams}, task.sequence={sequence}: a batch of "
                f"{streams * sequence:,} tokens is longer than every shard of "
                f"{text.corpus.folder} (at most {max(sizes):,} tokens); write smaller ones"
            )

    def batches(self, first: int) -> Iterator[TokenBatch]:
        """The windows from the ``first``-th on, counted over all passes, without end."""
        number, first = divmod(first, self.windows_per_pass)
        while True:
            for shard in self._order(number):
                if first < self.windows[shard]:
                    yield from self._windows(shard, first)
                first = max(0, first - self.windows[shard])
            number += 1

    def _windows(self, shard: int, first: int) -> Iterator[TokenBatch]:
        streams, length = self._cut(shard), self.sequence
        for window in range(first, self.windows[shard]):
            here = streams[window * length : (window + 1) * length + 1]
            yield TokenBatch(here[:-1], here[1:], begins=window == 0)

    def _cut(self, shard: int) -> Tensor:
        """A shard as this process's streams; int64 [windows · T + 1, B], on the device.

        Each stream ends with the token that the next one begins with. Windows, and inputs and
        targets, are views of this: nothing is copied from the host after it.
        """
        length = self.windows[shard] * self.sequence
        tokens = self.text.tokens("train", shard, self.streams * length + 1)
        streams = tokens.as_strided((self.streams, length + 1), (length, 1))
        return streams[rank_slice(self.streams)].t().contiguous().to(self.device).long()

    def _order(self, number: int) -> list[int]:
        """The order of the shards in the ``number``-th pass."""
        digest = hashlib.sha256(f"shards {self.seed} {number}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        return [int(shard) for shard in generator.permutation(len(self.windows))]


@dataclass(frozen=True)
class HeldOut:
    """A held-out text as this process's streams, on the device."""

    inputs: Tensor
    """int64 [L, S]: the token before each target, the end of a line before the first."""
    targets: Tensor
    """int64 [L, S]: every token of the text once; IGNORE where a stream is shorter."""
    tokens: int
    """Targets that are tokens."""


def held_out_streams(
    tokens: Tensor, streams: int, end_of_line: int, device: torch.device
) -> HeldOut:
    """Cut ``tokens`` (int32 [N]) into at most ``streams`` contiguous streams."""
    streams = min(streams, len(tokens))
    padding = -len(tokens) % streams
    tokens, end = tokens.long(), torch.tensor([end_of_line])
    inputs = torch.cat([end, tokens[:-1], end.expand(padding)]).view(streams, -1)
    targets = torch.cat([tokens, torch.full((padding,), IGNORE)]).view(streams, -1)
    mine = rank_slice(streams)
    return HeldOut(
        inputs[mine].t().contiguous().to(device),
        targets[mine].t().contiguous().to(device),
        int((targets[mine] != IGNORE).sum()),
    )
