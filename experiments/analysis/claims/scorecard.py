"""All claims against a store: one row a claim and section, and one for each that has not run."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.analysis.cells import Section
from experiments.analysis.claims import images, language, mechanism
from experiments.analysis.claims.conditions import LEVEL, Condition
from experiments.analysis.claims.evidence import Evidence
from experiments.analysis.claims.finding import Finding
from experiments.analysis.claims.level import Level, levels
from experiments.analysis.claims.looks import Looked, glance, look, seeds_needed
from experiments.analysis.claims.paper import Claim, paper
from experiments.analysis.claims.samples import Sample
from experiments.analysis.claims.verdict import NotRun, Unclear, Verdict
from experiments.analysis.statistics import holm
from experiments.analysis.wording import DECIDING, decides
from experiments.errors import UserError
from experiments.tasks.shared.origin import part_of_data
from experiments.tracking.records import DamagedRecords

FROM_RUNS: dict[str, Callable[[Evidence], Finding]] = {
    "C01": language.c01,
    "C02": language.c02,
    "C03": mechanism.c03,
    "C04": mechanism.c04,
    "C05": language.c05,
    "C06": language.c06,
    "C07": images.c07,
    "C08": images.c08,
    "C09": images.c09,
    "C10": images.c10,
    "C11": images.c11,
    "C12": language.bleu,
    "C13": language.bleu,
    "C14": language.bleu,
    "C15": images.c15,
    "X01": images.x01,
    "X02": language.x02,
}
FROM_RECORD = {"C17": mechanism.c17}
COMPUTED = {"C16": mechanism.c16, "C18": mechanism.c18}

FIRST_HUNDRED = {"C03", "C04"}
"""Claims about the first updates alone: part of the data, and runs that were stopped early, will
do for them."""

NO_RUNS = {*FROM_RECORD, *COMPUTED}
"""The claims that mathematics and simulation decide."""


@dataclass(frozen=True)
class Row:
    """One line of the scorecard."""

    claim: str
    where: str
    statement: str
    how: str
    """What the rule compares, in words, and what it expects: margins, effects, SDs."""
    paper: tuple[str, ...]
    unstated: str | None
    protocol: str
    dataset: str
    ours: tuple[str, ...]
    n: int | None
    verdict: Verdict | None
    """None where the runs are not the paper's setting: they decide nothing."""
    reading: Verdict
    """What the rule says of these runs, deciding or not."""
    p: float | None
    """Of the verdict, both looks paid for; None where chance does not come into it."""
    p_holm: float | None
    """The same, adjusted for the number of rows that were tested (Holm); None if not tested."""
    levels: tuple[str, ...]
    """Ours against each figure that the paper prints."""
    reason: str
    needs: tuple[int | None, int | None] | None
    """Seeds a cell with which the first look finds it with 80 % and 95 % probability, if the paper
    is right; from the SD of these runs, or assumed. None where it takes none."""
    planned: int | None
    """Seeds a cell with which it is looked at."""
    command: str
    """What would decide it: the runs that are missing, and no others."""


@dataclass(frozen=True, eq=False)
class _Scored:
    """A row, and what its verdict comes of once all rows are there."""

    row: Row
    looked: Looked
    levels: tuple[Level, ...]
    exact: bool
    """Whether chance does not come into it."""


def scorecard(found: list[Section], runs_root: Path) -> list[Row]:
    """Every claim at least once, in order.

    ``found``: the store's sections. ``runs_root``: where the records of the mechanism lie.
    """
    scored = [
        each
        for name, claim in paper().claims.items()
        for each in _rows(name, claim, found, runs_root)
    ]
    tested = [s for s in scored if s.looked.tested and not s.exact and s.row.verdict is not None]
    adjusted = {
        id(s): (p, p_not)
        for s, p, p_not in zip(
            tested,
            holm([s.looked.p for s in tested]),
            holm([s.looked.p_not for s in tested]),
            strict=True,
        )
    }
    return [_judged(s, adjusted.get(id(s)), len(tested)) for s in scored]


def _judged(scored: _Scored, adjusted: tuple[float, float] | None, of: int) -> Row:
    """The row with the verdict that its p-values, adjusted ones where it decides, give."""
    row, looked = scored.row, scored.looked
    if row.reading is Verdict.NOT_RUN:
        return row
    reading = _verdict(scored, looked.p, looked.p_not)
    if row.verdict is None or adjusted is None:
        p = None if scored.exact or not looked.tested else _smaller(looked.p, looked.p_not)
        return replace(row, reading=reading, verdict=None if row.verdict is None else reading, p=p)
    verdict = _verdict(scored, *adjusted)
    reason = row.reason
    if reading is not verdict:
        reason += f"; {reading} by itself, not beside {of - 1} other tests (Holm)"
    return replace(
        row,
        reading=verdict,
        verdict=verdict,
        reason=reason,
        p=_smaller(looked.p, looked.p_not),
        p_holm=_smaller(*adjusted),
    )


def _smaller(p: float, p_not: float) -> float:
    return min(p, p_not)


def _verdict(scored: _Scored, p: float, p_not: float) -> Verdict:
    finding = scored.looked.finding
    if p <= LEVEL:
        if any(level.far_below for level in scored.levels) or _learned_nothing(finding.samples):
            return Verdict.BELOW_LEVEL
        return Verdict.PARTLY if finding.partly else Verdict.SUPPORTED
    return Verdict.NOT_SUPPORTED if p_not <= LEVEL else Verdict.UNDECIDED


def _learned_nothing(samples: tuple[Sample, ...]) -> bool:
    """Whether half of some method's runs, or more, are at chance."""
    return any(2 * sample.at_chance >= len(sample.values) for sample in samples)


def _rows(name: str, claim: Claim, found: list[Section], runs_root: Path) -> list[_Scored]:
    if name in COMPUTED:
        return [_exact(name, claim, "computed", COMPUTED[name]())]
    if name in FROM_RECORD:
        record = read_record(runs_root, claim)
        if record is None:
            return [_not_run(name, claim, "simulation", "none needed", f"no {claim.record}.json")]
        try:
            return [_exact(name, claim, "simulation", FROM_RECORD[name](record))]
        except NotRun as missing:
            return [_not_run(name, claim, "simulation", "none needed", f"missing: {missing}")]
    rows = list(_from_sections(name, claim, found))
    if not any(scored.row.verdict for scored in rows):
        reason = "no run of the paper's setting on its data"
        rows.insert(0, _not_run(name, claim, " or ".join(DECIDING), "real", reason))
    return rows


def _from_sections(name: str, claim: Claim, found: list[Section]) -> Iterator[_Scored]:
    for section in found:
        if section.task != claim.task:
            continue
        deciding, notes = decides(section.task, section.protocol, section.dataset), []
        if deciding:
            differs = paper().unlike(section.runs, section.task, section.protocol)
            if differs.any():
                left_out = f"{int(differs.sum())} runs left out: their settings are not the"
                notes.append(f"{left_out} {section.protocol}'s")
            section = section.keep(~differs)
        dataset = section.dataset
        part = part_of_data(section.runs["origin"].drop_nulls().unique().to_list())
        if part is not None and name in FIRST_HUNDRED:
            dataset = f"{dataset}: {part}"
        elif part is not None and deciding:
            deciding = False
            notes.append(f"part of the data ({part}) says nothing about where training ends")
        scored = _of_section(name, claim, section, dataset, deciding, notes)
        if scored.row.reading is Verdict.NOT_RUN and not deciding:
            continue  # a claim needs no line for each kind of run that does not bear on it
        yield scored


def _of_section(
    name: str, claim: Claim, section: Section, dataset: str, deciding: bool, notes: list[str]
) -> _Scored:
    rule, evidence = FROM_RUNS[name], Evidence(section, deciding)
    protocol = " ".join([section.protocol, *(f"{k}={v}" for k, v in section.settings)])
    try:
        planned = claim.seeds or 0
        looked = look(rule, evidence, planned) if deciding else glance(rule, evidence)
    except (NotRun, Unclear, DamagedRecords) as stopped:
        verdict = Verdict.NOT_RUN if isinstance(stopped, NotRun) else Verdict.UNDECIDED
        reason = f"missing: {stopped}" if verdict is Verdict.NOT_RUN else str(stopped)
        reason = "; ".join([reason, *notes])
        return _undone(name, claim, protocol, dataset, reason, verdict, deciding)
    finding = looked.finding
    found = levels(claim, finding.samples) if deciding else []
    row = _row(name, claim, protocol, dataset, finding)
    row = replace(
        row,
        verdict=Verdict.UNDECIDED if deciding else None,
        reason="; ".join([*_because(looked, claim, deciding), *finding.notes, *notes]),
        levels=tuple(str(level) for level in found),
        needs=_needs(claim, finding.samples),
        command=_command(claim, section, looked) if deciding else row.command,
    )
    return _Scored(row, looked, tuple(found), exact=False)


def _because(looked: Looked, claim: Claim, deciding: bool) -> list[str]:
    said = _said(looked.finding, looked.tested)
    if deciding and not looked.tested:
        said.append(f"looked at with {claim.seeds} seeds a cell, and there are {looked.finding.n}")
    return said


def _said(finding: Finding, tested: bool) -> list[str]:
    several = len(finding.conditions) > 1 and tested
    said = [f"{c.verdict}: {c.text}" if several else c.text for c in finding.conditions]
    return [*said, f"holds {finding.partly}"] if finding.partly and finding.p <= LEVEL else said


def _needs(claim: Claim, samples: Sequence[Sample]) -> tuple[int | None, int | None] | None:
    if claim.seeds is None:
        return None
    return seeds_needed(claim, 0.8, samples), seeds_needed(claim, 0.95, samples)


def _command(claim: Claim, section: Section, looked: Looked) -> str:
    """The runs that the next look lacks, of the experiment that the others are of."""
    if looked.wanted is None:
        return "none: both looks are taken; more seeds need a claim of their own"
    have = looked.seeds
    missing = [seed for seed in claim.seed_values(looked.wanted + len(have)) if seed not in have]
    ran = section.runs["experiment"].drop_nulls().to_list()
    experiment = max((str(claim.experiment), *claim.also), key=ran.count)
    missing = missing[: max(1, looked.wanted - len(have))]
    return claim.command_for(missing, section.protocol, experiment)


def _exact(name: str, claim: Claim, protocol: str, finding: Finding) -> _Scored:
    looked = Looked(finding, finding.p, finding.p_not, True, (), None)
    row = _row(name, claim, protocol, "none needed", finding)
    reason = "; ".join(_said(finding, True))
    row = replace(row, verdict=Verdict.UNDECIDED, reason=reason)
    return _Scored(row, looked, (), exact=True)


def _not_run(name: str, claim: Claim, protocol: str, dataset: str, reason: str) -> _Scored:
    return _undone(name, claim, protocol, dataset, reason, Verdict.NOT_RUN, True)


def _undone(
    name: str,
    claim: Claim,
    protocol: str,
    dataset: str,
    reason: str,
    verdict: Verdict,
    deciding: bool,
) -> _Scored:
    """A row without figures."""
    finding = Finding((), (Condition(reason, 1.0, 1.0),))
    row = _row(name, claim, protocol, dataset, finding)
    row = replace(row, verdict=verdict if deciding else None, reading=verdict, reason=reason)
    return _Scored(row, Looked(finding, 1.0, 1.0, False, (), None), (), exact=False)


def _row(name: str, claim: Claim, protocol: str, dataset: str, finding: Finding) -> Row:
    return Row(
        claim=name,
        where=claim.where,
        statement=claim.statement,
        how=_how(name, claim),
        paper=claim.figures,
        unstated=claim.unstated,
        protocol=protocol,
        dataset=dataset,
        ours=finding.ours,
        n=finding.n,
        verdict=None,
        reading=Verdict.UNDECIDED,
        p=None,
        p_holm=None,
        levels=(),
        reason="",
        needs=_needs(claim, ()),
        planned=claim.seeds,
        command=claim.decided_by,
    )


def _how(name: str, claim: Claim) -> str:
    """The rule's own words, and the numbers with which its seeds were chosen."""
    rules: dict[str, Callable[..., Finding]] = {**FROM_RUNS, **FROM_RECORD, **COMPUTED}
    words = " ".join((rules[name].__doc__ or "").split())
    return " ".join([words, *(comparison.text for comparison in claim.comparisons)])


def read_record(runs_root: Path, claim: Claim) -> dict[str, Any] | None:
    """The record of a computation, or None if there is none; UserError if it cannot be read."""
    path = Path(runs_root) / "mechanism" / f"{claim.record}.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); make it again with {claim.command}"
        ) from None
    return record


def as_data(rows: list[Row]) -> list[dict[str, Any]]:
    """The scorecard as plain values, for JSON and the page."""
    return [asdict(row) for row in rows]
