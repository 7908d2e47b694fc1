"""Interruption of a command: SIGTERM ends it as SIGINT does, and the exit code says which of the two it was."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

_RECEIVED: Final[list[int]] = []


def catch_termination() -> None:
    """Have SIGTERM end the command as SIGINT does: reports are written as far as the run came.

    A second one is ignored.
    """
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _RECEIVED.append(number)
    raise KeyboardInterrupt


def exit_code() -> int:
    """128 and the number of the signal: 143 for SIGTERM, else 130."""
    return 128 + (_RECEIVED[0] if _RECEIVED else signal.SIGINT)
