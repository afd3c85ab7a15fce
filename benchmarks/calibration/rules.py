"""How often the claims' comparisons say "supported" where they must not, and where they should.

A section of six methods at four rates, and the comparisons of
``experiments.analysis.claims.conditions`` with the two looks of ``looks``, as the scorecard takes
them. A comparison is asked with no effect at all, with one that lies at its margin (where
"supported" is just wrong), and with the paper's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.worlds import RATES, SD, WORLDS, Noise
from experiments.analysis.claims.conditions import (
    LEVEL,
    Condition,
    above,
    as_good,
    below,
    better,
    varies_more,
)
from experiments.analysis.claims.looks import FIRST_LOOK, SECOND_LOOK
from experiments.analysis.claims.samples import Arm, Sample
from experiments.analysis.statistics import Floats, pairing, typical_sd

SEEDS = (3, 5, 10)
LEAST, MARGIN = 0.3, 0.5
OTHERS = 4
"""Methods of the section beside the two that are compared: they tell how seeds behave."""

PEAKED, FLAT = (90.54, 90.4, 88.0, 84.0), (90.54,) * 4
RADAM, SGD = (90.2, 91.0, 91.38, 91.06), (88.3, 90.0, 91.0, 91.51)

Compare = Callable[[Arm, Arm], list[Condition]]


@dataclass(frozen=True)
class Question:
    """Two methods' true means, and what is asked of them."""

    a: tuple[float, ...]
    b: tuple[float, ...]
    ask: Compare
    most: float | None
    """How often "supported" may come out; None where it should, and the share is power."""


def _better(a: Arm, b: Arm) -> list[Condition]:
    return [better(a, b, LEAST)]


def _as_good(a: Arm, b: Arm) -> list[Condition]:
    return [as_good(a, b, MARGIN)]


def _alike(a: Arm, b: Arm) -> list[Condition]:
    return [as_good(a, b, MARGIN), as_good(b, a, MARGIN)]


def _varies(a: Arm, b: Arm) -> list[Condition]:
    return [varies_more(a, b, LEAST)]


def _above(a: Arm, b: Arm) -> list[Condition]:
    return [above(a.best, ONE[0])]


def _below(a: Arm, b: Arm) -> list[Condition]:
    return [below(a.best, ONE[0])]


def _plus(means: tuple[float, ...], by: float) -> tuple[float, ...]:
    return tuple(mean + by for mean in means)


ONE = (90.54,)

QUESTIONS: Mapping[str, Question] = {
    "better, no effect": Question(ONE, ONE, _better, 0.025),
    "better, at the margin": Question(_plus(ONE, LEAST), ONE, _better, 0.05),
    "better, by .84": Question(_plus(ONE, 0.84), ONE, _better, None),
    "best of 4 better, flat against peaked, no effect": Question(FLAT, PEAKED, _better, 0.025),
    "best of 4 better, flat against peaked, at the margin": Question(
        _plus(FLAT, LEAST), PEAKED, _better, 0.05
    ),
    "best of 4 better, RAdam against Adam (C07)": Question(RADAM, PEAKED, _better, None),
    "as good, at the margin": Question(_plus(ONE, -MARGIN), ONE, _as_good, 0.05),
    "as good, no difference": Question(ONE, ONE, _as_good, None),
    "best of 16 as good as best of 4, at the margin": Question(
        _plus(FLAT * 4, -MARGIN), FLAT, _as_good, 0.05
    ),
    "best of 4 as good as best of 16 (C11), at the margin": Question(
        _plus(FLAT, -MARGIN), FLAT * 4, _as_good, 0.05
    ),
    "alike, at the margin (X01)": Question(_plus(ONE, MARGIN), ONE, _alike, 0.05),
    "alike, no difference (X01)": Question(ONE, ONE, _alike, None),
    "above a limit, at it": Question(ONE, ONE, _above, 0.05),
    "below a limit, at it": Question(ONE, ONE, _below, 0.05),
    "varies more, both flat": Question(FLAT, FLAT, _varies, 0.025),
    "varies more, at the margin": Question((91.0, 90.7, 90.7, 90.7), FLAT, _varies, 0.05),
    "varies more, Adam against RAdam (C10)": Question(PEAKED, RADAM, _varies, None),
    "varies more, SGD against RAdam (C10)": Question(SGD, RADAM, _varies, None),
}


def supported(question: Question, noise: Noise, n: int, repetitions: int, seed: int = 0) -> Floats:
    """How often it is supported at the first look, with n seeds, and in one of both."""
    rng = np.random.default_rng([seed, n, len(question.a), len(question.b)])
    said = np.zeros(2)
    for _ in range(repetitions):
        a, b = _section(question, noise, 2 * n, rng)
        first, second = _p(question, a, b, n), _p(question, a, b, 2 * n)
        at_first = first <= FIRST_LOOK * LEVEL
        said += [at_first, at_first or second <= SECOND_LOOK * LEVEL]
    share: Floats = said / repetitions
    return share


def _section(
    question: Question, noise: Noise, n: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Scores (cells, seeds) of the two methods and, behind A's, those of the others."""
    cells = max(len(question.a), len(question.b), len(RATES))
    errors = SD * noise(rng, (2 + OTHERS, cells, n))
    a = np.array(question.a)[:, None] + errors[0, : len(question.a)]
    b = np.array(question.b)[:, None] + errors[1, : len(question.b)]
    return np.vstack([a, errors[2:].reshape(-1, n)]), b


def _p(question: Question, a: Floats, b: Floats, n: int) -> float:
    """Of "one of its conditions does not hold", from the first n seeds."""
    own, others = a[: len(question.a), :n], a[len(question.a) :, :n]
    every = np.vstack([own, b[:, :n], others])
    usual, pairs = typical_sd(every), pairing(every)

    def arm(name: str, table: Floats) -> Arm:
        return Arm(
            tuple(
                Sample(
                    name=f"{name}, α = {cell}",
                    lr=float(cell + 1),
                    what="test accuracy",
                    values=scores,
                    direction="max",
                    seeds=tuple(range(n)),
                    completed=np.ones(n, dtype=bool),
                    typical=usual,
                    pairing=pairs,
                )
                for cell, scores in enumerate(table)
            )
        )

    conditions = question.ask(arm("A", own), arm("B", b[:, :n]))
    return max(condition.p for condition in conditions)


def calibrate(repetitions: int) -> list[dict[str, object]]:
    """A row a question, world and number of seeds."""
    rows: list[dict[str, object]] = []
    for name, question in QUESTIONS.items():
        for world, noise in WORLDS.items():
            for n in SEEDS:
                first, both = supported(question, noise, n, repetitions)
                row = {"question": name, "world": world, "seeds": n, "most": question.most}
                rows.append({**row, "supported": first, "in_both_looks": both})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Markdown: a question a line, at the first look / at one of both. Where "supported" is wrong:
    the most over the worlds; where it is right: in the normal one, and in brackets the least."""
    lines = ["| comparison | may be | n = 3 | 5 | 10 |", "|---|---|---|---|---|"]
    for name, question in QUESTIONS.items():
        cells = []
        for n in SEEDS:
            own = [r for r in rows if (r["question"], r["seeds"]) == (name, n)]
            if question.most is not None:
                cells.append(_looks(own, max))
            else:
                normal = [row for row in own if row["world"] == "normal"]
                cells.append(f"{_looks(normal, min)} ({_looks(own, min)})")
        allowed = f"≤ {question.most}" if question.most is not None else "power"
        lines.append(f"| {name} | {allowed} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _looks(rows: list[dict[str, object]], of: Callable[[list[float]], float]) -> str:
    shares = (of([float(str(row[k])) for row in rows]) for k in ("supported", "in_both_looks"))
    return " / ".join(f"{share:.3f}" for share in shares)
