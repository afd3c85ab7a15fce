"""What a run needs, before it starts: memory, time and disk, from a few measured updates."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from experiments.config.schema import RunConfig
from experiments.launch.estimate import age_of_process, cost_of, time_updates
from experiments.ranks import place
from experiments.tasks.task import Task
from experiments.terminal.progress import duration
from experiments.training.precision import choose_device
from experiments.training.run import prepare
from experiments.training.step import Step

UPDATES = 20
"""Measured after a first one, which allocates and does not count."""
MOST_SECONDS = 300.0
"""Not measured for longer, however few updates that is."""


def describe_needs(config: RunConfig) -> list[str]:
    """Measure some updates, keep nothing, and say what the run would take, in lines.

    Raises :class:`~experiments.errors.UserError` for missing or damaged data.
    """
    device = choose_device(config.runner.device)
    task, step, _, whole = prepare(config)
    start = age_of_process()
    activations = activation_bytes(task, step)
    times = time_updates(
        config, task, step, UPDATES + 1, enough_seconds=MOST_SECONDS, most_seconds=MOST_SECONDS
    )
    cost = cost_of(config, task, whole, start, times, device)
    parameters = sum(p.numel() for p in step.parameters)
    weights, state = size_of(step.parameters), size_of(state_tensors(step.optimizer))
    checkpoint = size_of(list(step.model.state_dict().values())) + state
    kept = config.protocol.average_epochs * (checkpoint - state)
    processes = place().world_size
    here = f"{cost.batch_size // processes // config.training.accumulate} examples"
    each = f", in each of {processes} processes" if processes > 1 else ""
    lines = [
        f"  parameters   {parameters:,}: {mebibytes(weights)}, and as much for their gradients",
        f"  state        {mebibytes(state)} ({config.optimizer.name})",
        f"  activations  {mebibytes(activations)} kept for the backward pass of {here}{each}",
    ]
    if cost.gpu_memory is not None:
        lines.append(f"  GPU memory   {mebibytes(cost.gpu_memory)} at most, so far")
    speed = cost.batch_size / cost.seconds_per_update
    evaluations = f"{cost.evaluations:,} evaluation{'s' * (cost.evaluations != 1)}"
    lines += [
        f"  start        {cost.start:.1f} s to the first update",
        f"  speed        {speed:,.1f} examples/s: {cost.seconds_per_update:.3g} s an update of "
        f"{cost.batch_size} (mean of {len(times)})",
        f"  time         about {duration(cost.seconds)}: {cost.updates:,} updates, {evaluations} "
        f"of {cost.held_out_examples:,} examples",
        f"  disk         {mebibytes(3 * checkpoint + kept)}: two checkpoints of "
        f"{mebibytes(checkpoint)}, and a third while it is written"
        + (f"; {mebibytes(kept)} for the epochs that are averaged" if kept else ""),
    ]
    return lines


def activation_bytes(task: Task[Any], step: Step) -> int:
    """What one batch's forward pass keeps for the backward pass, the parameters left out."""
    known = {p.untyped_storage().data_ptr() for p in step.parameters}
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    batch = next(iter(task.batches(0)))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), step.autocast:
        loss, _ = task.loss(step.model, batch)
    del loss
    return sum(found.values())


def state_tensors(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Everything that the optimizer remembers from update to update."""
    values = (value for state in optimizer.state.values() for value in state.values())
    return [value for value in values if isinstance(value, Tensor)]


def size_of(tensors: Sequence[Tensor]) -> int:
    """Bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def mebibytes(size: float) -> str:
    """``44.6 MiB``, ``2.1 GiB``."""
    return f"{size / 2**20:,.1f} MiB" if size < 2**30 else f"{size / 2**30:,.1f} GiB"
