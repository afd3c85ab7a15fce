"""The stand-in for translation: numbers, dates and amounts in English and German words.

Real language in small: German says units before tens and moves the date to the front, numbers
are composed of parts seen before. Drawn from a fixed seed, so the same on every machine; the
values of the held-out pairs (each number, each day) never occur in training.
"""

import random
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

from experiments.tasks.translation.corpus import Corpus, Part, Source
from experiments.tasks.translation.parallel_text import Pair

LANGUAGES = ("en", "de")
PAIRS = {"train": 8_000, "valid": 400, "test": 400}
MERGES = 300
SEED = 1

LARGEST = 10_000
FIRST_DAY, DAYS = date(1900, 1, 1), 47_000

FRAMES = (
    ("{amount} are due on {day} .", "am {day} sind {amount} fällig ."),
    ("on {day} we counted {number} of them .", "am {day} zählten wir {number} davon ."),
    ("number {number} was sold for {amount} .", "nummer {number} wurde für {amount} verkauft ."),
    ("{number} is less than {number2} .", "{number} ist weniger als {number2} ."),
)


def source(*, joined: bool = False) -> Source:
    """The stand-in as something to prepare; ``joined``: with one dictionary for both languages."""
    return Source(
        key=f"written-numbers{'-joined' if joined else ''}-{_versions()}",
        name="STAND-IN (written numbers)",
        where="num2words and Babel",
        files=(Path(__file__),),
        read=lambda work: corpus(joined),
    )


def _versions() -> str:
    """Of what writes the numbers: another might write them otherwise."""
    return "-".join(version(library) for library in ("num2words", "babel"))


def corpus(joined: bool) -> Corpus:
    """The stand-in's pairs, English first."""
    return Corpus(
        languages=LANGUAGES,
        splits={split: (Part(list(pairs(split)), _same),) for split in PAIRS},
        tests=("test",),
        merges=MERGES,
        joined=joined,
    )


def _same(pair: Pair) -> Pair:
    return pair


def pairs(split: str) -> Iterator[Pair]:
    """The pairs of a split: lower-case tokens, none twice."""
    rng = random.Random(f"{SEED} {split}")
    seen = set[Pair]()
    while len(seen) < PAIRS[split]:
        english, german = rng.choice(FRAMES)
        values = {
            "amount": _amount(_draw(rng, LARGEST, split), rng.choice((0, 5, 20, 50, 99))),
            "number": _number(_draw(rng, LARGEST, split)),
            "number2": _number(_draw(rng, LARGEST, split)),
            "day": _day(_draw(rng, DAYS, split)),
        }
        first, second = (
            " ".join(frame.format(**{k: v[side] for k, v in values.items()}).split()).lower()
            for side, frame in enumerate((english, german))
        )
        pair = first, second
        if pair not in seen:
            seen.add(pair)
            yield pair


def _draw(rng: random.Random, stop: int, split: str) -> int:
    """A value below ``stop`` that belongs to the split, as one in ten does to each held-out one."""
    while True:
        value = rng.randrange(stop)
        share = zlib.crc32(str(value).encode()) % 10
        if split == {0: "valid", 1: "test"}.get(share, "train"):
            return value


def _number(value: int) -> Pair:
    return _words(value, "en"), _words(value, "de")


def _amount(euros: int, cents: int) -> Pair:
    english, german = f"{_words(euros, 'en')} euros", f"{_words(euros, 'de')} euro"
    if cents:
        english += f" and {_words(cents, 'en')} cents"
        german += f" und {_words(cents, 'de')} cent"
    return english, german


def _day(offset: int) -> Pair:
    """A day with its weekday; Babel has the names, num2words the ordinals and the years."""
    from babel.dates import format_date

    day = FIRST_DAY + timedelta(days=offset)
    english, german = (
        format_date(day, "EEEE # MMMM", locale=locale).split(" # ") for locale in ("en", "de")
    )
    return (
        f"{english[0]} , the {_words(day.day, 'en', 'ordinal')} of {english[1]} "
        f"{_words(day.year, 'en', 'year')}",
        f"{german[0]} , dem {_words(day.day, 'de', 'ordinal')}n {german[1]} "
        f"{_words(day.year, 'de', 'year')}",
    )


def _words(value: int, language: str, to: str = "cardinal") -> str:
    from num2words import num2words

    return str(num2words(value, lang=language, to=to)).replace(",", " ,")
