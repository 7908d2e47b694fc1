"""Errors that end a command with one line, without a traceback: the user's input, and the machine's condition."""

from __future__ import annotations

import errno
from typing import Final

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Numbers of the errors by which a file system says that nothing more goes into it."""


class UsageError(Exception):
    """Bad input: one line that names the file, the key and the fix. Ends with exit code 2.

    Whatever the input had in it, the text is one printable line.
    """

    def __init__(self, text: str) -> None:
        super().__init__(_plain(text))


class MachineError(Exception):
    """The machine cannot do what was asked for: one line that says why and what to do. Ends with exit code 3."""

    def __init__(self, text: str) -> None:
        super().__init__(_plain(text))


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in " ".join(text.split()))


def disk_full(problem: OSError) -> MachineError | None:
    """The error for a full disk; None where `problem` is another one."""
    if problem.errno not in FULL:
        return None
    place = f" while {problem.filename} was written" if problem.filename else ""
    return MachineError(f"no space left on the disk{place}: free some, or name another folder with --out")
