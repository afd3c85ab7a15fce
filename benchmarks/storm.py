"""A storm of faults on runs: whatever happens to one, it ends as if nothing had, or says so.

``python -m benchmarks.storm --minutes 10``: runs of every kind are carried out undisturbed first,
then again and again with something done to them: a signal at a random moment, files damaged while
they are down, their folder taken away, no room on the disk. Each is then gone on with to its end
and compared with the undisturbed one bit for bit: last checkpoint, records, result. The seed is
printed; with ``--seed`` the same faults are drawn again (not at the same instants).
"""

import argparse
import importlib.util
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.storm_faults import BETWEEN, DURING, HARMLESS, Start
from experiments.config.compose import compose, settle_dataset
from experiments.config.schema import RunConfig
from experiments.config.validate import resolve
from experiments.launch.worker import BAD_INPUT, DONE
from experiments.processes import context
from experiments.terminal.arguments import Parser
from experiments.terminal.console import exit_on_user_error, say
from experiments.tracking.names import LOG
from experiments.tracking.records import read_records
from experiments.tracking.result import read_result
from experiments.tracking.run_folder import RunFolder
from experiments.training.checkpoint import PATTERN, read_whole
from radam.zoo import ZOO

SAME, MADE_GOOD, REFUSED, LOST = "the same", "the same, damage named", "refused in a line", "LOST"
OUTCOMES = (SAME, MADE_GOOD, REFUSED, LOST)

COMMON = (
    *("protocol=smoke", "task.dataset=standin", "tracking=local", "runner.device=cpu"),
    *("runner.threads=1", "runner.record_every=1", "protocol.epochs=3"),
)
FAIRSEQ = importlib.util.find_spec("fairseq") is not None
KINDS = (
    ("task=cifar10", "schedule.milestones=[2]"),
    ("task=cifar10", "training.accumulate=2", "training.grad_clip=1"),
    ("task=cifar10", "runner.histograms.record=true", "training.precision=bf16"),
    ("task=cifar10", "protocol.average_epochs=2"),
    ("task=lm1b",),
    *([("task=iwslt14_de_en", "protocol.average_epochs=2")] if FAIRSEQ else []),
)
CHECKPOINT_SECONDS = (0, 0, 0.2, 60)
SECONDS = 300
"""After which a start hangs."""

TIMES = (
    "seconds",
    "training_seconds",
    "wall_seconds",
    "examples_per_second",
    "started",
    "finished",
)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = Parser(prog="python -m benchmarks.storm", description=__doc__)
    made.add_argument("--minutes", type=float, default=10, help="how long to go on (10)")
    made.add_argument("--seed", type=int, help="of the faults; default: another each time")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the storm; returns 1 if anything was lost."""
    asked = parser().parse_args(arguments)
    seed = asked.seed if asked.seed is not None else int(time.time())
    say(f"seed {seed}, {asked.minutes:g} minutes")
    started, draw = time.monotonic(), random.Random(seed)
    counts: Counter[tuple[str, str]] = Counter()
    # Here, because the server imports at its own start alone.
    tasks = [f"experiments.tasks.{name}.task" for name in ("cifar10", "lm1b", "translation")]
    context.set_forkserver_preload(["experiments.launch.worker", "torch._dynamo", *tasks])
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        kinds = [Kind.undisturbed(Path(folder), draw, words) for words in KINDS]
        while time.monotonic() < started + 60 * asked.minutes:
            kind, store = draw.choice(kinds), Path(folder) / "stormy"
            fault, outcome, why = disturb(kind, store, draw)
            counts[fault, outcome] += 1
            if outcome == LOST:
                kept = Path(tempfile.mkdtemp(prefix="storm-lost-")) / "runs"
                shutil.copytree(store, kept)
                say(f"LOST by {fault}: {why}; {kind.config.label}, {kind.words}; kept in {kept}")
            shutil.rmtree(store, ignore_errors=True)
    say(table(counts))
    return int(any(outcome == LOST for _, outcome in counts))


@dataclass(frozen=True)
class Kind:
    """A run, and what it comes to when nothing happens to it."""

    words: tuple[str, ...]
    config: RunConfig
    ending: dict[str, Any]
    seconds: float
    """From its start to its end."""

    @classmethod
    def undisturbed(cls, folder: Path, draw: random.Random, words: tuple[str, ...]) -> "Kind":
        """Carry it out; the optimizer and the seed are drawn."""
        words = (
            *COMMON,
            *words,
            f"optimizer={draw.choice(sorted(ZOO))}",
            f"seed={draw.randint(0, 9)}",
        )
        config, _ = settle_dataset(resolve(compose([*words, f"runner.runs_dir={folder / 'calm'}"])))
        started = time.monotonic()
        code = begin(config).wait(SECONDS)
        assert code == DONE, (config.folder / LOG).read_text()
        return cls(words, config, ending_of(config.folder), time.monotonic() - started)

    def again(self, store: Path, checkpoint_seconds: float) -> RunConfig:
        """The same run in another store."""
        changes = {"runs_dir": store, "checkpoint_seconds": checkpoint_seconds}
        runner = self.config.runner.model_copy(update=changes)
        return self.config.model_copy(update={"runner": runner})


def begin(config: RunConfig, file_limit: int | None = None) -> Start:
    """Start a run in a process of its own, as a sweep does."""
    RunFolder(config.folder).write_config(config)
    return Start(context, config.folder, file_limit)


def disturb(kind: Kind, store: Path, draw: random.Random) -> tuple[str, str, str]:
    """Do something to a run once or several times, go on with it to its end: which fault, what
    became of it, and if something was lost, what."""
    name = draw.choice([*DURING, *BETWEEN])
    config = kind.again(store, draw.choice(CHECKPOINT_SECONDS))
    while name in BETWEEN:  # until it is killed before its end
        start = begin(config)
        start.wait(draw.uniform(0, 0.9 * kind.seconds))
        start.send("SIGKILL")
        start.wait(SECONDS)
        if RunFolder(config.folder).finished_result is None:
            BETWEEN[name](draw, config.folder)
            break
        shutil.rmtree(store)
    for _ in range(draw.randint(1, 3) if name in DURING else 0):
        limit = draw.randint(10_000, 200_000) if name == "no room on the disk" else None
        start = begin(config, limit)
        start.wait(draw.uniform(0, 1.1 * kind.seconds))
        DURING[name](draw, start)
        if start.wait(SECONDS) is None:
            start.send("SIGKILL")
            return name, LOST, "the start hangs"
    for _ in range(2):  # the second after one that was asked to stop before it could listen
        code = begin(config).wait(SECONDS)
        if code == DONE:
            return name, *judge(kind, config.folder)
    said = last_line(config.folder)
    if code == BAD_INPUT and said.startswith("error: ") and name not in HARMLESS:
        return name, REFUSED, said
    return name, LOST, f"exit code {code}: {said}"


def last_line(folder: Path) -> str:
    """What a run said last."""
    log = folder / LOG
    return (log.read_text().splitlines() or [""])[-1] if log.exists() else ""


def judge(kind: Kind, folder: Path) -> tuple[str, str]:
    """Compare a run that has ended with the undisturbed one."""
    found = ending_of(folder)
    wrong = [part for part, expected in kind.ending.items() if found[part] != expected]
    if wrong:
        return LOST, f"{', '.join(wrong)} differ from the undisturbed run's"
    if left := [path.name for path in folder.glob(".*")]:
        return LOST, f"left behind: {', '.join(left)}"
    result = read_result(folder)
    return (MADE_GOOD if result is not None and result.damage else SAME), ""


def ending_of(folder: Path) -> dict[str, Any]:
    """All that a run comes to, without its times, in values that compare bit for bit."""
    checkpoints = sorted(folder.glob(PATTERN))
    state = read_whole(checkpoints[-1], torch.device("cpu"))
    for group in state["optimizer"]["param_groups"]:
        group.pop("differentiable", None)  # torch adds it where a state is loaded
    result = read_result(folder)
    assert result is not None
    return {
        "checkpoints": [path.name for path in checkpoints],
        **{part: timeless(state[part]) for part in ("progress", "model", "optimizer", "parts")},
        "records": [timeless(record) for record in read_records(folder)],
        "result": timeless(result.model_dump(exclude={"config", "commit", "dirty"})),
    }


def timeless(tree: Any) -> Any:
    """A tree of tensors and plain values without times and notes of damage; tensors as bytes."""
    if isinstance(tree, torch.Tensor):
        return tree.dtype, tuple(tree.shape), tree.reshape(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(tree, dict):
        kept = {name: part for name, part in tree.items() if name not in (*TIMES, "damage")}
        return {name: timeless(part) for name, part in kept.items()}
    return [timeless(part) for part in tree] if isinstance(tree, list | tuple) else repr(tree)


def table(counts: Counter[tuple[str, str]]) -> str:
    """A line a fault, in Markdown."""
    lines = [f"| fault | runs | {' | '.join(OUTCOMES)} |", "|---" * (2 + len(OUTCOMES)) + "|"]
    for fault in (*DURING, *BETWEEN):
        found = [counts[fault, outcome] for outcome in OUTCOMES]
        lines.append(row(fault, found))
    together = [sum(n for (_, o), n in counts.items() if o == outcome) for outcome in OUTCOMES]
    return "\n".join([*lines, row("all", together)])


def row(name: str, found: Sequence[int]) -> str:
    """A fault, how many runs had it, and what became of them."""
    return f"| {name} | {' | '.join(str(n or '') for n in (sum(found), *found))} |"


if __name__ == "__main__":
    os.environ["WANDB_MODE"] = "disabled"
    with exit_on_user_error():
        sys.exit(main())
