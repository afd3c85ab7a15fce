"""``results/paper.yaml``, typed: what the paper reports, and what a run beside it must have."""

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

    def __str__(self) -> str:
        sign = "≈ " if self.approximate else ""
        spread = f" ± {self.sd:g}" if self.sd is not None else ""
        seeds = f" (n = {self.n})" if self.n is not None else ""
        value = f"{self.value:g}" if self.approximate else _printed(self.value)
        return f"{self.method} {sign}{value}{spread}{seeds}"


def _printed(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


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
    seeds: int | None = None
    record: str | None = None
    """The record of a computation that decides it: ``runs/mechanism/<record>.json``."""
    command: str | None = None

    @property
    def decided_by(self) -> str:
        """The command that would decide it."""
        if self.command:
            return self.command
        seeds = ",".join(str(seed) for seed in range(1, (self.seeds or 3) + 1))
        chosen = f" optimizer={','.join(self.optimizers)}" if self.optimizers else ""
        return (
            f"python -m experiments.sweep run experiment={self.experiment} protocol=paper"
            f"{chosen} seed={seeds}"
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
