"""One Billion Word with an LSTM language model (the paper's Fig. 4)."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments.errors import UserError
from experiments.ranks import check_divisible, place
from experiments.tasks.config import ProtocolConfig
from experiments.tasks.lm1b.config import Lm1bConfig, check_cutoffs
from experiments.tasks.lm1b.data import open_corpus
from experiments.tasks.lm1b.memory import check_memory, parameter_bytes, window_bytes
from experiments.tasks.lm1b.model import LstmLanguageModel, LstmSizes, LstmState
from experiments.tasks.lm1b.published import WORDS
from experiments.tasks.lm1b.streams import (
    CappedText,
    HeldOut,
    TokenBatch,
    TrainingStreams,
    held_out_streams,
)
from experiments.tasks.task import Counts, Split, Task


class Lm1b(Task[TokenBatch]):
    """Streams of tokens, the LSTM's state carried over from window to window.

    An example, as ``batch_size`` counts them, is a window of one stream; ``count`` counts tokens.
    """

    config: Lm1bConfig

    def __init__(
        self,
        config: Lm1bConfig,
        protocol: ProtocolConfig,
        *,
        data_dir: Path,
        device: torch.device,
        seed: int,
    ) -> None:
        assert config.dataset != "auto"
        check_divisible(protocol.batch_size)
        self.config, self.device = config, device
        streams, length = protocol.batch_size, config.sequence
        text = _capped_text(config, data_dir)
        self.sizes = LstmSizes(
            text.words, config.embedding, config.hidden, config.layers, config.cutoffs
        )
        processes = place().world_size
        needed = parameter_bytes(self.sizes, processes)
        needed += window_bytes(self.sizes, text.counts, streams // processes * length)
        check_memory(self.sizes, needed, device)
        self.training = TrainingStreams(text, streams, length, seed, device)
        self.batches_per_epoch = config.epoch_updates or self.training.windows_per_pass
        manifest, self.digest = text.corpus.manifest, text.corpus.digest
        self.splits = ("validation", "test") if "validation" in manifest.splits else ("test",)
        tokens = {split: text.held_out(split, config.held_out_tokens) for split in self.splits}
        self.held_out: dict[Split, HeldOut] = {
            split: held_out_streams(tokens[split], streams, manifest.end_of_line, device)
            for split in self.splits
        }
        self.held_out_examples = math.ceil(sum(map(len, tokens.values())) / length)
        unigram = text.unigram_perplexity(tokens["test"])
        self.metric = replace(config.metric, chance=round(unigram, 2))
        unknown = (tokens["test"] == text.unknown).double().mean()
        self.origin = f"{manifest.origin}; {unknown:.1%} of the test tokens are <UNK>"
        self.state: LstmState | None = None

    def build_model(self) -> nn.Module:
        return LstmLanguageModel(self.sizes, self.config.dropout).to(self.device)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[TokenBatch]:
        first = epoch * self.batches_per_epoch + skip
        return islice(self.training.batches(first), self.batches_per_epoch - skip)

    def loss(self, model: nn.Module, batch: TokenBatch) -> tuple[Tensor, Counts]:
        if batch.begins or self.state is None:
            self.state = self._zero_state(batch.inputs.shape[1])
        nll, self.state = model(batch.inputs, batch.targets, self.state)
        tokens = batch.targets.numel()
        count = torch.tensor(tokens, device=self.device)
        return nll / tokens, {"count": count, "loss": nll.detach().double()}

    def evaluate(self, model: nn.Module, split: Split) -> Counts:
        model.eval()
        held_out, length = self.held_out[split], self.config.sequence
        state = self._zero_state(held_out.inputs.shape[1])
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        for start in range(0, len(held_out.inputs), length):
            here = slice(start, start + length)
            nll, state = model(held_out.inputs[here], held_out.targets[here], state)
            loss += nll
        return {"count": torch.tensor(held_out.tokens, device=self.device), "loss": loss}

    def metrics(self, counts: Mapping[str, float]) -> dict[str, float]:
        loss = counts["loss"] / counts["count"]
        return {"loss": loss, "perplexity": math.exp(loss) if loss < 700 else math.inf}

    def state_dict(self) -> dict[str, Any]:
        return {"lstm": self.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.state = state["lstm"]

    def _zero_state(self, streams: int) -> LstmState:
        zeros = torch.zeros(1, streams, self.config.hidden, device=self.device)
        return [(zeros, zeros)] * self.config.layers


def _capped_text(config: Lm1bConfig, data_dir: Path) -> CappedText:
    """The text with the configured vocabulary. Raises :class:`UserError`."""
    corpus = open_corpus(data_dir, config.text, config.least_count)
    words = corpus.manifest.words
    if config.vocabulary is not None:
        words = min(words, config.vocabulary)
    elif config.dataset == "standin":
        words = max(words, WORDS)
    try:
        check_cutoffs(config.cutoffs, words)
    except ValueError as error:
        raise UserError(f"{error}, or choose protocol=mini") from None
    return CappedText(corpus, words)


TASK = Lm1b
