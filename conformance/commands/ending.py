"""The end of a command: its exit code, one line where the input or the machine is wrong, a traceback where we are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from conformance.commands import interruption
from conformance.errors import MachineError, UsageError, disk_full


def end(command: Callable[[], object]) -> NoReturn:
    """Call a command and exit: 0 conforms, 1 fails, 2 usage, 3 inconclusive, the machine's condition or ours.

    It is 130 where the command was interrupted, and 143 where it was terminated.
    """
    interruption.catch_termination()
    try:
        command()
    except UsageError as problem:
        _refuse(problem, 2)
    except MachineError as problem:
        _refuse(problem, 3)
    except KeyboardInterrupt:
        sys.exit(interruption.exit_code())
    except OSError as problem:
        full = disk_full(problem)
        if full is not None:
            _refuse(full, 3)
        _fault(problem)
    except Exception as problem:
        _fault(problem)
    sys.exit(0)


def _refuse(problem: Exception, code: int) -> NoReturn:
    """End with one line."""
    said = "".join(char if char.isprintable() else " " for char in str(problem))
    print(f"plugfest: {said}", file=sys.stderr)  # noqa: T201 - the one line of an error
    sys.exit(code)


def _fault(problem: Exception) -> NoReturn:
    """End with a traceback, and a last line that says whose fault it is."""
    import traceback

    from conformance.extension import blamed

    traceback.print_exception(problem)
    theirs = blamed(problem)
    if theirs is not None:
        print(f"plugfest: {theirs}", file=sys.stderr)  # noqa: T201 - the last line says whose it is
    sys.exit(3)
