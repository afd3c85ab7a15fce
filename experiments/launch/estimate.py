"""What a run will take, from a few measured updates."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psutil
import torch

from experiments.config.length import Length, known_length, length
from experiments.config.schema import RunConfig
from experiments.processes import process_pool
from experiments.tasks.task import Task
from experiments.training.cuda_graphs import WARM_UP
from experiments.training.distributed import all_reduce_any
from experiments.training.precision import choose_device
from experiments.training.run import build_step
from experiments.training.step import Step

MEASURED_SECONDS = 3.0
LEAST_UPDATES, MOST_UPDATES = 3, 50
MOST_SECONDS = 15.0
"""Not waited for longer, even if that is a single update of a model far too large to train here."""
FORWARD_SHARE = 1 / 3
"""An evaluated example costs a forward pass, a trained one that and twice as much again."""


@dataclass(frozen=True)
class Cost:
    """What one run takes on this machine, while as many others go on as will."""

    start: float
    """Seconds from the start of its process to the first update."""
    seconds_per_update: float
    updates: int
    evaluations: int
    held_out_examples: int
    batch_size: int
    gpu_memory: int | None
    """Bytes that its tensors took of the GPU at most; None on a CPU."""

    @property
    def seconds(self) -> float:
        """Start, training and evaluations together."""
        per_example = self.seconds_per_update / self.batch_size
        evaluation = self.held_out_examples * per_example * FORWARD_SHARE
        training = self.updates * self.seconds_per_update
        return self.start + training + self.evaluations * evaluation

    def at_full_size(self, config: RunConfig) -> "Cost":
        """The same speed over as many updates as the run has on real data."""
        task = config.task.model_copy(update={"dataset": "real"})
        whole = known_length(config.model_copy(update={"task": task}))
        return self if whole is None else replace(self, updates=whole.updates)


def measure_small(config: RunConfig) -> Cost:
    """As :func:`measure`, from a single and smaller batch where that tells as much.

    For a run that nobody means to carry out here: a whole update of ImageNet or WMT'16 takes a
    CPU minutes, and gigabytes.
    """
    if choose_device(config.runner.device).type != "cpu":
        return measure(config)
    protocol, training = config.protocol, config.training
    small = config.task.probe_batch or protocol.batch_size
    small = min(small, protocol.batch_size)
    cost = measure(
        config.model_copy(
            update={
                "protocol": protocol.model_copy(update={"batch_size": small}),
                "training": training.model_copy(update={"accumulate": 1}),
            }
        )
    )
    scale = protocol.batch_size / small * training.accumulate
    return replace(
        cost,
        seconds_per_update=cost.seconds_per_update * scale,
        updates=cost.updates if protocol.updates else math.ceil(cost.updates / scale),
        batch_size=int(cost.batch_size * scale),
    )


def measure(config: RunConfig) -> Cost:
    """Carry out some updates of a run, keeping nothing, and read the clock.

    Raises :class:`~experiments.errors.UserError` for missing or damaged data.
    """
    device = choose_device(config.runner.device)
    if config.runner.threads is not None:
        torch.set_num_threads(config.runner.threads)
    task, step = build_step(config, device)
    start = age_of_process()
    whole = length(config, task.batches_per_epoch)
    return cost_of(config, task, whole, start, time_updates(config, task, step), device)


def age_of_process() -> float:
    """Seconds since this process was started."""
    return time.time() - psutil.Process().create_time()


def time_updates(
    config: RunConfig,
    task: Task[Any],
    step: Step,
    most: int = MOST_UPDATES,
    enough_seconds: float = MEASURED_SECONDS,
    most_seconds: float = MOST_SECONDS,
) -> list[float]:
    """The seconds of each of a run's first updates, the reading of their data included.

    Those that only a beginning has (the first, and until the updates are captured) are left out
    if there are others. Ends after ``most`` updates; sooner after ``enough_seconds`` if there are
    LEAST_UPDATES, and after ``most_seconds`` however few there are.
    """
    epochs = (task.batches(epoch) for epoch in itertools.count())
    batches = itertools.chain.from_iterable(epochs)
    times: list[float] = []
    started = mark = time.perf_counter()
    while True:
        group = list(itertools.islice(batches, config.training.accumulate))
        step(group, config.optimizer.lr)[0].item()
        present = time.perf_counter()
        times.append(present - mark)
        mark, passed = present, present - started
        enough = len(times) >= LEAST_UPDATES and passed > enough_seconds
        if all_reduce_any(enough or len(times) >= most or passed > most_seconds)[0]:
            return times[WARM_UP + 1 if step.captured else 1 :] or times[-1:]


def cost_of(
    config: RunConfig,
    task: Task[Any],
    whole: Length,
    start: float,
    times: list[float],
    device: torch.device,
) -> Cost:
    """What the whole run takes if its updates go on as the measured ones."""
    return Cost(
        start=start,
        seconds_per_update=statistics.fmean(times),  # a run waits for slow ones too
        updates=whole.updates,
        evaluations=math.ceil(whole.updates / whole.updates_per_epoch / config.protocol.eval_every),
        held_out_examples=task.held_out_examples,
        batch_size=config.protocol.batch_size * config.training.accumulate,
        gpu_memory=torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None,
    )


def measure_side_by_side(
    configs: Sequence[RunConfig], how: Callable[[RunConfig], Cost] = measure
) -> Cost:
    """The cost of a run while these go on at once; the slowest of them counts."""
    with process_pool(len(configs)) as pool:
        costs: Sequence[Cost] = list(pool.map(how, configs))
    return max(costs, key=lambda cost: cost.seconds_per_update)
