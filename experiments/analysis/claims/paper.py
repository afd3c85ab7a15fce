"""``results/paper.yaml``, typed: what the paper reports, and what a run beside it must have."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict

PAPER = Path(__file__).resolve().parents[3] / "results" / "paper.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reported(_Strict):
    """One figure as printed (``approximate``: read off a plot)."""

    what: str
    method: str
    value: float
    unit: str = ""
    approximate: bool = False
    sd: float | None = None
    n: int | None = None
    within: float | None = None
    """How near ours must come to match, in the figure's unit; None: it cannot be compared."""

    def __str__(self) -> str:
        sign = "≈ " if self.approximate else ""
        spread = f" ± {self.sd:g}" if self.sd is not None else ""
        seeds = f" (n = {self.n})" if self.n is not None else ""
        value = f"{self.value:g}" if self.approximate else _printed(self.value)
        return f"{self.method} {sign}{value}{spread}{seeds}"


def _printed(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


class Comparison(_Strict):
    """What one of a claim's comparisons is expected to find, to say how many seeds it takes."""

    what: str
    """The quantity, as the rules call it: ``test accuracy``."""
    effect: float
    """The paper's figures' difference, or where it gives none the one that is assumed; on the
    quantity's scale (of perplexities a difference of logarithms)."""
    margin: float
    """The rule's."""
    sd: float
    """Over seeds: assumed, and used until there are runs."""
    arms: int = 2
    """1: a mean against a limit."""
    equivalent: bool = False
    """Whether the two are to be alike, within the margin."""

    @property
    def text(self) -> str:
        """``Test accuracy: margin 0.3, expected 0.84, SD over seeds 0.25 (assumed).``"""
        margin = f"within {self.margin:g}" if self.equivalent else f"margin {self.margin:g}"
        expected = f"expected {self.effect:g}, SD over seeds {self.sd:g} (assumed)"
        return f"{self.what[0].upper()}{self.what[1:]}: {margin}, {expected}."


class Claim(_Strict):
    """A statement with its source; how it is decided stands in the modules beside this one."""

    where: str
    statement: str
    reported: tuple[Reported, ...]
    task: str | None = None
    unstated: str | None = None
    experiment: str | None = None
    """The experiment that decides it."""
    optimizers: tuple[str, ...] | None = None
    """Where the claim needs others than the experiment's own."""
    also: tuple[str, ...] = ()
    """Other experiments with the same runs among theirs."""
    cells: int = 0
    """Runs a seed."""
    seeds: int | None = None
    """Seeds a cell at which it is looked at (`looks`)."""
    first_seeds: tuple[int, ...] = ()
    """The experiment's, where they are not 1, 2, 3, ..."""
    comparisons: tuple[Comparison, ...] = ()
    record: str | None = None
    """The record of a computation that decides it: ``runs/mechanism/<record>.json``."""
    command: str | None = None

    @property
    def decided_by(self) -> str:
        """The command that would decide it."""
        return self.command or self.command_for(self.seed_values(self.seeds or 0), "paper")

    def seed_values(self, n: int) -> list[int]:
        """The first n seeds of its experiment."""
        counted = (seed for seed in range(1, 10 * n + 1) if seed not in self.first_seeds)
        return [*self.first_seeds, *counted][:n]

    def command_for(
        self, seeds: Sequence[int], protocol: str, experiment: str | None = None
    ) -> str:
        """The command that makes its runs with these seeds alone."""
        chosen = f" optimizer={','.join(self.optimizers)}" if self.optimizers else ""
        return (
            f"python -m experiments.sweep run experiment={experiment or self.experiment} "
            f"protocol={protocol}"
            f"{chosen} seed={','.join(map(str, seeds))}"
        )

    @property
    def figures(self) -> tuple[str, ...]:
        """The paper's figures by quantity: ``test accuracy: SGD 91.51, Adam 90.54, ...``."""
        kinds = dict.fromkeys((reported.what, reported.unit) for reported in self.reported)
        return tuple(
            f"{what}{f' ({unit})' if unit else ''}: "
            + "; ".join(str(r) for r in self.reported if r.what == what)
            for what, unit in kinds
        )


class Paper(_Strict):
    """The whole file."""

    settings: dict[str, dict[str, dict[str, Any]]]
    claims: dict[str, Claim]

    def unlike(self, runs: pl.DataFrame, task: str, protocol: str) -> pl.Series:
        """Which runs differ from the paper (or recipe) in a setting that it gives.

        An option that an optimizer does not have is not asked of it; everything else is.
        """
        settings = self.settings.get(task, {})
        differs = pl.lit(False)
        for name, wanted in {**settings.get("any", {}), **settings.get(protocol, {})}.items():
            column = f"config.{name}"
            present = pl.col(column) if column in runs.columns else pl.lit(None)
            if wanted is None:
                differs |= present.is_not_null()
                continue
            allowed = [wanted] if not isinstance(wanted, list) else wanted
            texts = [_stored(value, runs, column) for value in allowed]
            missing = name.startswith("optimizer.")  # then it passes
            differs |= ~present.cast(pl.String).is_in(texts).fill_null(missing)
        return runs.with_columns(differs.alias("differs"))["differs"]


def _stored(value: object, runs: pl.DataFrame, column: str) -> str | None:
    """The value as text, as the column's type writes it."""
    if column not in runs.columns or isinstance(value, str):
        return str(value)
    text: str | None = pl.Series([value]).cast(runs[column].dtype).cast(pl.String)[0]
    return text


@cache
def paper() -> Paper:
    """The file's contents, checked."""
    return Paper.model_validate(yaml.safe_load(PAPER.read_text()))
