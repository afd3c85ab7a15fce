"""One Billion Word with an LSTM language model (the paper's Fig. 4)."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from experiments.config.schema import ProtocolConfig, TaskConfig
from experiments.errors import UserError
from experiments.ranks import check_divisible, place
from experiments.tasks.lm1b.data import Standin, open_corpus, resolve_text
from experiments.tasks.lm1b.memory import check_memory, parameter_bytes, window_bytes
from experiments.tasks.lm1b.model import LstmLanguageModel, LstmSizes, State
from experiments.tasks.lm1b.published import TRAIN_TOKENS, WORDS
from experiments.tasks.lm1b.streams import (
    CappedText,
    HeldOut,
    TokenBatch,
    TrainingStreams,
    held_out_streams,
)
from experiments.tasks.task import Counts, Metric, Split, Task

TEXTS: dict[str, str] = {
    "one_billion_word": "One Billion Word",
    "europarlmin": "parliament debates (STAND-IN), tested on One Billion Word's first shard",
    "pydoc": "Python's documentation (STAND-IN)",
}


class Lm1bConfig(TaskConfig):
    """Sizes of the model and of the data; the protocol sets them."""

    name: Literal["lm1b"]
    standin_text: Standin = Field(
        description="what the stand-in is: pydoc (Python's documentation), or europarlmin "
        "(parliament debates, where their files are), which asks for the stand-in"
    )
    least_count: int = Field(
        gt=0, description="words that the training text has less often are <UNK>; the paper's: 4"
    )
    vocabulary: int | None = Field(
        gt=2,
        description="the so many most frequent words, the rest <UNK>; null: all, and for a "
        "stand-in as many as One Billion Word has",
    )
    embedding: int = Field(gt=0, description="width of the word vectors")
    hidden: int = Field(gt=0, description="width of each LSTM layer")
    layers: int = Field(gt=0, description="number of LSTM layers")
    cutoffs: Annotated[
        tuple[int, ...],
        Field(strict=False, description="words by frequency at which the softmax's tails begin"),
    ]
    dropout: float = Field(ge=0, lt=1, description="after the embedding and after every layer")
    sequence: int = Field(gt=0, description="tokens of a stream in a window")
    epoch_updates: int | None = Field(
        gt=0, description="windows that count as an epoch; null: once through the training text"
    )
    held_out_tokens: int | None = Field(
        gt=0, description="the first so many of each held-out split; null: all"
    )

    @property
    def text(self) -> str:
        """The name of the text, where the dataset is settled."""
        return "one_billion_word" if self.dataset == "real" else self.standin_text

    @model_validator(mode="after")
    def _text_is_the_datasets(self) -> "Lm1bConfig":
        if self.dataset == "real" and self.standin_text != "pydoc":
            raise ValueError(
                f"task.standin_text={self.standin_text}: no stand-in with task.dataset=real; "
                "leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _cutoffs_cut(self) -> "Lm1bConfig":
        check_cutoffs(self.cutoffs, self.vocabulary)
        least = 4 ** len(self.cutoffs)
        if self.hidden < least:
            raise ValueError(
                f"task.hidden={self.hidden}: too narrow for {len(self.cutoffs)} tails, each a "
                f"quarter of the one before; write at least {least}"
            )
        return self


def check_cutoffs(cutoffs: tuple[int, ...], words: int | None) -> None:
    """Refuse cut-offs that do not cut a vocabulary of ``words``. Raises ValueError."""
    shown = f"task.cutoffs={list(cutoffs)}"
    if not cutoffs or min(cutoffs) < 1 or list(cutoffs) != sorted(set(cutoffs)):
        raise ValueError(f"{shown}: must be positive and ascending, such as [4000, 40000, 200000]")
    if words is not None and cutoffs[-1] >= words:
        raise ValueError(
            f"{shown}: must lie below the {words:,} words of the vocabulary; write smaller ones"
        )


class Lm1b(Task[TokenBatch]):
    """Streams of tokens, the LSTM's state carried over from window to window.

    An example, as ``batch_size`` counts them, is a window of one stream; ``count`` counts tokens.
    """

    Config = Lm1bConfig
    metric: ClassVar[Metric] = Metric("perplexity", "min", "", chance=None)
    """A task's own has a ``chance``: the perplexity on ``test`` of the training text's word
    frequencies, which is as far as one comes without any context."""

    @classmethod
    def locate(cls, config: TaskConfig, data_dir: Path) -> tuple[TaskConfig, str]:
        assert isinstance(config, Lm1bConfig)
        found = resolve_text(config.dataset, config.standin_text, data_dir, config.least_count)
        return config.model_copy(update={"dataset": found.dataset}), found.reason

    @classmethod
    def describe(cls, config: TaskConfig) -> str:
        assert isinstance(config, Lm1bConfig)
        words = f"up to {config.vocabulary:,} words" if config.vocabulary else "all words"
        cutoffs = "/".join(f"{cutoff:,}" for cutoff in config.cutoffs)
        return (
            f"{config.layers}×LSTM-{config.hidden}, embedding {config.embedding}, {words} cut at "
            f"{cutoffs}, {TEXTS[config.text]}, windows of {config.sequence} tokens"
        )

    @classmethod
    def batches_per_epoch(cls, config: TaskConfig, protocol: ProtocolConfig) -> int | None:
        assert isinstance(config, Lm1bConfig)
        if config.epoch_updates is None and config.dataset == "real":
            return TRAIN_TOKENS // (protocol.batch_size * config.sequence)
        return config.epoch_updates

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
        self.updates_per_epoch = config.epoch_updates or self.training.windows_per_pass
        manifest = text.corpus.manifest
        self.splits = ("validation", "test") if "validation" in manifest.splits else ("test",)
        tokens = {split: text.held_out(split, config.held_out_tokens) for split in self.splits}
        self.held_out: dict[Split, HeldOut] = {
            split: held_out_streams(tokens[split], streams, manifest.end_of_line, device)
            for split in self.splits
        }
        self.held_out_examples = math.ceil(sum(map(len, tokens.values())) / length)
        unigram = text.unigram_perplexity(tokens["test"])
        self.metric = replace(type(self).metric, chance=round(unigram, 2))
        unknown = (tokens["test"] == text.unknown).double().mean()
        self.origin = f"{manifest.origin}; {unknown:.1%} of the test tokens are <UNK>"
        self.state: State | None = None

    def build_model(self) -> nn.Module:
        return LstmLanguageModel(self.sizes, self.config.dropout).to(self.device)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[TokenBatch]:
        first = epoch * self.updates_per_epoch + skip
        return islice(self.training.batches(first), self.updates_per_epoch - skip)

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

    def _zero_state(self, streams: int) -> State:
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
