"""From rows of runs to the cells of a grid: what may be averaged with what, and how failure counts.

Three rules:

- Runs that differ in task, protocol, dataset, or in a setting that should be the same for all
  optimizers (length, precision, decay, ...) never meet: each combination is a :class:`Section`.
- Inside a section, runs are averaged only if their scientific configurations differ in the seed
  alone. What else differs (a warmup's length, say) makes another :class:`Method`. Section and
  method say in their names by what they differ from their neighbours.
- A diverged run is a result: it scores what a model that learned nothing scores (the task's
  chance level; without one, the worst value there is), in the mean and in everything built on
  it, and is counted beside. Leaving it out would reward an optimizer for failing. A run that
  failed for another reason, or was interrupted, says nothing about its optimizer: it has no
  score, and is counted as unfinished.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from experiments.analysis.statistics import Estimate, Floats, mean
from experiments.analysis.style import title
from experiments.analysis.wording import PROTOCOLS, data_title
from experiments.tasks.registry import task_title
from radam.zoo import ZOO

Settings = tuple[tuple[str, str], ...]
"""Fields of the configuration and their values."""

KEY = ["task", "protocol", "dataset"]

SCORES = {
    "final": "final",
    "best": "best on test",
    "validation_selected": "validation-selected",
}
"""The three test figures of a run, never one as another, and what they are called."""

# The scientific configuration (``RunConfig.identity``) without α and the seed, in two kinds:
# what belongs to the optimizer, and what should be the same for all. A length in updates belongs
# to the optimizer, because Adam-2k's runs in the authors' code are longer by those it freezes.
_OPTIMIZER_FIELDS = ("config.optimizer.", "config.schedule.warmup.", "config.protocol.updates")
_COMMON_FIELDS = ("config.task.", "config.protocol.", "config.schedule.", "config.training.")
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
    scores: Floats
    """One a scored run (completed or diverged); may be empty."""
    diverged: int
    at_chance: int
    unfinished: int
    """Failed, interrupted, or without the metric: no score."""

    @property
    def n(self) -> int:
        """Scored runs."""
        return len(self.scores)

    @cached_property
    def mean(self) -> Estimate | None:
        """Mean and interval; None without a scored run."""
        return mean(self.scores) if self.n else None

    @property
    def all_diverged(self) -> bool:
        """Whether no run came to an end."""
        return self.n > 0 and self.diverged == self.n


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
    def within_warmup(self) -> bool:
        """Whether its longest run lies inside RAdam's own warmup (:data:`OWN_WARMUP`)."""
        longest = self.runs["updates"].max()
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
            (by_label[label], lr): _cell(by_label[label], lr, rows, kind, self.worst)
            for (label, lr), rows in groups.items()
        }
        lrs = sorted({lr for _, lr in cells})
        return Grid(self.methods, lrs, self.direction, self.worst, cells)


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

    def row(self, method: Method) -> list[Cell]:
        """The method's cells that have a score, by ascending α."""
        found = (self.cells.get((method, lr)) for lr in self.lrs)
        return [cell for cell in found if cell is not None and cell.n]

    def best(self, method: Method) -> Cell | None:
        """The method's cell with the best mean; the smaller α of two alike."""
        choose = max if self.direction == "max" else min
        return choose(self.row(method), key=lambda c: c.scores.mean(), default=None)


def _cell(method: Method, lr: float, rows: pl.DataFrame, kind: str, worst: float) -> Cell:
    diverged = pl.col("status") == "diverged"
    score = pl.when(diverged).then(worst).when(pl.col("status") == "completed").then(pl.col(kind))
    scores = rows.select(score.cast(pl.Float64).fill_nan(None)).to_series().drop_nulls()
    return Cell(
        method=method,
        lr=lr,
        scores=scores.to_numpy(),
        diverged=int((rows["status"] == "diverged").sum()),
        at_chance=int(rows["at_chance"].sum()),
        unfinished=len(rows) - len(scores),
    )


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
            parts.append(part.with_columns(pl.lit(method.label).alias("method")))
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
        if column.startswith(_OPTIMIZER_FIELDS + _COMMON_FIELDS)
        and not column.startswith(_OTHERWISE)
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
