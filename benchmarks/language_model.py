"""Tokens a second of the language model, beside a plain loop, and of the text's preparation.

``python -m benchmarks.language_model [--device cpu] [--rounds 5] [--part mini|paper|text]``

mini: this project's loop against what one would write from PyTorch's examples: ``nn.LSTM``, every
window copied from the host, ``torch.optim``, evaluation through ``log_prob``, which builds the
whole [tokens, vocabulary] matrix. Both train and evaluate in the mini protocol's proportion, in
turns. paper: this loop at the paper's size, and the days that its 14 epochs would take (on a CPU
it takes 6 GB and some minutes, and must be asked for). text: the preparation of random text.

Words are drawn by Zipf's law, p ~ 1 / (rank + 2.7): speed depends on how many fall into which
cluster of the adaptive softmax, not on what they are.
"""

import argparse
import os
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table
from torch import nn
from torch.nn import functional as F

from benchmarks.machine import describe_machine
from experiments.config.compose import compose
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.tasks.lm1b.config import Lm1bConfig
from experiments.tasks.lm1b.corpus import COUNTS, MANIFEST, Manifest, Shard, Split
from experiments.tasks.lm1b.data import folder_of
from experiments.tasks.lm1b.encode import RawShard
from experiments.tasks.lm1b.prepare import prepare
from experiments.tasks.lm1b.published import WORDS
from experiments.tasks.lm1b.texts import TRAIN_TOKENS
from experiments.terminal.console import console
from experiments.training.run import build_step

UPDATES = 50
"""A turn: so many updates, then the held-out tokens that the mini protocol has for them; a loop
yields after either."""


def zipf(words: int) -> npt.NDArray[np.float64]:
    """The probability of each word; float64 [words]."""
    weights = 1 / (np.arange(words) + 2.7)
    return np.asarray(weights / weights.sum(), np.float64)


def draw(words: int, tokens: int, seed: int) -> npt.NDArray[np.int32]:
    """Random tokens; int32."""
    cumulative = np.cumsum(zipf(words))
    drawn = np.random.default_rng(seed).random(tokens) * cumulative[-1]
    return np.asarray(np.searchsorted(cumulative, drawn), np.int32)


def write_corpus(data_dir: Path, words: int, train: int, test: int) -> None:
    """A prepared text of random tokens where One Billion Word's would be."""
    folder = folder_of(data_dir, "one_billion_word", 4)
    folder.mkdir(parents=True)
    shards: dict[Split, list[Shard]] = {}
    sizes: dict[Split, int] = {"train": train, "test": test}
    for seed, (split, tokens) in enumerate(sizes.items()):
        drawn = draw(words, tokens, seed)
        np.save(folder / f"{split}.npy", drawn)
        checksum = zlib.crc32(drawn.data)
        shards[split] = [Shard(file=f"{split}.npy", tokens=tokens, unknown=0, crc32=checksum)]
    np.save(folder / COUNTS, (zipf(words) * TRAIN_TOKENS).astype(np.int64) + 1)
    manifest = Manifest(
        format=1, text="random", dataset="real", origin="random words", least_count=4,
        words=words, end_of_line=2, unknown=3, splits=shards,
    )  # fmt: skip
    (folder / MANIFEST).write_text(manifest.model_dump_json())


State = tuple[torch.Tensor, torch.Tensor]
"""h and c of the LSTM, each [layers, B, hidden]."""


class PlainModel(nn.Module):
    """The same network from PyTorch's own parts."""

    def __init__(self, task: Lm1bConfig, words: int) -> None:
        super().__init__()
        self.embedding, self.drop = nn.Embedding(words, task.embedding), nn.Dropout(0.1)
        self.lstm = nn.LSTM(task.embedding, task.hidden, task.layers, dropout=0.1)
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(
            task.hidden, words, list(task.cutoffs), head_bias=True
        )

    def forward(self, inputs: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Features [T · B, hidden] and the state."""
        features, state = self.lstm(self.drop(self.embedding(inputs)), state)
        return self.drop(features).flatten(0, 1), state


def plain_turns(task: Lm1bConfig, words: int, batch: int, held_out: int) -> Iterator[None]:
    """The plain loop: a turn at a time."""
    model = PlainModel(task, words)
    optimizer = torch.optim.RAdam(model.parameters(), lr=0.003)
    train = in_columns(draw(words, 1_500_000, 0), batch)
    test = in_columns(draw(words, held_out + batch, 1), batch)
    zeros = torch.zeros(task.layers, batch, task.hidden)
    while True:
        model.train()
        state = (zeros, zeros)
        for start in range(0, UPDATES * task.sequence, task.sequence):
            window = torch.tensor(train[:, start : start + task.sequence + 1].T)
            features, state = model(window[:-1], state)
            state = (state[0].detach(), state[1].detach())
            loss = model.softmax(features, window[1:].flatten()).loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            loss.item()
        yield
        model.eval()
        state, total = (zeros, zeros), 0.0
        with torch.no_grad():
            for start in range(0, test.shape[1] - 1, task.sequence):
                window = torch.tensor(test[:, start : start + task.sequence + 1].T)
                features, state = model(window[:-1], state)
                log_p = model.softmax.log_prob(features)
                total += F.nll_loss(log_p, window[1:].flatten(), reduction="sum").item()
        yield


def in_columns(tokens: npt.NDArray[np.int32], batch: int) -> npt.NDArray[np.int64]:
    """The tokens as ``batch`` streams side by side; [batch, tokens of each]."""
    return tokens[: len(tokens) // batch * batch].astype(np.int64).reshape(batch, -1)


def our_turns(config: RunConfig, device: torch.device, evaluate: bool = True) -> Iterator[None]:
    """This project's task and step: a turn at a time."""
    task, step = build_step(config, device)
    for epoch in range(1000):
        batches = task.batches(epoch)
        while group := list(islice(batches, UPDATES if evaluate else 1)):
            step.model.train()
            for batch in group:
                loss, _ = step([batch], config.optimizer.lr)
                if device.type == "cpu":
                    loss.item()
            yield
            if evaluate:
                with torch.no_grad():
                    float(task.evaluate(step.model, "test")["loss"])
                yield


def seconds(turns: Iterator[None], wait: Callable[[], None]) -> float:
    """Until the loop yields again."""
    wait()
    started = time.perf_counter()
    next(turns)
    wait()
    return time.perf_counter() - started


def compare_mini(rounds: int) -> None:
    """Print the mini table (CPU)."""
    words = ["task=lm1b", "protocol=mini", "task.dataset=real", "optimizer=radam"]
    with tempfile.TemporaryDirectory() as place:
        config = resolve(compose([*words, f"runner.data_dir={place}"]))
        task, batch = config.task, config.protocol.batch_size
        assert isinstance(task, Lm1bConfig)
        assert task.vocabulary is not None
        assert task.held_out_tokens is not None
        assert task.epoch_updates is not None
        vocabulary = task.vocabulary
        held_out = task.held_out_tokens * UPDATES // task.epoch_updates
        config = resolve(
            compose([*words, f"runner.data_dir={place}", f"task.held_out_tokens={held_out}"])
        )
        write_corpus(Path(place), vocabulary, 1_500_000, held_out)
        plain, ours = (
            plain_turns(task, vocabulary, batch, held_out),
            our_turns(config, torch.device("cpu")),
        )
        for turns in (plain, ours, plain, ours):
            next(turns)
        # By round: training and evaluation of the plain loop, then of ours; [rounds, 2, 2].
        times = np.array([
            [[seconds(loop, _no_wait) for _ in range(2)] for loop in (plain, ours)]
            for _ in range(rounds)
        ])  # fmt: skip
    trained = UPDATES * batch * task.sequence
    table = Table(
        f"{task.layers}×LSTM-{task.hidden}, {vocabulary:,} words, batch {batch}",
        "plain loop", "this loop", "ratio",
        title=f"tokens/s, medians of {rounds} interleaved turns",
        caption=describe_machine("cpu"),
    )  # fmt: skip
    for what, tokens, part in (
        ("training", trained, times[:, :, 0]),
        ("evaluation", held_out, times[:, :, 1]),
        (f"a run: {held_out:,} evaluated for {trained:,} trained", trained, times.sum(2)),
    ):
        slow, fast = np.median(part, 0)
        ratio = np.median(part[:, 0] / part[:, 1])
        table.add_row(what, f"{tokens / slow:,.0f}", f"{tokens / fast:,.0f}", f"{ratio:.2f}×")
    console.print(table)


def measure_paper(rounds: int, device: str) -> None:
    """Print tokens a second at the paper's size, and what 14 epochs would take."""
    words = ["task=lm1b", "protocol=paper", "task.dataset=real", "optimizer=radam"]
    wait = torch.cuda.synchronize if device == "cuda" else _no_wait
    with tempfile.TemporaryDirectory() as place:
        config = resolve(compose([*words, f"runner.data_dir={place}"]))
        write_corpus(Path(place), WORDS, 1_000_000, 10_000)
        turns = our_turns(config, torch.device(device), evaluate=False)
        next(turns), next(turns)
        median = statistics.median(seconds(turns, wait) for _ in range(rounds))
    assert isinstance(config.task, Lm1bConfig)
    tokens = config.protocol.batch_size * config.task.sequence
    epochs = config.protocol.epochs or 0
    days = epochs * TRAIN_TOKENS / (tokens / median) / 86_400
    console.print(
        f"paper's size ({WORDS:,} words): {tokens / median:,.0f} training tokens/s; {epochs} "
        f"epochs of {TRAIN_TOKENS:,} tokens: {days:,.1f} days ({describe_machine(device)})"
    )


def measure_text(shards: int = 4, tokens: int = 4_000_000, words: int = 2_400_000) -> None:
    """Print tokens a second of the preparation, with as many processes as cores."""
    jobs = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as place:
        raws = [RawShard("train", Path(place) / f"shard-{n}") for n in range(shards)]
        spelled = np.array([_spell(n) for n in range(words)], dtype=object)
        for n, raw in enumerate(raws):
            drawn = spelled[draw(words, tokens, n)]
            lines = (b" ".join(drawn[i : i + 25]) for i in range(0, tokens, 25))
            raw.path.write_bytes(b"\n".join(lines) + b"\n")
        started = time.perf_counter()
        corpus = prepare(
            Path(place) / "prepared", raws, text="random", dataset="standin", origin="", jobs=jobs
        )
        elapsed = time.perf_counter() - started
    rate = corpus.size("train") / elapsed
    console.print(
        f"preparation: {rate / 1e6:.2f} million tokens/s with {jobs} processes ({shards} shards "
        f"of {tokens:,} random words): {(TRAIN_TOKENS * 1.01) / rate / 60:.0f} min for One "
        f"Billion Word ({describe_machine('cpu')})"
    )


def _spell(number: int) -> bytes:
    """A word of its own for each number, the frequent ones short."""
    length = 3 if number < 1_000 else 6 if number < 50_000 else 9
    return bytes(97 + number // 26**place % 26 for place in range(length))


def _no_wait() -> None:
    """On a CPU nothing is under way."""


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=device, help="for the part paper")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each loop")
    parser.add_argument("--part", choices=["mini", "paper", "text"], help="default: all but "
                        "paper, and that too on a GPU")  # fmt: skip
    chosen = parser.parse_args()
    if chosen.part in (None, "mini"):
        compare_mini(chosen.rounds)
    if chosen.part in (None, "text"):
        measure_text()
    if chosen.part == "paper" or (chosen.part is None and chosen.device == "cuda"):
        measure_paper(chosen.rounds, chosen.device)


if __name__ == "__main__":
    main()
