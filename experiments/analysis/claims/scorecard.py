"""All claims against a store: one row a claim and section, and one for each that has not run."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.analysis.cells import Section
from experiments.analysis.claims import images, language, mechanism
from experiments.analysis.claims.evidence import Evidence
from experiments.analysis.claims.paper import Claim, paper
from experiments.analysis.claims.rules import Condition, Finding, NotRun, Unclear, Verdict
from experiments.analysis.wording import DECIDING, decides
from experiments.errors import UserError
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

NO_RUNS = {*FROM_RECORD, *COMPUTED}
"""The claims that mathematics and simulation decide."""


@dataclass(frozen=True)
class Row:
    """One line of the scorecard."""

    claim: str
    where: str
    statement: str
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
    reason: str
    command: str
    """What would decide it."""


def scorecard(found: list[Section], runs_root: Path) -> list[Row]:
    """Every claim at least once, in order.

    ``found``: the store's sections. ``runs_root``: where the records of the mechanism lie.
    """
    return [
        row
        for name, claim in paper().claims.items()
        for row in _rows(name, claim, found, runs_root)
    ]


def _rows(name: str, claim: Claim, found: list[Section], runs_root: Path) -> list[Row]:
    if name in COMPUTED:
        return [_row(name, claim, "computed", "none needed", COMPUTED[name](), True)]
    if name in FROM_RECORD:
        record = read_record(runs_root, claim)
        if record is None:
            return [_not_run(name, claim, "simulation", "none needed", f"no {claim.record}.json")]
        finding = _decide(FROM_RECORD[name], record)
        return [_row(name, claim, "simulation", "none needed", finding, True)]
    rows = list(_from_sections(name, claim, found))
    if not any(row.verdict for row in rows):
        reason = "no run of the paper's setting on its data"
        rows.insert(0, _not_run(name, claim, " or ".join(DECIDING), "real", reason))
    return rows


def _from_sections(name: str, claim: Claim, found: list[Section]) -> Iterator[Row]:
    rule = FROM_RUNS[name]
    for section in found:
        if section.task != claim.task:
            continue
        deciding = decides(section.task, section.protocol, section.dataset)
        left_out = 0
        if deciding:
            differs = paper().unlike(section.runs, section.task, section.protocol)
            left_out = int(differs.sum())
            section = section.keep(~differs)
        finding = _decide(rule, Evidence(section, deciding))
        if finding.verdict is Verdict.NOT_RUN and not deciding:
            continue  # a claim needs no line for each kind of run that does not bear on it
        protocol = " ".join([section.protocol, *(f"{k}={v}" for k, v in section.settings)])
        row = _row(name, claim, protocol, section.dataset, finding, deciding)
        if left_out:
            note = f"{left_out} runs left out: their settings are not the {section.protocol}'s"
            row = Row(**{**vars(row), "reason": f"{row.reason}; {note}"})
        yield row


def _decide(rule: Callable[[Any], Finding], material: Any) -> Finding:
    try:
        return rule(material)
    except NotRun as missing:
        part = Condition(Verdict.NOT_RUN, f"missing: {missing}")
    except (Unclear, DamagedRecords) as unclear:
        part = Condition(Verdict.UNDECIDED, str(unclear))
    return Finding(part.verdict, (), (part,), None)


def _row(
    name: str, claim: Claim, protocol: str, dataset: str, finding: Finding, deciding: bool
) -> Row:
    return Row(
        claim=name,
        where=claim.where,
        statement=claim.statement,
        paper=claim.figures,
        unstated=claim.unstated,
        protocol=protocol,
        dataset=dataset,
        ours=finding.ours,
        n=finding.n,
        verdict=finding.verdict if deciding else None,
        reading=finding.verdict,
        reason=_because(finding),
        command=claim.decided_by,
    )


def _because(finding: Finding) -> str:
    if len(finding.parts) == 1:
        return finding.parts[0].text
    return "; ".join(f"{part.verdict}: {part.text}" for part in finding.parts)


def _not_run(name: str, claim: Claim, protocol: str, dataset: str, reason: str) -> Row:
    finding = Finding(Verdict.NOT_RUN, (), (Condition(Verdict.NOT_RUN, reason),), None)
    return _row(name, claim, protocol, dataset, finding, True)


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
