"""CUDA graphs: the launches of an update or of an evaluation, recorded once and replayed as one.

An update of a small network is hundreds of kernels that a GPU carries out faster than the host can
launch them. Recorded they are one launch, of the same kernels in the same order: the numbers stay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from experiments.config.schema import RunConfig
from experiments.errors import UserError
from experiments.ranks import place
from experiments.terminal.console import say
from radam.zoo import ZOO

T = TypeVar("T")

Capture = bool | Literal["auto"]
"""Whether calls become graphs. ``auto``: where that works, else they are launched; True: or the run
ends; False: none does."""

WARM_UP = 3
"""Calls of a shape that are launched one by one before it is recorded: they make the optimizer's
state and let libraries choose their kernels. They are part of the run like any other."""

TOLERANCE = 0.05
"""What the first replay may differ from the launched call by, as a part of what that changed. The
same kernels may add in another order; a replay that reads or writes elsewhere differs by all."""


class Graph(Protocol):
    """What was recorded."""

    def replay(self) -> None:
        """Carry it out."""


class Recorder(Protocol):
    """Launches calls, and records them."""

    def launch(self, call: Callable[[], T]) -> T:
        """Carry a call out as it would be when recorded."""

    def record(self, call: Callable[[], T]) -> tuple[Graph, T]:
        """Record a call without carrying it out; what it returns is filled by each replay."""


class CudaRecorder:
    """On a stream of its own. What it records shares its memory: no two go on at once."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def launch(self, call: Callable[[], T]) -> T:
        """On the stream that is recorded, as torch asks for."""
        present = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(present)
        with torch.cuda.stream(self.stream):
            result = call()
        present.wait_stream(self.stream)
        return result

    def record(self, call: Callable[[], T]) -> tuple[Graph, T]:
        """Raises RuntimeError for a call that a graph cannot hold."""
        graph = torch.cuda.CUDAGraph()
        # The outer context: torch's own leaves its stream in force when a recording fails.
        present = torch.cuda.current_stream(self.stream.device)
        with (
            torch.cuda.stream(present),
            # thread_local: a loader's thread may pin memory meanwhile.
            torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ),
        ):
            result = call()
        return graph, result


def recorder_of(device: torch.device) -> Recorder | None:
    """What records on a device; None where nothing can."""
    return CudaRecorder(device) if device.type == "cuda" else None


class Captured:
    """Calls of functions of batches: a graph from the fourth on with the same shapes.

    From the first call on a function sees its batches in buffers of their own, so that what is
    recorded is what was launched before. The fourth call is carried out twice from the same state,
    launched and replayed: a graph that cannot be recorded, or leaves something else behind, is
    given up with a note (``auto``), and all goes on launched.

    Args:
        capture: whether calls become graphs.
        device: where all that the functions use lies.
        changes: gives what the functions may change, in groups that are compared as one.
    """

    def __init__(
        self,
        capture: Capture,
        device: torch.device,
        changes: Callable[[], Sequence[Sequence[Tensor]]] = list,
    ) -> None:
        self.capture, self.device, self.changes = capture, device, changes
        self.recorders: dict[str, Recorder | None] = {}
        self.shapes: dict[tuple[object, ...], _Shape] = {}
        self.trouble: str | None = None
        """Why graphs were given up."""

    def __call__(
        self, name: str, function: Callable[[list[Any]], T], batches: Sequence[Any] = ()
    ) -> T:
        """What the function returns for the batches; it holds until its next call.

        ``batches`` are named tuples of tensors. The function of a name, the same in every call,
        reads no value on the host and takes no decision by one, and what it uses lies where it
        lay. Raises :class:`UserError` where a graph is insisted on (``capture=True``) and there is
        none.
        """
        if name not in self.recorders:
            self.recorders[name] = recorder_of(self.device)
        recorder, shape = self.recorders[name], self._shape(name, batches)

        def call() -> T:
            return function(shape.buffers)

        if recorder is None:
            return call()
        if self.capture is False or self.trouble is not None or shape.calls < WARM_UP:
            shape.calls += 1
            return recorder.launch(call)
        if shape.graph is None:
            return self._first_replay(recorder, call, shape)
        shape.graph.replay()
        result: T = shape.result
        return result

    def _shape(self, name: str, batches: Sequence[Any]) -> "_Shape":
        """What is known of the batches' shapes, with the batches in its buffers."""
        key = (name, *(part.shape for batch in batches for part in batch))
        if key not in self.shapes:
            buffers = [type(batch)(*(part.clone() for part in batch)) for batch in batches]
            self.shapes[key] = _Shape(buffers)
        shape = self.shapes[key]
        for buffer, batch in zip(shape.buffers, batches, strict=True):
            for own, part in zip(buffer, batch, strict=True):
                own.copy_(part, non_blocking=True)
        return shape

    def _first_replay(self, recorder: Recorder, call: Callable[[], T], shape: "_Shape") -> T:
        """Launch the call, then record and replay it from the same state, and compare."""
        before = _copied(self.changes())
        launched = recorder.launch(call)
        left = _copied(self.changes())
        scalars = _copied([_scalars(launched)])[0]
        _put_back(self.changes(), before)
        try:
            shape.graph, shape.result = recorder.record(call)
            shape.graph.replay()
            same = _is_same(self.changes(), left, before) and _are_close(
                _scalars(shape.result), scalars
            )
            trouble = None if same else "its first replay did not do what was launched"
        except RuntimeError as error:  # an exhausted memory is one too
            trouble = " ".join(str(error).split())
        if trouble is None:
            result: T = shape.result
            return result
        self._give_up(trouble)
        _put_back(self.changes(), left)
        return launched

    def _give_up(self, trouble: str) -> None:
        if self.capture is True:
            raise UserError(
                f"CUDA could not record this run as a graph ({trouble}); runner.capture=false goes "
                "on without, more slowly"
            )
        self.trouble = trouble
        for shape in self.shapes.values():
            shape.graph = shape.result = None
        say(f"note: this run goes on without CUDA graphs, more slowly: {trouble}")


@dataclass
class _Shape:
    buffers: list[Any]
    calls: int = 0
    graph: Graph | None = None
    result: Any = None


def _copied(groups: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
    return [[tensor.detach().clone() for tensor in group] for group in groups]


def _put_back(groups: Sequence[Sequence[Tensor]], values: list[list[Tensor]]) -> None:
    for group, saved in zip(groups, values, strict=True):
        for tensor, value in zip(group, saved, strict=True):
            # By .data, which leaves versions alone: to the optimizer, which cannot read under
            # capture, update numbers that only it has written to are in step as they were.
            tensor.data.copy_(value)


def _is_same(
    groups: Sequence[Sequence[Tensor]], left: list[list[Tensor]], before: list[list[Tensor]]
) -> bool:
    """Whether each group is what the launched call left, measured by how far that moved it."""
    for group, expected, begun in zip(groups, left, before, strict=True):
        moved = _distance(expected, begun)
        # Not finite: the run diverges, and there is nothing to compare.
        if moved.isfinite() and not _distance(group, expected) <= TOLERANCE * moved:
            return False
    return True


def _distance(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    apart = [torch.dist(a.detach().double(), b.double()) for a, b in zip(one, other, strict=True)]
    return torch.stack(apart).norm() if apart else torch.zeros(())


def _are_close(found: list[Tensor], expected: list[Tensor]) -> bool:
    return all(
        bool((a.double() - b.double()).abs() <= TOLERANCE * b.double().abs())
        for a, b in zip(found, expected, strict=True)
        if b.isfinite()
    )


def _scalars(result: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor) and leaf.dim() == 0]


def is_captured(config: RunConfig, device: torch.device) -> Capture | None:
    """Whether the run's updates become CUDA graphs (``runner.capture``); None where none can.

    Raises :class:`UserError` for ``true`` where they cannot.
    """
    wanted, obstacle = config.runner.capture, _obstacle(config, device)
    if obstacle is None:
        return wanted
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
