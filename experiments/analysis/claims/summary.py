"""What was found, claim by claim: the rows of a claim together, and the few words for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.analysis.claims.looks import seeds_needed
from experiments.analysis.claims.paper import paper
from experiments.analysis.claims.scorecard import NO_RUNS, Row
from experiments.analysis.claims.verdict import Verdict

DECIDED = (
    Verdict.SUPPORTED,
    Verdict.PARTLY,
    Verdict.BELOW_LEVEL,
    Verdict.NOT_SUPPORTED,
)

PARTS: dict[str, Callable[[str], bool]] = {
    "Of the paper's claims that take runs": lambda name: name[0] == "C" and name not in NO_RUNS,
    "Of those that mathematics or simulation decides": lambda name: name in NO_RUNS,
    "Of what others found about it": lambda name: name[0] == "X",
}


@dataclass(frozen=True)
class Judged:
    """One claim, of all its rows that decide."""

    claim: str
    rows: tuple[Row, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The different ones, those that decide first."""
        found = [row.verdict for row in self.rows if row.verdict is not None]
        return tuple(verdict for verdict in Verdict if verdict in found)

    @property
    def disagree(self) -> bool:
        """Whether two settings (``paper`` and ``recipe``, say) decide it differently."""
        return sum(verdict in DECIDED for verdict in self.verdicts) > 1

    @property
    def verdict(self) -> Verdict:
        """That of the rows; undecided where they disagree."""
        decided = [verdict for verdict in self.verdicts if verdict in DECIDED]
        if len(decided) == 1:
            return decided[0]
        return Verdict.UNDECIDED if decided else self.verdicts[0]


def judged(rows: Sequence[Row]) -> dict[str, Judged]:
    """The claims by name, in order."""
    names = dict.fromkeys(row.claim for row in rows)
    return {name: Judged(name, tuple(r for r in rows if r.claim == name)) for name in names}


def opening(rows: Sequence[Row]) -> str:
    """How many claims stand how, which settings disagree, and how many tests were paid for."""
    claims = judged(rows)
    lines = []
    for what, belongs in PARTS.items():
        found = [claim for name, claim in claims.items() if belongs(name)]
        lines.append(f"{what}: {_counted(found)}.")
    for claim in claims.values():
        if claim.disagree:
            said = "; ".join(f"{r.protocol}: {r.verdict}" for r in claim.rows if r.verdict)
            lines.append(f"{claim.claim}: settings disagree ({said}).")
    tested = sum(row.p_holm is not None for row in rows)
    if tested:
        lines.append(_tests(tested))
    return " ".join(lines)


def _tests(number: int) -> str:
    """How many claims were put to a test of chance."""
    if number == 1:
        return "One test of chance, with no others to adjust it for."
    return f"{number} tests of chance, adjusted for their number (Holm)."


def _counted(claims: Sequence[Judged]) -> str:
    counts = {
        verdict: [c.claim for c in claims if c.verdict is verdict and not c.disagree]
        for verdict in Verdict
    }
    texts = [
        f"{len(names)} {verdict}{_named(verdict, names)}"
        for verdict, names in counts.items()
        if names
    ]
    several = [claim.claim for claim in claims if claim.disagree]
    if several:
        texts.append(f"{len(several)} disagreeing ({', '.join(several)})")
    return ", ".join(texts)


def _named(verdict: Verdict, names: Sequence[str]) -> str:
    """Which, of the few that were decided."""
    return f" ({', '.join(names)})" if verdict is not Verdict.NOT_RUN else ""


def missing_runs(rows: Sequence[Row]) -> str | None:
    """Which claims have not run, and how many runs they take; None where all have."""
    missing = [c for c in judged(rows).values() if c.verdict is Verdict.NOT_RUN]
    wanted: dict[tuple[str, tuple[str, ...]], int] = {}
    for name in (claim.claim for claim in missing):
        claim = paper().claims[name]
        if claim.experiment is not None and claim.seeds is not None:
            key = claim.experiment, claim.optimizers or ()
            wanted[key] = max(wanted.get(key, 0), claim.cells * claim.seeds)
    if not wanted:
        return None
    names = dict.fromkeys(experiment for experiment, _ in wanted)
    return (
        f"Missing: the runs of {len(missing)} claims, at most {sum(wanted.values())} at the "
        f"paper's size in {len(names)} experiments ({', '.join(names)}); some are in several. "
        "`python -m experiments.sweep plan experiment=NAME protocol=paper` says what each costs on "
        "a machine."
    )


def seeds_of_claims(experiment: str, optimizers: set[str], seeds: int) -> list[str]:
    """What a grid of so many seeds a cell can say of each claim that the experiment decides."""
    said = []
    for name, claim in paper().claims.items():
        decided = experiment in (claim.experiment, *claim.also)
        if claim.seeds is None or not decided or set(claim.optimizers or ()) - optimizers:
            continue
        needs = [seeds_needed(claim, power) for power in (0.8, 0.95)]
        first, second = (str(n or "over 1,000") for n in needs)
        power = f"{first} have 80 % power, {second} have 95 %, at an assumed SD"
        enough = "" if seeds >= claim.seeds else f"; this grid has {seeds}, which decides nothing"
        said.append(f"{name} takes {claim.seeds} seeds a cell ({power}){enough}")
    return said
