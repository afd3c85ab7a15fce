"""Batches of pictures, read and cut by worker processes and sent as bytes."""

import itertools
import multiprocessing
import signal
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from experiments.errors import UserError
from experiments.ranks import rank_slice
from experiments.tasks.imagenet.files import Pictures
from experiments.tasks.imagenet.pixels import Damaged, centre, cut, decode, random_window
from experiments.tasks.shared.augment import epoch_generator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
SILENCE_SECONDS = 600
"""After which a worker that hands over no batch is given up, and the run with it."""
PREFETCH = 4
"""Batches that a worker keeps ready."""


class PixelBatch(NamedTuple):
    """Pictures as a worker sends them."""

    pixels: Tensor
    """uint8 [B, 3, size, size], channels last."""
    labels: Tensor
    """int64 [B]."""

    def to(self, device: torch.device) -> "PixelBatch":
        """The same on the device; from pinned memory without waiting."""
        return PixelBatch(*(part.to(device, non_blocking=True) for part in self))


@dataclass(frozen=True)
class Cutting:
    """How pictures are cut: at random for training, at the centre for testing."""

    seed: int
    size: int
    """Sides of what the network is shown."""
    resize: int
    """The shorter side before the central cut."""


Request = tuple[int, int | None]
"""A picture's index, and the epoch for which it is cut at random; None: at the centre."""


class CutPictures(Dataset[PixelBatch]):
    """What a worker holds: asked for a batch, it keeps nothing between two."""

    def __init__(self, pictures: Pictures, cutting: Cutting) -> None:
        self.pictures, self.cutting = pictures, cutting

    def __getitems__(self, requests: list[Request]) -> "PixelBatch | UserError":
        """The pictures asked for, or what is wrong with one.

        Returned, not raised: DataLoader would bury the message in a worker's traceback.
        """
        try:
            return self._batch(requests)
        except UserError as error:
            return error

    def _batch(self, requests: list[Request]) -> PixelBatch:
        size = self.cutting.size
        pixels = torch.empty(
            len(requests), 3, size, size, dtype=torch.uint8, memory_format=torch.channels_last
        )
        for position, request in enumerate(requests):
            pixels[position] = self._shown(request)
        return PixelBatch(pixels, self.pictures.labels[[index for index, _ in requests]])

    def _shown(self, request: Request) -> Tensor:
        """What the network sees of a picture: uint8 [3, size, size]."""
        index, epoch = request
        cutting = self.cutting
        try:
            picture = decode(self.pictures.read(index))
        except (Damaged, OSError) as error:
            raise UserError(
                f"{self.pictures.name(index)}: damaged ({error}); replace it, or have what is "
                "damaged left out and counted with task.damaged=skip"
            ) from None
        if epoch is None:
            return centre(picture, cutting.resize, cutting.size)
        window = random_window(cutting.seed, epoch, index, picture.shape[1], picture.shape[2])
        return cut(picture, window, cutting.size)


class TrainingOrder(Sampler[list[Request]]):
    """This process's part of every batch of an epoch, in the order of (seed, epoch).

    ``epoch`` and ``skip`` are set before it is iterated; batches before ``skip`` are not made.
    """

    def __init__(self, seed: int, examples: int, batch_size: int) -> None:
        self.seed, self.examples, self.batch_size = seed, examples, batch_size
        self.epoch = self.skip = 0

    def __iter__(self) -> Iterator[list[Request]]:
        epoch = self.epoch
        order = torch.randperm(self.examples, generator=epoch_generator(self.seed, epoch))
        for start in range(self.skip * self.batch_size, self.examples, self.batch_size):
            batch = order[start : start + self.batch_size]
            yield [(index, epoch) for index in batch[rank_slice(len(batch))].tolist()]


class TestOrder(Sampler[list[Request]]):
    """This process's part of a split, as it stands, in batches."""

    __test__ = False  # not a test, whatever its name says to pytest

    def __init__(self, examples: int, batch_size: int) -> None:
        self.examples, self.batch_size = examples, batch_size

    def __iter__(self) -> Iterator[list[Request]]:
        mine = rank_slice(self.examples)
        for start in range(mine.start, mine.stop, self.batch_size):
            stop = min(start + self.batch_size, mine.stop)
            yield [(index, None) for index in range(start, stop)]


def _end_workers() -> None:
    """At the end, Python asks daemons to go by a signal that ours ignore, and waits for them."""
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


class Loader:
    """Reads batches in worker processes that stay from epoch to epoch.

    Args:
        pictures: what the workers hold.
        order: what is read, batch by batch.
        workers: processes; 0: this one reads.
        device: where the batches go.
    """

    def __init__(
        self,
        pictures: CutPictures,
        order: Sampler[list[Request]],
        workers: int,
        device: torch.device,
    ) -> None:
        self.device = device
        if workers:
            Finalize(None, _end_workers, exitpriority=0)
        self.loader: DataLoader[PixelBatch | UserError] = DataLoader(
            pictures,
            batch_sampler=order,
            num_workers=workers,
            collate_fn=_as_it_is,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            prefetch_factor=PREFETCH if workers else None,
            worker_init_fn=_leave_signals_to_the_parent,
            # The workers' seeds, of no use here, would be drawn from the model's generator.
            generator=torch.Generator(),
        )

    def __iter__(self) -> Iterator[PixelBatch]:
        """The batches on the device. Raises :class:`UserError` for a damaged picture, RuntimeError
        if a worker was killed or does not answer."""
        return _ahead(self._or_raise(), self.device)

    def _or_raise(self) -> Iterator[PixelBatch]:
        batches = iter(self.loader)
        while (batch := _next(batches)) is not None:
            if isinstance(batch, UserError):
                raise batch
            yield batch


def _next(batches: Iterator[PixelBatch | UserError]) -> PixelBatch | UserError | None:
    """The next batch, None after the last. Raises RuntimeError if it does not come.

    A worker that is held may have promised a batch already, and be waited for without end where
    torch knows no time limit; that it is killed ends the waiting.
    """
    given_up = threading.Timer(SILENCE_SECONDS, _end_workers)
    given_up.start()
    try:
        return next(batches, None)
    except Exception:
        if not given_up.is_alive():
            raise RuntimeError(
                f"the processes that read data handed over nothing for {SILENCE_SECONDS} s"
            ) from None
        raise
    finally:
        given_up.cancel()


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_parent(_worker: int) -> None:
    """It may want to finish an update and write a checkpoint; see :func:`_end_workers`."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _ahead(batches: Iterable[PixelBatch], device: torch.device) -> Iterator[PixelBatch]:
    """The batches on the device, each sent while the one before it is worked on."""
    if device.type != "cuda":
        yield from batches
        return
    stream = torch.cuda.Stream(device)
    ready: PixelBatch | None = None
    for batch in itertools.chain(batches, [None]):
        following = None
        if batch is not None:
            with torch.cuda.stream(stream):
                following = batch.to(device)
        if ready is not None:
            yield ready
        if following is not None:
            torch.cuda.current_stream(device).wait_stream(stream)
            for part in following:  # their memory is not to be reused before they are
                part.record_stream(torch.cuda.current_stream(device))
        ready = following
