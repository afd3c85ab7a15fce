"""CUDA graphs: the launches of an update or of an evaluation, recorded once and replayed as one.

An update of a small network is hundreds of kernels that a GPU carries out faster than the host can
launch them. Recorded they are one launch, of the same kernels in the same order: the numbers stay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from experiments.config.schema import RunConfig
from experiments.errors import UserError
from experiments.ranks import place
from radam.zoo import ZOO

T = TypeVar("T")

WARM_UP = 3
"""Calls of a shape that are launched one by one before it is recorded: they make the optimizer's
state and let libraries choose their kernels. They are part of the run like any other."""


class Captured:
    """Calls of one function of batches: a CUDA graph from the fourth on with the same shapes.

    From the first call on the function sees its batches in buffers of their own, so that what is
    recorded is what was launched before.

    Args:
        device: where all that the function uses lies.
        graphs: False: every call is launched, none recorded, which is all there is off CUDA.
    """

    def __init__(self, device: torch.device, *, graphs: bool) -> None:
        self.graphs = graphs and device.type == "cuda"
        self.shapes: dict[tuple[torch.Size, ...], _Shape] = {}
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None

    def __call__(self, function: Callable[[list[Any]], T], batches: Sequence[Any] = ()) -> T:
        """What the function returns for the batches; it holds until the next call.

        ``batches`` are named tuples of tensors. The function, the same in every call, reads no
        value on the host and takes no decision by one, and what it uses lies where it lay.
        """
        key = tuple(part.shape for batch in batches for part in batch)
        if key not in self.shapes:
            buffers = [type(batch)(*(part.clone() for part in batch)) for batch in batches]
            self.shapes[key] = _Shape(buffers)
        shape = self.shapes[key]
        for buffer, batch in zip(shape.buffers, batches, strict=True):
            for own, part in zip(buffer, batch, strict=True):
                own.copy_(part, non_blocking=True)
        if not self.graphs or shape.calls < WARM_UP:
            shape.calls += 1
            return self._launch(function, shape.buffers)
        if shape.graph is None:
            shape.graph, shape.result = self._record(function, shape.buffers)
        shape.graph.replay()
        result: T = shape.result
        return result

    def _launch(self, function: Callable[[list[Any]], T], buffers: list[Any]) -> T:
        if self.stream is None:
            return function(buffers)
        # On the stream that will be recorded, as torch asks for.
        present = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(present)
        with torch.cuda.stream(self.stream):
            result = function(buffers)
        present.wait_stream(self.stream)
        return result

    def _record(
        self, function: Callable[[list[Any]], T], buffers: list[Any]
    ) -> tuple[torch.cuda.CUDAGraph, T]:
        """Record without carrying out. The shapes share their memory: no two go on at once."""
        graph = torch.cuda.CUDAGraph()
        # thread_local: a loader's thread may pin memory meanwhile.
        try:
            with torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ):
                result = function(buffers)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            line = " ".join(str(error).split())
            raise UserError(
                f"CUDA could not record this run's updates as a graph ({line}); "
                "runner.capture=false goes on without, more slowly"
            ) from error
        return graph, result


@dataclass
class _Shape:
    buffers: list[Any]
    calls: int = 0
    graph: torch.cuda.CUDAGraph | None = None
    result: Any = None


def is_captured(config: RunConfig, device: torch.device) -> bool | None:
    """Whether the run's updates become CUDA graphs (``runner.capture``); None where none can.

    Raises :class:`UserError` for ``true`` where they cannot.
    """
    wanted, obstacle = config.runner.capture, _obstacle(config, device)
    if obstacle is None:
        return wanted is not False
    if wanted is True:
        raise UserError(f"runner.capture=true: {obstacle}; write runner.capture=auto")
    return None


def _obstacle(config: RunConfig, device: torch.device) -> str | None:
    if device.type != "cuda":
        return f"CUDA graphs need a CUDA GPU, and this run is on {device.type}"
    if "update" not in config.task.capturable:
        return f"the shapes inside an update of {config.task.name} depend on its batch"
    if place().world_size > 1:
        return f"the {place().world_size} processes of this run wait for each other in every update"
    optimizer = config.optimizer
    if ZOO[optimizer.name].captured(optimizer.options) is None:
        return f"{optimizer.name} reads its update number on the host in every update"
    return None
