"""Errors that are the user's to mend."""

from __future__ import annotations


class UsageError(Exception):
    """Bad input: one line that names the file, the key and the fix. Ends with exit code 2, without a traceback.

    Whatever the input had in it, the text is one printable line.
    """

    def __init__(self, text: str) -> None:
        plain = "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(text.split()))
        super().__init__(plain)
