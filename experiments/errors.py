"""The one exception that means: the person can mend this."""


class UserError(Exception):
    """Bad input, missing data or an impossible combination.

    The message says in one line or one short paragraph what is wrong, where, and what to do.
    Entry points print it without a traceback and exit with code 2.
    """


class ToldElsewhere(UserError):
    """A mistake that another process of the same run reports already."""
