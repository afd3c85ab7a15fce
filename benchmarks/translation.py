"""Target tokens a second of this project's loop beside fairseq's own trainer, in one run.

``python -m benchmarks.translation [--device cpu] [--rounds 5]``

Same model, same batches in the same order, both with Adam: fairseq's and ours. On a GPU fairseq
runs in fp16, this loop in bf16. The two take turns over the same updates and the medians are
compared. That the losses agree is a test (tests/experiments/tasks/translation/test_task_parity.py).
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from rich.table import Table

from benchmarks.fairseq_trainer import fairseqs_trainer, updates_of_an_epoch
from benchmarks.machine import describe_machine
from experiments.config.compose import compose, settle_dataset
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.tasks.translation.config import TranslationConfig
from experiments.tasks.translation.task import Translation
from experiments.terminal.console import console, exit_on_user_error
from experiments.terminal.progress import duration
from experiments.training.run import build_step
from experiments.training.step import Step

LR = 1e-4
UPDATES_OF_THE_PAPER = 70_000

Updates = Iterator[int]
"""Makes an update a step; yields its target tokens."""


def their_updates(config: RunConfig, task: Translation, words: list[str]) -> Updates:
    """fairseq's trainer, an update at a time."""
    adam = ["--optimizer", "adam", "--adam-betas", "(0.9,0.999)", "--weight-decay", "0.0001"]
    words = [*words, *adam, "--lr", str(LR), "--lr-scheduler", "fixed"]
    trainer = fairseqs_trainer(config, task, words)
    iterator = trainer.get_train_iterator(epoch=1)
    while True:
        for samples in updates_of_an_epoch(trainer, iterator):
            trainer.train_step(samples)
            yield sum(sample["ntokens"] for sample in samples)


def our_updates(task: Translation, step: Step) -> Updates:
    """This project's loop, an update at a time."""
    for epoch in range(1000):
        for batch in task.batches(epoch):
            loss, _ = step([batch], LR)
            if task.device.type == "cpu":
                loss.item()
            yield batch.tokens


def rate(updates: Updates, count: int, wait: Callable[[], None]) -> tuple[float, float]:
    """Target tokens and updates a second over ``count`` updates."""
    wait()
    started = time.perf_counter()
    tokens = sum(islice(updates, count))
    wait()
    seconds = time.perf_counter() - started
    return tokens / seconds, count / seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each loop")
    parser.add_argument("--protocol", choices=("mini", "recipe"), action="append")
    chosen = parser.parse_args()
    gpu = chosen.device == "cuda"
    warnings.simplefilter("ignore")  # fairseq's
    table = Table(
        "model", "fairseq's trainer", "this loop", "ratio", "70,000 updates: theirs", "ours",
        title="target tokens/s, medians of interleaved turns",
    )  # fmt: skip
    for protocol in chosen.protocol or ("mini", "recipe"):
        words = ["task=iwslt14_de_en", f"protocol={protocol}", "optimizer=adam"]
        words += [f"optimizer.lr={LR}", f"training.precision={'bf16' if gpu else 'fp32'}"]
        config, _ = settle_dataset(resolve(compose(words)))
        task, step = build_step(config, torch.device(chosen.device))
        assert isinstance(task, Translation)
        theirs = their_updates(config, task, ["--fp16"] if gpu else ["--cpu"])
        loops = (theirs, our_updates(task, step))
        count = 100 if gpu else {"mini": 30, "recipe": 1}[protocol]
        wait = torch.cuda.synchronize if gpu else lambda: None
        for updates in loops:
            rate(updates, count, wait)  # warm up
        turns = [[rate(updates, count, wait) for updates in loops] for _ in range(chosen.rounds)]
        speeds = [statistics.median(turn[i][0] for turn in turns) for i in range(2)]
        times = [
            duration(UPDATES_OF_THE_PAPER / statistics.median(turn[i][1] for turn in turns))
            for i in range(2)
        ]
        ratio = statistics.median(ours[0] / fairseqs[0] for fairseqs, ours in turns)
        assert isinstance(config.task, TranslationConfig)
        table.add_row(
            f"{config.task.layers}+{config.task.layers} layers, width {config.task.width}, "
            f"{config.protocol.batch_size} tokens a batch",
            *(f"{speed:,.0f}" for speed in speeds), f"{ratio:.2f}×", *times,
        )  # fmt: skip
        table.caption = f"{task.origin}; {describe_machine(chosen.device)}"
    console.print(table)


if __name__ == "__main__":
    with exit_on_user_error():
        main()
