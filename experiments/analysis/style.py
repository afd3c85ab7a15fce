"""One colour, symbol and dash per optimizer, the same in every figure, page and dashboard.

The solid ones, the paper's six, are told apart by hue under the three common kinds of colour
blindness (tested by simulation); all by symbol and dash too, so nothing hangs on colour alone.
Every colour has a contrast of at least 2.5 on white and on near-black, so one table serves light
and dark. An optimizer that has no style here gets one that is left.
"""

import colorsys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from radam.zoo import ZOO

MARKERS: Mapping[str, str | tuple[int, int, int]] = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "diamond-tall": "d",
    "cross": "P",
    "x": "X",
    "triangle-up": "^",
    "triangle-down": "v",
    "triangle-left": "<",
    "triangle-right": ">",
    "pentagon": "p",
    "hexagon": "h",
    "hexagon2": "H",
    "star": "*",
    "octagon": "8",
    "hexagram": (6, 1, 0),
    "star-square": (4, 1, 45),
    "star-diamond": (4, 1, 0),
    "star-triangle-up": (3, 1, 0),
    "star-triangle-down": (3, 1, 180),
}
"""The symbols that both Plotly (by these names) and matplotlib (by these markers) draw."""


@dataclass(frozen=True)
class Style:
    """How an optimizer is drawn.

    Attributes:
        colour: ``#RRGGBB``.
        symbol: a key of `MARKERS`; None: lines alone.
        dash: lengths of lines and gaps in points; (): solid.
    """

    colour: str
    symbol: str | None
    dash: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a symbol that not all can draw. Raises ValueError."""
        if self.symbol is not None and self.symbol not in MARKERS:
            raise ValueError(
                f"symbol {self.symbol!r} is unknown; write one of {', '.join(MARKERS)}"
            )

    @property
    def marker(self) -> str | tuple[int, int, int]:
        """The symbol for matplotlib."""
        return MARKERS[self.symbol] if self.symbol is not None else ""


STYLES: Mapping[str, Style] = {
    "sgd": Style("#009E73", "square"),
    "adam": Style("#0072B2", "triangle-down"),
    "adam_warmup": Style("#E08A00", "diamond"),
    "adam_2k": Style("#CC78BC", "triangle-up"),
    "adam_eps": Style("#42A5E8", "cross"),
    "radam": Style("#D1410C", "circle"),
    "radam_4step": Style("#F2707A", "x", (4, 1.5)),
    "adam_untuned_linear": Style("#707070", "triangle-right", (4, 1.5)),
    "adam_untuned_exponential": Style("#9A9A9A", "triangle-left", (1.5, 1.5)),
    "adamw": Style("#6A5ACD", "diamond-tall", (4, 1.5)),
    "amsgrad": Style("#9B2C6F", "hexagon", (4, 1.5, 1, 1.5)),
    "adagrad": Style("#6B6B00", "pentagon", (1.5, 1.5)),
    "adadelta": Style("#A07B5B", "hexagon2", (1.5, 1.5)),
    "rmsprop": Style("#8F8F00", "star", (4, 1.5)),
}
"""Styles that were chosen; an optimizer needs none."""

_CHOSEN = {chosen.symbol for chosen in STYLES.values()}
_LEFT = tuple(symbol for symbol in MARKERS if symbol not in _CHOSEN) or tuple(MARKERS)
_DASHES = ((4, 1.5), (1.5, 1.5), (4, 1.5, 1, 1.5), (6, 1.5), (6, 1.5, 1.5, 1.5), (2.5, 1))
_GOLDEN = (5**0.5 - 1) / 2

SUPPORTED, PARTLY, NOT_SUPPORTED = "#009E73", "#0072B2", "#D1410C"
UNDECIDED, NOT_RUN = "#E08A00", "#808080"
"""Colours of the verdicts."""


def style(optimizer: str) -> Style:
    """The style of an optimizer: the chosen one, or one that is left.

    Those of the zoo that have none take what is left in the zoo's order. A store may hold others
    too, from another version of the zoo; their names alone decide.
    """
    if optimizer in STYLES:
        return STYLES[optimizer]
    without = [name for name in ZOO if name not in STYLES]
    known = optimizer in without
    return _left(without.index(optimizer) if known else zlib.crc32(optimizer.encode()))


def _left(number: int) -> Style:
    """A symbol that no chosen style has, a dash, and a muted hue far from those of its neighbours.

    Symbol and dash are the same again after all pairs of them, the hue never.
    """
    rest, symbol = divmod(number, len(_LEFT))
    red, green, blue = colorsys.hls_to_rgb(number * _GOLDEN % 1, 0.47, 0.35)
    colour = "#" + "".join(f"{round(255 * part):02X}" for part in (red, green, blue))
    return Style(colour, _LEFT[symbol], _DASHES[rest % len(_DASHES)])


def title(optimizer: str) -> str:
    """The name for people, from the zoo (``Adam+warmup``)."""
    return ZOO[optimizer].title if optimizer in ZOO else optimizer
