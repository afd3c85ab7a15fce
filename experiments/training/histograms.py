"""Histograms of what an update is made of, at a few chosen updates (the paper's Figs. 2 and 3).

Between them nothing is computed and nothing waits for the device.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from experiments.config.schema import HistogramsConfig
from radam.observe import last_update

EARLY = (1, 5, 10, 25, 50, 75, 100)
"""The early updates that Figs. 2 and 3 show."""


@dataclass(frozen=True)
class Bins:
    """Bins of log|x| (natural), ``width`` wide from ``low`` to ``high``, and one beyond each end.

    The outer two, drawn as wide as the others, hold all that lies beyond: exact zeros below,
    infinities above.
    """

    low: float
    high: float
    width: float = 0.5

    @property
    def edges(self) -> list[float]:
        """All edges, ascending: one more than there are bins."""
        inner = round((self.high - self.low) / self.width)
        return [self.low + self.width * place for place in range(-1, inner + 2)]

    def count(self, values: Tensor) -> Tensor:
        """How many of ``values`` (any shape) fall into each bin: float64 on their device.

        NaN falls into none.
        """
        half = self.width / 2
        logs = values.flatten().float().abs().log_()
        logs.clamp_(self.low - half, self.high + half)
        # Not torch.histc: on CUDA it adds in any order, and refuses where algorithms must be
        # deterministic.
        bounds = torch.tensor(self.edges[1:], device=values.device)
        places = torch.bucketize(logs, bounds, right=True)  # of NaN: beyond the last bin
        return places.bincount(minlength=len(bounds) + 1)[:-1].double()


QUANTITIES = {
    "gradient": Bins(-20, 0),
    "momentum": Bins(-20, 0),
    "rate": Bins(-8, 20),
    "change": Bins(-20, 0),
}
"""g as the optimizer gets it (clipped), m, l (with r_t, without α) and Δθ (decay included): every
element of every parameter that has a gradient. The first and last bins are those of Fig. 2."""


def default_updates(total: int) -> tuple[int, ...]:
    """The paper's early updates, then powers of two, and the last: those up to ``total``."""
    powers = [2**k for k in range(7, total.bit_length())]
    return tuple(sorted({t for t in (*EARLY, *powers, total) if t <= total}))


class Histograms:
    """Takes the histograms of one run.

    Args:
        config: whether, when, and whether by layer.
        model: its parameters, by name.
        optimizer: of these parameters.
        total: updates of the run.
    """

    def __init__(
        self,
        config: HistogramsConfig,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        total: int,
    ) -> None:
        wanted = default_updates(total) if config.updates is None else config.updates
        self.updates = frozenset(wanted if config.record else ())
        self.by_layer, self.optimizer = config.by_layer, optimizer
        self.names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}

    def before(self, update: int) -> dict[Tensor, Tensor] | None:
        """A copy of the parameters, if the next update, ``update``, is one of the chosen."""
        if update not in self.updates:
            return None
        return {p: p.detach().clone() for p in self.names if p.requires_grad}

    @torch.no_grad()
    def after(self, before: Mapping[Tensor, Tensor]) -> dict[str, Any]:
        """What the update that began at ``before`` was made of.

        A field for each of QUANTITIES (momentum and rate: where the optimizer has them), with
        ``edges`` of log|x|, ``counts``, ``zeros`` (the exact ones; counted in the first bin too)
        and ``elements`` (those that are NaN as well). With ``by_layer`` also
        ``gradient/<layer>`` and so on.
        """
        fields: dict[str, Tensor] = {}
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                for quantity, values in _parts(self.optimizer, group, p, before[p]):
                    counts = _count(values, QUANTITIES[quantity])
                    for field in self._fields(quantity, p):
                        fields[field] = fields[field] + counts if field in fields else counts
        if not fields:
            return {}
        host = torch.cat(list(fields.values())).long().tolist()
        found, start = {}, 0
        for field, tensor in fields.items():
            zeros, nans, *binned = host[start : start + len(tensor)]
            start += len(tensor)
            found[field] = {
                "edges": QUANTITIES[field.partition("/")[0]].edges,
                "counts": binned,
                "zeros": zeros,
                "elements": sum(binned) + nans,
            }
        return found

    def _fields(self, quantity: str, p: Tensor) -> list[str]:
        """The fields of the record that a parameter counts in; a layer is what holds it."""
        layer = self.names[p].rpartition(".")[0]
        return [quantity, f"{quantity}/{layer}"] if self.by_layer else [quantity]


def _parts(
    optimizer: torch.optim.Optimizer, group: dict[str, Any], p: Tensor, before: Tensor
) -> Iterator[tuple[str, Tensor]]:
    assert p.grad is not None
    yield "gradient", p.grad
    parts = last_update(optimizer, group, p)
    if parts is not None:
        yield from zip(("momentum", "rate"), parts, strict=True)
    yield "change", p - before


def _count(values: Tensor, bins: Bins) -> Tensor:
    """Exact zeros, NaNs, then the bins."""
    others = torch.stack([(values == 0).sum(), values.isnan().sum()])
    return torch.cat([others.double(), bins.count(values)])
