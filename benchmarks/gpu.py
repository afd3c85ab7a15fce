"""A run of ResNet-20 on one GPU, and several at once: images a second, and of which limits.

``python -m benchmarks.gpu [--precision tf32] [--ways captured] [--packed 1,2,4,8,16]``

Side by side: the plain loop of ``benchmarks.training``; the suite's update launched one by one;
the same with torch.compile's own graphs (``reduce-overhead``) around the model; captured; and
captured in several processes at a time, with MPS where there is. Updates alone, on noise, at the
recipe's sizes. Their limits are measured here: a copy of a gigabyte, a product of large bf16
matrices. What an update moves is counted: all that its operations, each a kernel of its own, read
and write.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.machine import describe_machine, matmul_rate
from benchmarks.training import multiplications, plain_updates, random_images, rate, update_of
from experiments.errors import UserError
from experiments.files import write_atomic
from experiments.launch.mps import share_gpus
from experiments.tasks.cifar10.model import ResNetCifar
from experiments.terminal.console import console, exit_on_user_error, say

BATCH, IMAGES_A_RUN = 128, 164 * 50_000
WARM_UP = 20
"""Updates before the clock starts: captures among them."""
PATIENCE = 300.0
"""Seconds that a run waits for the others."""

context = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Speed:
    """How fast something went."""

    name: str
    runs: int
    images_per_second: float
    """Of all runs together."""
    memory: int | None
    """Bytes of the GPU in use, contexts and all."""

    @property
    def seconds_a_run(self) -> float:
        """Of the device: runs at the same time share it."""
        return IMAGES_A_RUN / self.images_per_second


@dataclass(frozen=True)
class Limits:
    """What the device reaches, measured, and what an image takes of it, counted."""

    copied: float
    """Bytes a second, read and written."""
    bf16: float
    """Operations a second."""
    bytes_an_image: float
    operations_an_image: float


def limits(device: str, precision: str) -> Limits:
    """Measure and count."""
    source = torch.randn(2**28 if device == "cuda" else 2**24, device=device)
    target, taken = torch.empty_like(source), []
    for _ in range(6):
        wait(device)
        started = time.perf_counter()
        target.copy_(source)
        wait(device)
        taken.append(time.perf_counter() - started)
    copied = 2 * source.numel() * source.element_size() / statistics.median(taken[1:])
    size = 8192 if device == "cuda" else 512
    bf16 = matmul_rate(device, size, torch.bfloat16)
    return Limits(copied, bf16, moved_bytes(precision), 3 * 2 * multiplications(ResNetCifar()))


def moved_bytes(precision: str) -> float:
    """Bytes that training on an image reads and writes, operation by operation, without the
    optimizer; in bf16 half of float32's, without the casts."""
    with torch.device("meta"):
        model, images = ResNetCifar().train(), torch.zeros(BATCH, 3, 32, 32)
        with Moved() as moved:
            nn.functional.cross_entropy(
                model(images), torch.zeros(BATCH, dtype=torch.int64)
            ).backward()
    return float(moved.bytes) / BATCH / (2 if precision == "bf16" else 1)


class Moved(TorchDispatchMode):
    """Counts the bytes that operations read and write; views move none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
            self.bytes += sum(x.numel() * x.element_size() for x in tensors)
        return result


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def memory(device: str) -> int | None:
    """Bytes of the GPU in use by everybody."""
    if device != "cuda":
        return None
    free, total = torch.cuda.mem_get_info()
    return total - free


def ours(device: str, precision: str, capture: str, compiled: bool = False) -> Iterator[None]:
    """The suite's updates at the recipe's sizes."""
    words = [f"training.precision={precision}", f"runner.capture={capture}"]
    step, batches = update_of(random_images(), "recipe", device, *words)
    if compiled:
        model: Any = torch.compile(step.model, mode="reduce-overhead")  # typed as a function
        step.loss.model = model
    for batch in batches:
        step([batch], 0.01)
        yield


PLAIN, LAUNCHED, COMPILED, CAPTURED = "plain", "launched", "compiled", "captured"
WAYS: dict[str, Callable[[str, str], Iterator[None]]] = {
    PLAIN: lambda device, _: plain_updates(random_images(), 20, (16, 32, 64), BATCH, device),
    LAUNCHED: lambda device, precision: ours(device, precision, "false"),
    COMPILED: lambda device, precision: ours(device, precision, "false", compiled=True),
    CAPTURED: lambda device, precision: ours(device, precision, "true"),
}
"""The plain loop of ``benchmarks.training``; the suite's update launched one by one; the same with
the model compiled (``reduce-overhead``); captured."""


def measure(way: str, runs: int, count: int, device: str, precision: str) -> Speed | None:
    """So many runs at the same time, each in a process of its own; None, and why, if one fails."""
    barrier = context.Barrier(runs)
    pipes = [context.Pipe(duplex=False) for _ in range(runs)]
    processes = []
    for _, sender in pipes:
        words = (barrier, sender, way, count, device, precision)
        processes.append(context.Process(target=carry_out, args=words))
        processes[-1].start()
        sender.close()
    with ThreadPool(runs) as pool:
        answers = pool.map(lambda pipe: receive(pipe[0]), pipes)
    if failed := [answer for answer in answers if isinstance(answer, str)]:
        for process in processes:
            process.kill()
        say(f"note: {way}, {runs} at once: {failed[0]}")
        return None
    speeds, memories = zip(*answers, strict=True)
    return Speed(way, runs, sum(speeds), max(memories) if device == "cuda" else None)


def receive(answer: Any) -> Any:
    """What a run has to say."""
    try:
        return answer.recv() if answer.poll(2 * PATIENCE) else "a process does not answer"
    except EOFError:
        return "its process ended without a word"


def carry_out(barrier: Any, answer: Any, way: str, count: int, device: str, precision: str) -> None:
    """One of several runs: warm up, wait for the others, go."""
    try:
        updates = WAYS[way](device, precision)
        rate(updates, min(count, WARM_UP), BATCH, lambda: wait(device))
        barrier.wait(PATIENCE)
        speed = rate(updates, count, BATCH, lambda: wait(device))
        answer.send((speed, memory(device)))
        barrier.wait(PATIENCE)  # all are there while each looks at the memory
    except Exception as error:  # a way that does not work here hides no other
        barrier.abort()
        answer.send(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def table(speeds: list[Speed], measured: Limits, title: str, caption: str) -> Table:
    """One line a way."""
    made = Table(title=title, caption=caption, title_justify="left")
    for column in ("", "at once", "images/s", "s a run", "of the copy", "of bf16", "GPU memory"):
        made.add_column(column, justify="right" if column else "left")
    for speed in speeds:
        images = speed.images_per_second
        made.add_row(
            speed.name, str(speed.runs), f"{images:,.0f}", f"{speed.seconds_a_run:,.1f}",
            f"{images * measured.bytes_an_image / measured.copied:.1%}",
            f"{images * measured.operations_an_image / measured.bf16:.1%}",
            "" if speed.memory is None else f"{speed.memory / 2**30:.1f} GiB",
        )  # fmt: skip
    return made


def main() -> None:
    """Print the table, and write it down for ``scripts.study_gpu``, after every line anew."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", default="tf32", choices=("fp32", "tf32", "bf16"))
    parser.add_argument("--ways", default=",".join(WAYS), help="of " + ", ".join(WAYS))
    parser.add_argument("--packed", default="1,2,4,8,16", help="runs at once, in the last way")
    parser.add_argument("--updates", type=int, default=2000, help="that are timed")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    chosen = parser.parse_args()
    device, precision, count = chosen.device, chosen.precision, chosen.updates
    ways = chosen.ways.split(",")
    if unknown := [way for way in ways if way not in WAYS]:
        raise UserError(f"--ways {unknown[0]}: write some of {','.join(WAYS)}")
    if device != "cuda":
        ways = [way for way in ways if way in (PLAIN, LAUNCHED)]
    sharing = share_gpus(torch.device(device))
    asked = [(way, 1) for way in ways]
    asked += [(ways[-1], int(runs)) for runs in chosen.packed.split(",")]
    with context.Pool(1) as pool:  # whose memory is not counted
        measured: Limits = pool.apply(limits, (device, precision))
    caption = f"{describe_machine(device)}; {'with' if sharing else 'without'} MPS"
    speeds: list[Speed] = []
    for way, runs in dict.fromkeys(asked):
        speed = measure(way, runs, count, device, precision)
        if speed is None:
            continue
        speeds.append(speed)
        say(f"{way}, {runs} at once: {speed.images_per_second:,.0f} images/s")
        if chosen.out is not None:
            record = {"precision": precision, "machine": caption, "limits": asdict(measured)}
            rows = {"speeds": [asdict(speed) for speed in speeds]}
            write_atomic(chosen.out, json.dumps({**record, **rows}, indent=1) + "\n")
    console.print(table(speeds, measured, f"ResNet-20, batch {BATCH}, {precision}", caption))


if __name__ == "__main__":
    with exit_on_user_error():
        main()
