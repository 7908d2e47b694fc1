"""What an implementation shows of its own view, written into the record beside what the taps see."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from conformance.adapters.interface import AdapterError
from conformance.provoking.context import Context
from conformance.recording.events.tables import TableNotShown, TableRow, TableShown


def show(context: Context, where: str, what: str, ask: Callable[[], Sequence[TableRow] | None]) -> None:
    """Ask for a table and write down its rows with when it was asked for and answered, or why
    there is none. `ask` returns None where there is no such table."""
    asked = time.time_ns()
    try:
        rows = ask()
    except AdapterError as problem:
        context.event(TableNotShown(where=where, what=what, problem=str(problem)))
        return
    if rows is not None:
        answered = time.time_ns()
        context.event(TableShown(where=where, what=what, asked_ns=asked, answered_ns=answered, rows=tuple(rows)))
