"""Which parallel corpus a run reads: IWSLT'14, WMT'16, or the stand-in for either."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from experiments.errors import UserError
from experiments.tasks.config import Resolution
from experiments.tasks.translation import iwslt14, standin, wmt16
from experiments.tasks.translation.corpus import Source


class _Place(NamedTuple):
    find: Callable[[Path], Source | None]
    looked_for: str


CORPORA: Mapping[str, _Place] = {
    "iwslt14": _Place(iwslt14.find, iwslt14.LOOKED_FOR),
    "wmt16": _Place(wmt16.find, wmt16.LOOKED_FOR),
}


def resolve_corpus(
    corpus: str, dataset: Literal["auto", "real", "standin"], data_dir: Path
) -> Resolution:
    """Decide between a corpus and the stand-in, without preparing either.

    Raises :class:`UserError` where ``real`` was asked for and is not there.
    """
    if dataset == "standin":
        return Resolution("standin", "the stand-in was asked for")
    source = CORPORA[corpus].find(data_dir)
    if source is not None:
        return Resolution("real", f"{source.name} is in {source.where}")
    missing = (
        f"{corpus} is not in {data_dir.absolute()} (looked for {CORPORA[corpus].looked_for}). "
        "Put it there, or name the folder that holds it with RADAM_DATA=..."
    )
    if dataset == "real":
        raise UserError(
            f"{missing}, or train on written numbers with task.dataset=standin "
            "(make: DATASET=standin)."
        )
    return Resolution("standin", f"{missing}.")


def source_of(corpus: str, dataset: str, data_dir: Path) -> Source:
    """What is to be prepared. Raises :class:`UserError` where it is not there."""
    if dataset == "standin":
        return standin.source(joined=corpus == "wmt16")  # as the corpus itself has it
    source = CORPORA[corpus].find(data_dir)
    if source is None:
        raise UserError(f"{corpus} is not in {data_dir.absolute()}; {CORPORA[corpus].looked_for}")
    return source
