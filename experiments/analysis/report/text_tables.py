"""The tables of a section in words: once, for the terminal, the report, LaTeX and the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from experiments.analysis.cells import SCORES, SUBJECT, Cell, Grid, Method, Section
from experiments.analysis.comparisons import Comparison, Comparisons, budgets
from experiments.analysis.robustness import Robustness, robustness
from experiments.analysis.statistics import LOG, Estimate, number, probability_of_improvement
from experiments.analysis.style import title
from experiments.analysis.times import Race, TimeToTarget, race
from experiments.analysis.wording import metric_title, rate

ROBUSTNESS = {
    "best": "best mean",
    "lost": "lost at\nnext best α",
    "spread": "spread",
    "plateau": "plateau,\ndecades",
    "expected": "expected",
    "beaten": "P(RAdam\nbetter)",
}
"""Columns of the robustness numbers, explained in the report."""


@dataclass(frozen=True)
class Words:
    """A cell of a table."""

    lines: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True)
class TextTable:
    """A table with a row a method. A name in a heading may have two lines."""

    name: str
    title: str
    header: tuple[str, ...]
    """Of the columns after the first, which names the method."""
    rows: tuple[tuple[Method, tuple[Words, ...]], ...]


@dataclass(frozen=True)
class SectionTables:
    """What the report shows of a section's scores."""

    cells: TextTable
    robustness: TextTable
    comparisons: TextTable | None
    interaction: str
    """What the test of interaction and the one of pairing say; "" where there is nothing to say."""
    budget: TextTable | None

    @property
    def tables(self) -> list[TextTable]:
        """Those that there are."""
        every = (self.cells, self.robustness, self.comparisons, self.budget)
        return [table for table in every if table is not None]


def section_tables(section: Section, target: float | None = None) -> SectionTables | None:
    """The cells of all kinds of score; the other tables of the first kind that there is. None
    without a score. ``target``: of the times; None: as the section suggests (`times.race`)."""
    if not (kinds := section.kinds()):
        return None
    first, *others = kinds
    grid = section.grid(first)
    compared = Comparisons(grid)
    seeds = max((cell.n for cell in grid.cells.values()), default=0)
    said = [interaction_text(compared)]
    if len(compared.lrs) > 1 and seeds > 1:
        said.append(f"Expected scores are compared {compared.pairing.text(seeds)}.")
    return SectionTables(
        cells=cells_table(section, first, others),
        robustness=robustness_table(grid, first),
        comparisons=comparisons_table(compared, first),
        interaction=" ".join(text for text in said if text),
        budget=budget_table(compared, race(section, grid, target), first),
    )


def cells_table(section: Section, kind: str, others: Sequence[str] = ()) -> TextTable:
    """Optimizer × α: mean, interval, n, what went wrong; each method's best α stands out. Of the
    ``others``, kinds of score too, a mean stands beside it where it differs."""
    grid = section.grid(kind)
    beside = {other: section.grid(other) for other in others}
    rows = []
    for method in grid.methods:
        best, row = grid.best(method), []
        for lr in grid.lrs:
            cell = grid.cells.get((method, lr))
            lines = [*cell_text(cell, grid), *_where_different(cell, grid, beside)]
            row.append(Words(tuple(lines), strong=cell is not None and cell is best))
        rows.append((method, tuple(row)))
    average = f"{grid.scale.average} of completed runs, 95 % interval, n"
    heading = f"test {metric_title(section.metric)}, {SCORES[kind]}: {average}"
    return TextTable("cells", heading, tuple(f"α = {rate(lr)}" for lr in grid.lrs), tuple(rows))


def robustness_table(grid: Grid, kind: str, columns: Iterable[str] = ROBUSTNESS) -> TextTable:
    """The robustness numbers of every method with runs; ``columns``: keys of ROBUSTNESS."""
    columns, rows = list(columns), []
    for numbers in robustness(grid):
        texts = robustness_text(numbers, grid)
        rows.append((numbers.method, tuple(Words(tuple(texts[key])) for key in columns)))
    heading = f"learning-rate robustness, {SCORES[kind]}, α from {_range(grid)}"
    header = tuple(ROBUSTNESS[key] for key in columns)
    return TextTable("robustness", heading, header, tuple(rows))


def comparisons_table(found: Comparisons, kind: str) -> TextTable | None:
    """Every method against RAdam and against the best of all others; None for one method."""
    if len(found.methods) < 2:
        return None
    sign, subject = "÷" if found.grid.scale is LOG else "−", found.subject
    header, rows = [], []
    if subject is not None:
        name = title(SUBJECT)
        header = [f"{what} {sign}\n{name}'s" for what in ("best", "expected", "spread")]
    header += [f"{what} {sign} best\nof the others" for what in ("best", "expected")]
    for method in found.methods:
        row: list[list[str]] = []
        if subject is not None:
            own = None if method == subject else found.pair(method, subject)
            row += _compared(own, "best", "expected", "spread")
        row += _compared(found.from_the_best(method), "best", "expected")
        rows.append((method, tuple(Words(tuple(lines)) for lines in row)))
    heading = f"methods against each other, {SCORES[kind]}"
    return TextTable("comparisons", heading, tuple(header), tuple(rows))


def budget_table(found: Comparisons, raced: Race | None, kind: str) -> TextTable | None:
    """The best score after so many tried rates, the best of all methods standing out, and the time
    to the target; None where there is neither."""
    tried = [k for k in budgets(found.most_rates) if any(found.budget(m, k) for m in found.methods)]
    if not tried and raced is None:
        return None
    header = [f"best of {k}\ntried α" for k in tried]
    if raced is not None:
        target = f"{raced.split} {number(raced.target)}"
        header += [f"updates to\n{target}", "seconds", "× RAdam's\nupdates", "runs that\nreach it"]
    choose = max if found.grid.direction == "max" else min
    first = {k: choose(b.value for m in found.methods if (b := found.budget(m, k))) for k in tried}
    times = {row.method: row for row in raced.methods} if raced is not None else {}
    rows = []
    for method in found.methods:
        row = []
        for k in tried:
            best = found.budget(method, k)
            strong = best is not None and best.value == first[k]
            row.append(Words(tuple(_lines(best)), strong))
        if raced is not None:
            row += _time_words(times.get(method))
        rows.append((method, tuple(row)))
    heading = f"what tuning and time buy, {SCORES[kind]}"
    return TextTable("budget", heading, tuple(header), tuple(rows))


def interaction_text(found: Comparisons) -> str | None:
    """Whether which optimizer is better depends on α; None where it cannot be tested."""
    p = found.interaction
    if p is None:
        return None
    said = f"p = {p:.2g}" if p >= 1e-4 else "p < .0001"
    if found.left_out:
        said += f"; without {', '.join(method.label for method in found.left_out)}"
    if p < 0.05:
        return f"Optimizer and α interact ({said}): how far one is ahead of another depends on α."
    return f"No interaction of optimizer and α is seen ({said})."


def cell_text(cell: Cell | None, grid: Grid) -> list[str]:
    """Mean of the completed runs, its interval, n and what went wrong, as short lines."""
    if cell is None:
        return ["not run"]
    if not cell.n:
        return [f"{cell.unscored} without a score"]
    if cell.all_diverged:
        return ["diverged", f"{cell.diverged} of {cell.n}"]
    lines = [*_lines(grid.mean(cell)), f"n = {cell.n - cell.diverged}"]
    if cell.diverged:
        lines.append(f"{cell.diverged} of {cell.n} diverged{_percent(cell.how_often)}")
    if cell.at_chance:
        lines.append(f"{cell.at_chance} at chance")
    if cell.unscored:
        lines.append(f"{cell.unscored} without a score")
    return lines


def robustness_text(numbers: Robustness, grid: Grid) -> dict[str, list[str]]:
    """The numbers by the keys of ROBUSTNESS, as short lines; "–" where a grid of one α has none."""
    best = [*_lines(numbers.best), f"at {rate(numbers.best_lr)}"]
    if numbers.diverged:
        best.append(f"{numbers.diverged} diverged")
    if numbers.missing:
        best.append(f"not at {', '.join(rate(lr) for lr in numbers.missing)}")
    plateau, spread, lost = (
        _lines(each) for each in (numbers.plateau, numbers.spread, numbers.lost)
    )
    if grid.scale is LOG:
        spread[0], lost[0] = f"× {spread[0]}", f"× {lost[0]}"
    if numbers.next_lr is not None:
        lost.append(f"at {rate(numbers.next_lr)}")
    if numbers.plateau is not None and numbers.open_ended and numbers.plateau.value > 0:
        plateau[0] = f"≥ {plateau[0]}"
    return {
        "best": best,
        "lost": lost,
        "spread": spread,
        "plateau": plateau,
        "expected": _lines(numbers.expected),
        "beaten": _lines(beaten_by_radam(numbers.method, grid)),
    }


def beaten_by_radam(method: Method, grid: Grid) -> Estimate | None:
    """How probable it is that a run of RAdam beats one of the method, over α and seeds of both."""
    radam = [m for m in grid.methods if m.optimizer == SUBJECT]
    if len(radam) != 1 or method.optimizer == SUBJECT:
        return None
    ours = {cell.lr: dict(zip(cell.seeds, cell.scores, strict=True)) for cell in grid.row(radam[0])}
    pairs = []
    for cell in grid.row(method):
        theirs = dict(zip(cell.seeds, cell.scores, strict=True))
        shared = sorted(theirs.keys() & ours.get(cell.lr, {}).keys())
        if shared:
            pairs.append(([ours[cell.lr][s] for s in shared], [theirs[s] for s in shared]))
    if not pairs:
        return None
    return probability_of_improvement([x for x, _ in pairs], [y for _, y in pairs], grid.direction)


def _where_different(cell: Cell | None, grid: Grid, beside: dict[str, Grid]) -> list[str]:
    """The other kinds of score of a cell, each in one line, where they say something else."""
    found = []
    for kind, other in beside.items():
        same = None if cell is None else other.cells.get((cell.method, cell.lr))
        if cell is None or same is None or cell_text(same, other) == cell_text(cell, grid):
            continue
        lines = _lines(other.mean(same))
        interval = f" ({lines[1]})" if len(lines) > 1 else ""
        found.append(f"{SCORES[kind]}: {lines[0]}{interval}")
    return found


def _compared(found: Comparison | None, *names: str) -> list[list[str]]:
    return [_lines(getattr(found, name, None), " to ") for name in names]


def _time_words(found: TimeToTarget | None) -> list[Words]:
    if found is None:
        return [Words(("–",))] * 4
    updates, seconds = (_lines(each, digits=0) for each in (found.updates, found.seconds))
    updates.append(f"at α = {rate(found.lr)}")
    runs = f"{found.runs} of {found.reached.n}{_percent(found.reached)}"
    columns = [updates, seconds, _lines(found.against), [runs]]
    return [Words(tuple(lines)) for lines in columns]


def _lines(estimate: Estimate | None, dash: str = "–", digits: int = 2) -> list[str]:
    """The value, and its interval if it has one."""
    if estimate is None:
        return ["–"]
    lines = [number(estimate.value, digits)]
    if estimate.low is not None and estimate.high is not None:
        lines.append(f"{number(estimate.low, digits)}{dash}{number(estimate.high, digits)}")
    return lines


def _percent(share: Estimate | None) -> str:
    """The interval of a share; "" without one."""
    if share is None or share.low is None or share.high is None:
        return ""
    return f" ({100 * share.low:.0f}–{100 * share.high:.0f} %)"


def _range(grid: Grid) -> str:
    lrs = [cell.lr for cell in grid.cells.values() if cell.n]
    return f"{rate(min(lrs))} to {rate(max(lrs))}" if lrs else "none"
