"""From rows of runs to the cells of a grid: what may be averaged with what, and how failure counts.

Three rules:

- Runs that differ in task, protocol, dataset, or in a setting that should be the same for all
  optimizers (length, precision, decay, ...) never meet: each combination is a :class:`Section`.
- Inside a section, runs are averaged only if their scientific configurations differ in the seed
  alone. What else differs (a warmup's length, say) makes another :class:`Method`. Section and
  method say in their names by what they differ from their neighbours.
- A diverged run is a result, and never a better one than any other. How often a method diverges
  and how good it is where it ends are two numbers (:attr:`Cell.how_often`, :attr:`Cell.mean`);
  where one must do (to choose the best α, say), a diverged run scores what a model that learned
  nothing scores (the task's chance level; without one, the worst value there is), and so does a
  run that ends worse than that. A run that failed for another reason, or was interrupted, says
  nothing about its optimizer: it has no score, and is counted as unscored.

Perplexities are averaged as their logarithms: the mean is geometric (`Section.scale`).
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from experiments.analysis.statistics import (
    LINEAR,
    LOG,
    UNPAIRED,
    Estimate,
    Floats,
    Pairing,
    Scale,
    difference,
    mean,
    pairing,
    proportion,
    typical_sd,
)
from experiments.analysis.style import title
from experiments.analysis.wording import PROTOCOLS, data_title
from experiments.tasks.registry import task_title
from radam.zoo import ZOO

Settings = tuple[tuple[str, str], ...]
"""Fields of the configuration and their values."""

KEY = ["task", "protocol", "dataset"]

SUBJECT = "radam"
"""The optimizer that the paper is about: the others are compared with it."""

SCORES = {
    "final": "final",
    "best": "best on test",
    "validation_selected": "validation-selected",
}
"""The three test figures of a run, never one as another, and what they are called."""

LOGARITHMIC = ("perplexity",)
"""Metrics whose logarithm is what is averaged and compared."""

# The scientific configuration (``RunConfig.identity``) without α and the seed, in two kinds:
# what belongs to the optimizer, and what should be the same for all. A length in updates belongs
# to the optimizer, because Adam-2k's runs in the authors' code are longer by those it freezes.
_OPTIMIZER_FIELDS = ("config.optimizer.", "config.schedule.warmup.", "config.protocol.updates")
_COMMON_FIELDS = ("config.task.", "config.protocol.", "config.schedule.", "config.training.")
_DATA = "data"
"""The digest of the data that were read: the same configuration on other data is no seed of it."""

_OTHERWISE = (
    "config.task.name",
    "config.task.dataset",
    "config.protocol.name",
    "config.protocol.presets.",
    "config.optimizer.name",
    "config.optimizer.lr",
)


@dataclass(frozen=True)
class Method:
    """An optimizer, and the settings that tell it from the section's other runs of it."""

    optimizer: str
    settings: Settings = ()

    @property
    def label(self) -> str:
        """For people: ``Adam+warmup 500``, ``RAdam (betas=[0.9, 0.99])``."""
        rest = dict(self.settings)
        length = rest.pop("schedule.warmup.updates", None)
        name = title(self.optimizer) + (f" {length}" if length is not None else "")
        pairs = ", ".join(f"{field.split('.', 1)[1]}={value}" for field, value in rest.items())
        return f"{name} ({pairs})" if pairs else name


@dataclass(frozen=True, eq=False)
class Cell:
    """The runs of one method at one α, one a seed."""

    method: Method
    lr: float
    seeds: tuple[int, ...]
    """Of the scored runs (completed or diverged), ascending."""
    scores: Floats
    """Theirs; of a diverged one, and of one that ended worse than chance, that of chance."""
    completed: NDArray[np.bool_]
    """Which of them came to an end."""
    at_chance: int
    unscored: int
    """Failed, interrupted, or without the metric: no score."""

    @property
    def n(self) -> int:
        """Scored runs."""
        return len(self.scores)

    @property
    def diverged(self) -> int:
        """Runs that did not come to an end."""
        return self.n - int(self.completed.sum())

    @property
    def all_diverged(self) -> bool:
        """Whether no run came to an end."""
        return self.n > 0 and self.diverged == self.n

    @property
    def how_often(self) -> Estimate | None:
        """The share of runs that diverge, with its exact interval; None without a scored run."""
        return proportion(self.diverged, self.n) if self.n else None


OWN_WARMUP = 2_000
"""Updates over which RAdam's rate rises: about 2/(1−β2), at β2 = .999 (Ma & Yarats, 2019)."""


@dataclass(frozen=True, eq=False)
class Section:
    """The runs of one task × protocol × dataset, with the same settings for all optimizers."""

    task: str
    protocol: str
    dataset: str
    settings: Settings
    """What tells it from other sections of the same task, protocol and dataset."""
    metric: str
    direction: str
    runs: pl.DataFrame
    """Rows of the store, with ``method`` (the label) added."""
    methods: tuple[Method, ...]

    @property
    def name(self) -> str:
        """For file names: ``cifar10-mini-standin``, ``cifar10-recipe-real-precision-bf16``."""
        extra = (f"{field.rpartition('.')[2]}-{value}" for field, value in self.settings)
        return re.sub(r"[^\w.-]+", "_", "-".join([self.task, self.protocol, self.dataset, *extra]))

    @property
    def title(self) -> str:
        """For people: ``CIFAR-10 · mini protocol · real data``."""
        extra = (f"{field}={value}" for field, value in self.settings)
        data = f"{data_title(self.dataset)} data"
        return " · ".join([task_title(self.task), f"{self.protocol} protocol", data, *extra])

    @property
    def worst(self) -> float:
        """The score of a run that learned nothing."""
        chance = self.runs["chance"].drop_nulls()
        if len(chance):
            return float(chance[0])
        return -math.inf if self.direction == "max" else math.inf

    @property
    def scale(self) -> Scale:
        """The one on which the metric is averaged."""
        return LOG if self.metric in LOGARITHMIC else LINEAR

    @property
    def within_warmup(self) -> bool:
        """Whether its longest run that came to its end lies inside RAdam's own warmup
        (:data:`OWN_WARMUP`)."""
        longest = self.runs.filter(pl.col("status") == "completed")["updates"].max()
        return isinstance(longest, int | float) and longest <= OWN_WARMUP

    @property
    def lengths(self) -> str:
        """Warmups and freezes, which a short protocol scales: ``Adam-2k freezes 16 updates``."""
        said = []
        for column, words in (
            ("config.optimizer.freeze_updates", "freezes {} updates"),
            ("warmup_updates", "warms up over {} updates"),
        ):
            if column not in self.runs.columns:
                continue
            found = self.runs.filter(pl.col(column) > 0).select("optimizer", column).unique()
            for optimizer, rows in found.sort("optimizer", column).group_by(
                "optimizer", maintain_order=True
            ):
                numbers = ", ".join(str(number) for number in rows[column])
                said.append(f"{title(str(optimizer[0]))} {words.format(numbers)}")
        return "; ".join(said)

    def keep(self, mask: pl.Series) -> "Section":
        """The section with only those runs where ``mask`` (one value a run) is true."""
        runs = self.runs.filter(mask)
        left = set(runs["method"])
        methods = tuple(method for method in self.methods if method.label in left)
        return replace(self, runs=runs, methods=methods)

    def kinds(self) -> list[str]:
        """The kinds of score (keys of SCORES) that some run of the section has."""
        return [kind for kind in SCORES if self.runs[kind].drop_nulls().len()]

    def grid(self, kind: str) -> "Grid":
        """The section's cells by method and α. ``kind`` is a key of SCORES."""
        by_label = {method.label: method for method in self.methods}
        groups = self.runs.sort("seed").partition_by(
            "method", "lr", as_dict=True, maintain_order=True
        )
        cells = {
            (by_label[label], lr): self._cell(by_label[label], lr, rows, kind)
            for (label, lr), rows in groups.items()
        }
        lrs = sorted({lr for _, lr in cells})
        return Grid(self.methods, lrs, self.direction, self.worst, cells, self.scale)

    def _cell(self, method: Method, lr: float, rows: pl.DataFrame, kind: str) -> Cell:
        diverged = pl.col("status") == "diverged"
        ended = pl.when(pl.col("status") == "completed").then(pl.col(kind))
        score = pl.when(diverged).then(self.worst).otherwise(ended)
        scored = rows.select(
            pl.col("seed"),
            score.cast(pl.Float64).fill_nan(None).alias("score"),
            diverged.alias("diverged"),
        ).drop_nulls("score")
        cut = np.maximum if self.direction == "max" else np.minimum
        return Cell(
            method=method,
            lr=lr,
            seeds=tuple(scored["seed"]),
            scores=cut(scored["score"].to_numpy(), self.worst),
            completed=~scored["diverged"].to_numpy(),
            at_chance=int(rows["at_chance"].sum()),
            unscored=len(rows) - len(scored),
        )


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of a section for one kind of score."""

    methods: tuple[Method, ...]
    lrs: list[float]
    """Every α of the section, ascending."""
    direction: str
    worst: float
    """The score of a run that learned nothing."""
    cells: dict[tuple[Method, float], Cell]
    scale: Scale = LINEAR

    def row(self, method: Method) -> list[Cell]:
        """The method's cells that have a score, by ascending α."""
        found = (self.cells.get((method, lr)) for lr in self.lrs)
        return [cell for cell in found if cell is not None and cell.n]

    def best(self, method: Method) -> Cell | None:
        """The method's cell with the best value; the smaller α of two alike."""
        choose = max if self.direction == "max" else min
        return choose(self.row(method), key=self.value, default=None)

    def value(self, cell: Cell) -> float:
        """The mean over all scored runs, diverged ones at chance: to choose by, and to join by
        lines. It has no interval: none was found that covers where some runs diverge."""
        return float(self.scale.backward(self.scale.forward(cell.scores).mean()))

    def mean(self, cell: Cell) -> Estimate | None:
        """The mean of the completed runs with its interval; None where there are none."""
        if not cell.completed.any():
            return None
        found = self.scale.back(mean(self.completed(cell), self.typical))
        return found.within(*sorted((self.worst, math.inf if self.direction == "max" else 0.0)))

    def difference(self, a: Cell, b: Cell) -> Estimate:
        """The mean of A's completed runs minus that of B's, on the grid's scale (of perplexities
        the logarithm of the ratio), by seed where `pairing` says so. Both must have some."""
        first, second = self.completed(a), self.completed(b)
        seeds = [tuple(np.array(cell.seeds)[cell.completed]) for cell in (a, b)]
        pairs = self.pairing if seeds[0] == seeds[1] else UNPAIRED
        return difference(first, second, pairs, self.typical)

    def completed(self, cell: Cell) -> Floats:
        """The scores of the cell's completed runs on the grid's scale, by seed."""
        return self.scale.forward(cell.scores[cell.completed])

    @cached_property
    def typical(self) -> float | None:
        """The SD over seeds that is usual in the grid, on its scale (`statistics.typical_sd`)."""
        return typical_sd(self.completed(c) for c in self.cells.values() if c.completed.any())

    @cached_property
    def pairing(self) -> Pairing:
        """What the cells with the same seeds, all completed, say of equal seeds."""
        by_seeds: dict[tuple[int, ...], list[Floats]] = {}
        for cell in self.cells.values():
            if cell.n > 1 and cell.completed.all():
                by_seeds.setdefault(cell.seeds, []).append(self.completed(cell))
        return pairing(max(by_seeds.values(), key=lambda rows: np.size(rows), default=[]))


def sections(results: pl.DataFrame) -> list[Section]:
    """The store's sections, by task, protocol, dataset and what else sets them apart."""
    if results.is_empty():
        return []
    found = []
    parts = results.partition_by(KEY, maintain_order=True)
    for rows in sorted(parts, key=_place):
        common = [field for field in _varying(rows) if not field.startswith(_OPTIMIZER_FIELDS)]
        found += [_section(part, settings) for settings, part in _split(rows, common)]
    return found


def _place(rows: pl.DataFrame) -> tuple[str, int, str, str]:
    task, protocol, dataset = rows.select(KEY).row(0)
    known = PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS)
    return task, known, protocol, dataset


def _section(runs: pl.DataFrame, settings: Settings) -> Section:
    parts, methods = [], []
    for rows in runs.partition_by("optimizer", maintain_order=True):
        own = [field for field in _varying(rows) if field.startswith(_OPTIMIZER_FIELDS)]
        for differing, part in _split(rows, own):
            method = Method(part["optimizer"][0], differing)
            methods.append(method)
            named = part.with_columns(pl.lit(method.label).alias("method"))
            parts.append(_once_a_seed(named))
    order = {name: place for place, name in enumerate(ZOO)}
    methods.sort(key=lambda m: (order.get(m.optimizer, len(order)), m.optimizer, _natural(m)))
    first = runs.row(0, named=True)
    return Section(
        task=first["task"],
        protocol=first["protocol"],
        dataset=first["dataset"],
        settings=settings,
        metric=first["metric"],
        direction=first["direction"],
        runs=pl.concat(parts),
        methods=tuple(methods),
    )


def _once_a_seed(runs: pl.DataFrame) -> pl.DataFrame:
    """One run of each seed of a cell, the first that came to its end: the same seed twice (written
    0 and 0.0, say, in stores of before) says no more than once."""
    unfinished = ~pl.col("status").is_in(["completed", "diverged"])
    first = runs.sort(unfinished, "started", maintain_order=True)
    return first.unique(["lr", "seed"], keep="first", maintain_order=True)


def _split(rows: pl.DataFrame, fields: list[str]) -> Iterator[tuple[Settings, pl.DataFrame]]:
    """The runs that agree in ``fields``, with what they agree in."""
    if not fields:
        yield (), rows
        return
    parts = rows.partition_by(fields, as_dict=True, maintain_order=True)
    for values, part in sorted(parts.items(), key=str):
        pairs = zip(fields, values, strict=True)
        yield tuple((f.removeprefix("config."), str(v)) for f, v in pairs if v is not None), part


def _varying(runs: pl.DataFrame) -> list[str]:
    """The scientific fields with more than one value among the runs."""
    fields = [
        column
        for column in runs.columns
        if column == _DATA
        or (
            column.startswith(_OPTIMIZER_FIELDS + _COMMON_FIELDS)
            and not column.startswith(_OTHERWISE)
        )
    ]
    counts = runs.select(pl.col(fields).drop_nulls().n_unique()) if fields else pl.DataFrame()
    return [field for field in counts.columns if counts[field][0] > 1]


def _natural(method: Method) -> tuple[tuple[str, float, str], ...]:
    """Sort key in which a warmup of 500 updates comes before one of 1,000."""

    def value(text: str) -> tuple[float, str]:
        try:
            return float(text), ""
        except ValueError:
            return math.inf, text

    return tuple((field, *value(text)) for field, text in method.settings)
