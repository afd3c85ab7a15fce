"""One Billion Word without its data: sizes of the model and of what is read."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from experiments.tasks.config import Metric, ProtocolConfig, Resolution, TaskConfig
from experiments.tasks.lm1b.texts import TEXTS, TRAIN_TOKENS, StandinText


class Lm1bConfig(TaskConfig):
    """Sizes of the model and of the data; the protocol sets them."""

    title = "One Billion Word"

    name: Literal["lm1b"]
    standin_text: StandinText = Field(
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

    @property
    def metric(self) -> Metric:
        """A loaded task's has a ``chance``: the perplexity on ``test`` of the training text's word
        frequencies, which is as far as one comes without any context."""
        return Metric("perplexity", "min", "", chance=None)

    def describe(self) -> str:
        words = f"up to {self.vocabulary:,} words" if self.vocabulary else "all words"
        cutoffs = "/".join(f"{cutoff:,}" for cutoff in self.cutoffs)
        return (
            f"{self.layers}×LSTM-{self.hidden}, embedding {self.embedding}, {words} cut at "
            f"{cutoffs}, {TEXTS[self.text]}, windows of {self.sequence} tokens"
        )

    def resolve_dataset(self, data_dir: Path) -> Resolution:
        from experiments.tasks.lm1b.data import resolve_text

        return resolve_text(self.dataset, self.standin_text, data_dir, self.least_count)

    def digest(self, data_dir: Path) -> str:
        from experiments.tasks.lm1b.data import open_corpus

        return open_corpus(data_dir, self.text, self.least_count).digest

    def batches_per_epoch(self, protocol: ProtocolConfig) -> int | None:
        if self.epoch_updates is None and self.dataset == "real":
            return TRAIN_TOKENS // (protocol.batch_size * self.sequence)
        return self.epoch_updates


def check_cutoffs(cutoffs: tuple[int, ...], words: int | None) -> None:
    """Refuse cut-offs that do not cut a vocabulary of ``words``. Raises ValueError."""
    shown = f"task.cutoffs={list(cutoffs)}"
    if not cutoffs or min(cutoffs) < 1 or list(cutoffs) != sorted(set(cutoffs)):
        raise ValueError(f"{shown}: must be positive and ascending, such as [4000, 40000, 200000]")
    if words is not None and cutoffs[-1] >= words:
        raise ValueError(
            f"{shown}: must lie below the {words:,} words of the vocabulary; write smaller ones"
        )
