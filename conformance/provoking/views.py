"""What an implementation shows of its own view, written into the record beside what the taps see."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from conformance.adapters.interface import AdapterError
from conformance.provoking.context import Context


def show(context: Context, where: str, what: str, ask: Callable[[], Sequence[Any] | None]) -> None:
    """Ask for a table and write down its rows (dataclasses) with when it was asked for and answered (event ``shown``),
    or why there is none (``not-shown``). `ask` returns None where there is no such table."""
    asked = time.time_ns()
    try:
        rows = ask()
    except AdapterError as problem:
        context.event("not-shown", where, what=what, problem=str(problem))
        return
    if rows is not None:
        told = [asdict(one) for one in rows]
        context.event("shown", where, what=what, asked_ns=asked, answered_ns=time.time_ns(), rows=told)
