"""What a rule may say of a claim, and what keeps it from saying anything."""

from enum import StrEnum


class Verdict(StrEnum):
    """What a rule says; in the words of docs/statistics.md."""

    SUPPORTED = "supported"
    PARTLY = "partly"
    """It holds over a part of what the claim says; the row says which."""
    BELOW_LEVEL = "below the paper's level"
    """The comparison holds, but of models far worse than the paper's: it supports nothing."""
    NOT_SUPPORTED = "not supported"
    UNDECIDED = "undecided"
    NOT_RUN = "not run"


class NotRun(Exception):
    """What a rule needs is not in the store; the message says what."""


class Unclear(Exception):
    """The store has more than one thing that the rule could mean; the message says which."""
