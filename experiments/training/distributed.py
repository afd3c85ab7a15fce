"""Several processes carrying out one run: process group, barrier, broadcast, gather, reduce, DDP.

``torchrun`` or ``srun`` starts the processes and each finds its place in its environment. All of
them go through the same updates with the same parameters; what differs is which examples they
read (:func:`experiments.ranks.rank_slice`). Whatever decides what happens next (a loss that is not
finite, a request to stop, a due checkpoint) is agreed upon, so that all do the same. With one
process every function here is the identity.
"""

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from experiments.errors import ToldElsewhere, UserError
from experiments.ranks import is_main, place, place_from_environment, set_place
from experiments.tasks.task import Counts, Task

T = TypeVar("T")

UPDATE_TIMEOUT = timedelta(seconds=50)
"""How long an update waits for a process that does not answer before the job is given up. One
that died is noticed at once where its connection closes with it."""

TIMEOUT = timedelta(minutes=30)
"""The same where one process may rightly take long: reading a data set's folder, writing a
checkpoint, evaluating."""

_PORT = 29_400

_update_group: Any = None
"""Waits for UPDATE_TIMEOUT: gradients and counts. Other groups wait for TIMEOUT."""


@contextmanager
def process_group() -> Iterator[None]:
    """Be in the process group of the run, if it has more than one process; leave it together.

    An error is printed with its traceback and ends this process at once, without waiting for
    the others, who notice; waiting is what keeps half-dead jobs on a cluster.
    """
    here = place_from_environment()
    if here.world_size == 1:
        yield
        return
    set_place(here)
    try:
        _init_process_group()
        yield
        dist.destroy_process_group()
    except SystemExit as leaving:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
    except BaseException:
        print(f"process {here.rank} of {here.world_size}:", file=sys.stderr)
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _init_process_group() -> None:
    global _update_group
    here = place()
    # torchrun says where rank 0 is; srun leaves it to us.
    first = first_host(os.environ.get("SLURM_STEP_NODELIST", "localhost"))
    job = int(os.environ.get("SLURM_JOB_ID", 0))
    os.environ.setdefault("MASTER_ADDR", first)
    os.environ.setdefault("MASTER_PORT", str(_PORT + job % 10_000))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, rank=here.rank, world_size=here.world_size, timeout=TIMEOUT)
    _update_group = dist.new_group(backend=backend, timeout=UPDATE_TIMEOUT)


def first_host(nodes: str) -> str:
    """The first of SLURM's node list: ``gpu[03-05,9],login`` → ``gpu03``."""
    match = re.match(r"([^,\[]+)(?:\[([^,\]-]+)[^\]]*\])?([^,]*)", nodes)
    assert match is not None, nodes
    return match[1] + (match[2] or "") + match[3]


def all_gather(mine: T) -> list[T]:
    """Every rank's value, in the order of the ranks."""
    if place().world_size == 1:
        return [mine]
    everybody: list[Any] = [None] * place().world_size
    dist.all_gather_object(everybody, mine)
    return everybody


def barrier() -> None:
    """Wait for every rank, however long the slowest may rightly take."""
    all_gather(None)


def broadcast(mine: T) -> T:
    """Rank 0's value, on every rank."""
    return all_gather(mine if is_main() else None)[0]  # type: ignore[return-value]  # rank 0's, never None there


def on_every_rank(act: Callable[[], T]) -> T:
    """What ``act`` gives on this rank; a person's mistake that one rank finds is raised in all."""
    result, mistake = None, None
    try:
        result = act()
    except UserError as error:
        mistake = error
    found = all_gather(str(mistake) if mistake else None)
    first = next((rank for rank, message in enumerate(found) if message is not None), None)
    if first is not None:
        raise mistake if mistake and first == place().rank else ToldElsewhere(str(found[first]))
    return result  # type: ignore[return-value]  # set where no rank raised


def all_reduce_any(*flags: bool) -> tuple[bool, ...]:
    """For each flag, whether it is set on any rank: an all_reduce by maximum."""
    if place().world_size == 1:
        return flags
    raised = torch.tensor(flags, dtype=torch.uint8)
    dist.all_reduce(raised, dist.ReduceOp.MAX, group=_update_group)
    return tuple(bool(flag) for flag in raised.tolist())


def all_reduce_sum(counts: Counts) -> Counts:
    """The sums over all ranks, on the device, in one all_reduce: float64, so exact for counts.

    Every process must have the same names.
    """
    if place().world_size == 1:
        return counts
    names = sorted(counts)
    sums = torch.stack([counts[name].double() for name in names])
    dist.all_reduce(sums, group=_update_group)
    return dict(zip(names, sums.unbind(), strict=True))


def all_reduce_readings(counts: Mapping[str, float]) -> dict[str, float]:
    """The same for counts on the host; a rank whose slice was empty may have none."""
    total: dict[str, float] = {}
    for part in all_gather(dict(counts)):
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


class BatchLoss(nn.Module):
    """A task's loss as a module, so that DistributedDataParallel sees all that a model is asked."""

    def __init__(self, task: Task[Any], model: nn.Module) -> None:
        super().__init__()
        self.task, self.model = task, model

    def forward(self, batch: Any) -> tuple[Tensor, Counts]:
        """As :meth:`Task.loss`."""
        return self.task.loss(self.model, batch)


def data_parallel(task: Task[Any], model: nn.Module) -> nn.Module:
    """A :class:`BatchLoss` under DistributedDataParallel: its gradients are the mean over ranks."""
    loss = BatchLoss(task, model)
    if place().world_size == 1:
        return loss
    return DistributedDataParallel(
        loss,
        process_group=_update_group,
        find_unused_parameters=not task.uses_every_parameter,
        gradient_as_bucket_view=True,
    )


def no_sync(loss: nn.Module, hold: bool) -> AbstractContextManager[None]:
    """While it lasts, gradients are not reduced: only the last batch of an update needs it."""
    if hold and isinstance(loss, DistributedDataParallel):
        return loss.no_sync()
    return nullcontext()
