"""A few updates of some runs in double precision, in as many processes as the environment says.

``torchrun ... updates.py FOLDER N CASES``: of each case (JSON: name → words) writes the state
after N updates, rank by rank. In double precision, because in single the order of a sum alone
moves a parameter by more than 1e-6.
"""

import itertools
import json
import sys
from pathlib import Path

import torch

from experiments.config.compose import compose, settle_dataset
from experiments.config.validate import resolve
from experiments.ranks import place
from experiments.training.distributed import process_group
from experiments.training.run import prepare


def carry_out(path: Path, updates: int, words: list[str]) -> None:
    config, _ = settle_dataset(resolve(compose(words)))
    task, step, schedule, _ = prepare(config)
    step.model.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(), *inputs[1:]))
    losses, counts = [], []
    epochs = (task.batches(epoch) for epoch in itertools.count())
    batches = itertools.chain.from_iterable(epochs)
    for update in range(1, updates + 1):
        group = list(itertools.islice(batches, config.training.accumulate))
        loss, counted = step(group, schedule(update))
        losses.append(float(loss))
        counts.append({name: float(value) for name, value in counted.items()})
    torch.save({"model": step.model.state_dict(), "losses": losses, "counts": counts}, path)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    with process_group():
        for name, words in json.loads(sys.argv[3]).items():
            here = f"{name}-{place().world_size}-{place().rank}.pt"
            carry_out(Path(sys.argv[1]) / here, int(sys.argv[2]), words)
