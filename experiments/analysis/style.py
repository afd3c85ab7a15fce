"""One colour, marker and dash per optimizer, the same in every figure, page and dashboard.

The paper's six are told apart by hue under the three common kinds of colour blindness (tested by
simulation); all fourteen by marker and dash too, so nothing hangs on colour alone. Every colour
has a contrast of at least 2.5 on white and on near-black, so one table serves light and dark.
"""

from dataclasses import dataclass

from radam.zoo import ZOO


@dataclass(frozen=True)
class Style:
    """How an optimizer is drawn: an RGB colour, a matplotlib marker, a dash pattern in points."""

    colour: str
    marker: str
    dash: tuple[float, ...] = ()


STYLES = {
    "sgd": Style("#009E73", "s"),
    "adam": Style("#0072B2", "v"),
    "adam_warmup": Style("#E08A00", "D"),
    "adam_2k": Style("#CC78BC", "^"),
    "adam_eps": Style("#42A5E8", "P"),
    "radam": Style("#D1410C", "o"),
    "radam_4step": Style("#F2707A", "X", (4, 1.5)),
    "adam_untuned_linear": Style("#707070", ">", (4, 1.5)),
    "adam_untuned_exponential": Style("#9A9A9A", "<", (1.5, 1.5)),
    "adamw": Style("#6A5ACD", "d", (4, 1.5)),
    "amsgrad": Style("#9B2C6F", "h", (4, 1.5, 1, 1.5)),
    "adagrad": Style("#6B6B00", "p", (1.5, 1.5)),
    "adadelta": Style("#A07B5B", "H", (1.5, 1.5)),
    "rmsprop": Style("#8F8F00", "*", (4, 1.5)),
}
"""In the order in which optimizers are listed everywhere."""

UNKNOWN = Style("#808080", ".", (1, 2))
"""An optimizer that has no style yet."""

SUPPORTED, NOT_SUPPORTED, UNDECIDED, NOT_RUN = "#009E73", "#D1410C", "#E08A00", "#808080"
"""Colours of the verdicts."""


def style(optimizer: str) -> Style:
    """The style of an optimizer of the zoo; grey for one that has none yet."""
    return STYLES.get(optimizer, UNKNOWN)


def title(optimizer: str) -> str:
    """The name for people, from the zoo (``Adam+warmup``)."""
    return ZOO[optimizer].title if optimizer in ZOO else optimizer
