"""The one error that is the user's to mend; everything else is a bug and keeps its traceback."""


class InputError(Exception):
    """Bad input. The message is one line: where, what, and what to do."""
