"""The LSTM language model of the One Billion Word study, with an adaptive softmax."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LstmState = list[tuple[Tensor, Tensor]]
"""Hidden and cell state of each layer, float32 [1, B, hidden]."""


@dataclass(frozen=True)
class LstmSizes:
    """The sizes of a language model."""

    words: int
    """Of the vocabulary, ids by falling frequency."""
    embedding: int
    """Width of the word vectors."""
    hidden: int
    """Width of each LSTM layer."""
    layers: int
    cutoffs: tuple[int, ...]
    """Ascending ids, below ``words``, at which the softmax's tails begin."""

    @property
    def parameters(self) -> int:
        """How many the model has, without building it."""
        widths = [self.embedding, *[self.hidden] * (self.layers - 1)]
        lstm = sum(4 * self.hidden * (width + self.hidden + 2) for width in widths)
        head = (self.cutoffs[0] + len(self.cutoffs)) * (self.hidden + 1)
        bounds = [*self.cutoffs, self.words]
        tails: int = sum(
            (self.hidden // 4 ** (i + 1)) * (self.hidden + bounds[i + 1] - bounds[i])
            for i in range(len(self.cutoffs))
        )
        return self.words * self.embedding + lstm + head + tails


class AdaptiveSoftmax(nn.AdaptiveLogSoftmaxWithLoss):
    """``nn.AdaptiveLogSoftmaxWithLoss`` that sums the loss and skips targets of −100.

    The same parameters and ``log_prob``. Every cluster takes part in every forward pass, with no
    row if no target lies in it, so that its gradient is zero and not missing (under
    DistributedDataParallel the processes must agree), and losses are fused.
    """

    bounds: Tensor

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.register_buffer("bounds", torch.tensor(self.cutoffs[:-1]), persistent=False)

    def summed_loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Minus the log-probabilities of ``targets`` (int64 [N]), added; ``hidden`` [N, width]."""
        first = self.cutoffs[0]
        cluster = torch.bucketize(targets, self.bounds, right=True)
        in_head = torch.where(cluster == 0, targets, first - 1 + cluster)
        loss = F.cross_entropy(self.head(hidden), in_head, reduction="sum", ignore_index=-100)
        for number, tail in enumerate(self.tail):
            rows = (cluster == number + 1).nonzero().squeeze(1)
            within = targets[rows] - self.cutoffs[number]
            loss = loss + F.cross_entropy(tail(hidden[rows]), within, reduction="sum")
        return loss


class LstmLanguageModel(nn.Module):
    """Embedding, LSTM layers, adaptive softmax; dropout after all but the last.

    As the authors' ``language-model/`` builds it: every layer's output dropped out with the same
    rate; embedding uniform in ±sqrt(3 / width); LSTM weights uniform in ±sqrt(6 / (inputs +
    hidden)); biases 0 but for the forget gate, 1 in both of ``nn.LSTM``'s bias vectors, so 2 in
    effect; softmax weights Glorot-normal, tails of hidden / 4^i without bias.

    Under autocast the LSTM stays in float32: torch runs cuDNN's in float16 whatever type autocast
    has, which underflows without a scaled loss.
    """

    def __init__(self, sizes: LstmSizes, dropout: float) -> None:
        super().__init__()
        self.hidden, self.dropout = sizes.hidden, dropout
        self.embedding = nn.Embedding(sizes.words, sizes.embedding)
        widths = [sizes.embedding, *[sizes.hidden] * (sizes.layers - 1)]
        self.layers = nn.ModuleList(nn.LSTM(width, sizes.hidden) for width in widths)
        self.softmax = AdaptiveSoftmax(
            sizes.hidden, sizes.words, list(sizes.cutoffs), div_value=4, head_bias=True
        )
        self._initialise()

    def _initialise(self) -> None:
        bound = math.sqrt(3 / self.embedding.embedding_dim)
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        for lstm in self.layers:
            for name, parameter in lstm.named_parameters():
                if name.startswith("weight"):
                    bound = math.sqrt(6 / (parameter.shape[1] + self.hidden))
                    nn.init.uniform_(parameter, -bound, bound)
                else:  # gates in torch's order: input, forget, cell, output
                    nn.init.zeros_(parameter)
                    nn.init.ones_(parameter[self.hidden : 2 * self.hidden])
        for name, parameter in self.softmax.named_parameters():
            if name.endswith("weight"):
                nn.init.xavier_normal_(parameter)

    def initial_state(self, streams: int) -> LstmState:
        """Zeros, for ``streams`` parallel streams."""
        zeros = self.embedding.weight.new_zeros(1, streams, self.hidden)
        return [(zeros, zeros) for _ in self.layers]

    def forward(
        self, inputs: Tensor, targets: Tensor, state: LstmState
    ) -> tuple[Tensor, LstmState]:
        """Summed negative log-likelihood of the targets, and the state to go on with.

        ``inputs`` and ``targets`` are int64 [T, B]; a target of −100 counts nothing. The loss
        is in nats; the state is detached.
        """
        features = self._drop(self.embedding(inputs))
        after: LstmState = []
        for lstm, before in zip(self.layers, state, strict=True):
            with torch.autocast(features.device.type, enabled=False):
                features, (hidden, cell) = lstm(features.float(), before)
            after.append((hidden.detach(), cell.detach()))
            features = self._drop(features)
        return self.softmax.summed_loss(features.flatten(0, 1), targets.flatten()), after

    def _drop(self, features: Tensor) -> Tensor:
        return F.dropout(features, self.dropout, self.training)
