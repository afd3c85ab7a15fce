"""Tables as LaTeX, for ``\\input`` into a paper: booktabs and nothing else."""

from collections.abc import Sequence

from experiments.analysis.claims import Row
from experiments.analysis.report.scorecard import verdict_text
from experiments.analysis.report.text_tables import TextTable, Words

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "×": r"$\times$",
    "÷": r"$\div$",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "∞": r"$\infty$",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "√": r"$\surd$",
    "≠": r"$\neq$",
    "…": r"\ldots{}",
    "§": r"\S{}",
    "²": r"$^2$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "ε": r"$\varepsilon$",
    "θ": r"$\theta$",
    "Δ": r"$\Delta$",
    "μ": r"$\mu$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
    "φ": r"$\varphi$",
    "χ": r"$\chi$",
    "ψ": r"$\psi$",
    "ω": r"$\omega$",
    "Σ": r"$\Sigma$",
}


def escape(text: str) -> str:
    """Free text so that LaTeX sets it as it stands; letters of any alphabet are left to it."""
    return "".join(_SPECIAL.get(sign, sign) for sign in text)


def latex(found: TextTable, of: str) -> str:
    """A ``tabular`` with its packages, title and section ``of`` in comments above."""
    header = [_stacked(("optimizer",)), *(_stacked(name.split("\n")) for name in found.header)]
    lines = [
        [escape(method.label), *(_stacked(word.lines, word) for word in words)]
        for method, words in found.rows
    ]
    columns = "l" + "r" * len(found.header)
    return _tabular(columns, header, lines, f"{of}: {found.title}")


def claims_latex(rows: Sequence[Row]) -> str:
    """The scorecard: claim, statement, what the runs say, verdict."""
    header = ["claim", "statement", "ours", "setting", "verdict"]
    lines = [
        [
            escape(text)
            for text in (
                f"{row.claim}, {row.where}",
                row.statement,
                "; ".join(row.ours) or "–",
                f"{row.protocol}, {row.dataset}",
                verdict_text(row),
            )
        ]
        for row in rows
    ]
    columns = r"lp{.35\linewidth}p{.25\linewidth}ll"
    return _tabular(columns, header, lines, "the paper's claims")


def _tabular(
    columns: str, header: Sequence[str], lines: Sequence[Sequence[str]], title: str
) -> str:
    said = title.replace("\n", " ")
    body = [f"{' & '.join(line)} \\\\" for line in lines]
    return "\n".join(
        [
            f"% {said}",
            r"% \usepackage{booktabs}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            f"{' & '.join(header)} \\\\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _stacked(lines: Sequence[str], word: Words | None = None) -> str:
    first, *rest = (escape(line) for line in lines)
    if word is not None and word.strong:
        first = rf"\textbf{{{first}}}"
    stacked = " \\\\ ".join([first, *rest])
    return rf"\shortstack[r]{{{stacked}}}" if rest else first
