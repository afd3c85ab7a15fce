"""The same batches with NVIDIA DALI doing the decoding and resizing; imported only when asked for.

Which pictures, which windows and which are mirrored is what :mod:`imagenet_loader` draws, so that
order and crops do not depend on who decodes; pixels differ by DALI's rounding.
"""

import io
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Sampler

from experiments.errors import UserError
from experiments.tasks.imagenet.loader import CutPictures, PixelBatch, Request
from experiments.tasks.imagenet.pixels import Window, random_window

try:
    from nvidia.dali import fn, pipeline_def, types
except ImportError:
    raise UserError(
        "task.loader=dali: needs NVIDIA DALI; pip install nvidia-dali-cuda130 (or -cuda120, as "
        "your driver), or write task.loader=torch"
    ) from None

_QUEUE = 3
"""Batches under way inside DALI."""


class DaliLoader:
    """As :class:`~experiments.tasks.imagenet.loader.Loader`; on a GPU, decoding happens there."""

    def __init__(
        self,
        pictures: CutPictures,
        order: Sampler[list[Request]],
        workers: int,
        device: torch.device,
    ) -> None:
        self.pictures, self.order, self.device = pictures, order, device
        self.workers = max(1, workers)

    def __iter__(self) -> Iterator[PixelBatch]:
        """The batches on the device. Raises :class:`UserError` for a damaged picture."""
        requests = list(self.order)
        if not requests:
            return
        largest = max(map(len, requests))
        flips: deque[tuple[Tensor, Tensor]] = deque()

        def feed() -> Iterator[Any]:
            for batch in requests:
                contents, windows = zip(*map(self._read, batch), strict=True)
                flip = torch.tensor([window.flip for window in windows])
                labels = self.pictures.pictures.labels[[index for index, _ in batch]]
                flips.append((flip, labels))
                starts = [np.array([w.top, w.left], dtype=np.int32) for w in windows]
                shapes = [np.array([w.height, w.width], dtype=np.int32) for w in windows]
                yield list(contents), starts, shapes

        pipeline = self._pipeline(feed, largest, at_random=requests[0][0][1] is not None)
        pipeline.build()
        for _ in requests:
            try:
                (pixels,) = pipeline.run()
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
                raise UserError(f"task.loader=dali: a batch cannot be decoded ({reason})") from None
            flip, labels = flips.popleft()
            batch = PixelBatch(_as_torch(pixels, self.device), labels).to(self.device)
            mirror = flip.to(self.device)[:, None, None, None]
            yield batch._replace(pixels=torch.where(mirror, batch.pixels.flip(-1), batch.pixels))

    def _read(self, request: Request) -> tuple[np.ndarray, Window]:
        index, epoch = request
        content = self.pictures.pictures.read(index).numpy()
        try:
            with Image.open(io.BytesIO(content.tobytes())) as image:  # reads the header alone
                width, height = image.size
        except OSError as error:
            name = self.pictures.pictures.name(index)
            raise UserError(
                f"{name}: damaged ({error}); replace it, or leave it out with task.damaged=skip"
            ) from None
        if epoch is None:
            return content, Window(0, 0, height, width, flip=False)
        return content, random_window(self.pictures.cutting.seed, epoch, index, height, width)

    def _pipeline(self, feed: Any, largest: int, *, at_random: bool) -> Any:
        cutting, on_gpu = self.pictures.cutting, self.device.type == "cuda"

        @pipeline_def(  # type: ignore[untyped-decorator]  # DALI says nothing of its types
            batch_size=largest,
            num_threads=self.workers,
            device_id=(self.device.index or 0) if on_gpu else None,
            prefetch_queue_depth=_QUEUE,
        )
        def define() -> Any:
            encoded, start, shape = fn.external_source(source=feed, num_outputs=3, batch=True)
            pixels = fn.decoders.image_slice(
                encoded,
                start=start,
                shape=shape,
                axes=[0, 1],
                device="mixed" if on_gpu else "cpu",
                output_type=types.RGB,
            )
            if at_random:
                return fn.resize(pixels, size=[cutting.size, cutting.size], antialias=True)
            pixels = fn.resize(pixels, resize_shorter=cutting.resize, antialias=True)
            return fn.crop(pixels, crop=[cutting.size, cutting.size])

        return define()


def _as_torch(pixels: Any, device: torch.device) -> Tensor:
    """uint8 [B, 3, size, size], channels last, of memory that is torch's own."""
    if device.type == "cuda":
        return torch.utils.dlpack.from_dlpack(pixels.as_tensor()).permute(0, 3, 1, 2).clone()
    return torch.from_numpy(np.array(pixels.as_array())).permute(0, 3, 1, 2)
