"""What a rule found: its conditions, the figures they rest on, and how sure both together are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from experiments.analysis.claims.conditions import Condition
from experiments.analysis.claims.samples import Arm, Sample
from experiments.analysis.statistics import UNPAIRED


@dataclass(frozen=True, eq=False)
class Finding:
    """What a rule found: its conditions, which must all hold, and the figures they rest on."""

    ours: tuple[str, ...]
    conditions: tuple[Condition, ...]
    n: int | None = None
    """The number of seeds that every cell has; None where seeds do not come into it."""
    seeds: tuple[int, ...] = ()
    """Those that every cell has."""
    samples: tuple[Sample, ...] = ()
    """Those whose level is compared with the paper's, or which must have learned something."""
    partly: str | None = None
    """Over what the claim holds, where that is less than it says."""
    notes: tuple[str, ...] = ()

    @property
    def p(self) -> float:
        """Of "one condition fails": the largest, which needs no correction."""
        return max(condition.p for condition in self.conditions)

    @property
    def p_not(self) -> float:
        """Of "all conditions hold": the smallest, times their number (Bonferroni)."""
        return min(1.0, len(self.conditions) * min(c.p_not for c in self.conditions))


def finding(
    arms: Iterable[Arm],
    conditions: Iterable[Condition],
    *,
    may_fail: Iterable[Arm] = (),
    notes: Iterable[str] = (),
) -> Finding:
    """The finding of a rule about ``arms``. Those of ``may_fail`` fail where the claim is true, and
    are asked for no level."""
    arms, failing = list(arms), list(may_fail)
    said = [*arms, *failing]
    ours = (
        f"{what}: {'; '.join(str(arm.best) for arm in said if arm.best.what == what)}"
        for what in dict.fromkeys(arm.best.what for arm in said)
    )
    every = [set(sample.seeds) for arm in said for sample in arm.samples]
    seeds = tuple(sorted(set.intersection(*every))) if every else ()
    n = len(seeds) if every else None
    samples = tuple(arm.best for arm in arms)
    said_too = [*notes, *_how_compared(said, n)]
    return Finding(tuple(ours), tuple(conditions), n, seeds, samples, notes=tuple(said_too))


def _how_compared(arms: Sequence[Arm], n: int | None) -> list[str]:
    """Whether seeds are paired, and why; of the quantities for which the section tells."""
    known = {arm.best.pairing for arm in arms if arm.best.pairing is not UNPAIRED}
    return [f"compared {pairing.text(n)}" for pairing in known] if len(arms) > 1 and n else []
