"""What an implementation showed of its own view: the events that a scenario wrote down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from conformance.judging.case import Case
from conformance.recording.events.tables import TableNotShown, TableRow, TableShown

R = TypeVar("R", bound=TableRow)


@dataclass(frozen=True, slots=True)
class Statement:
    """The last word of the wire on something that is shown: where it is, when (ns) and in which frame it said so."""

    where: str
    time_ns: int
    number: int


@dataclass(frozen=True, slots=True)
class View(Generic[R]):
    """A table that was shown: its rows, when it was asked for and when it had been answered (ns since 1970)."""

    asked_ns: int
    answered_ns: int
    rows: tuple[R, ...]


def views(case: Case, where: str, what: str, row: type[R], who: str = "") -> list[View[R]]:
    """Each answer to a question for a table of `row`s, in order. Requires that there is one, and that all were
    understood: what was not comes with its transcript, and is no verdict on `who` (by default the profile)."""
    for problem in case.all(TableNotShown, where=where):
        case.require(problem.what != what, f"it was not told: {problem.problem}")
    found = [_view(case, one, row) for one in case.all(TableShown, where=where) if one.what == what]
    case.require(found, f"{who or case.profile.name} was not asked for its own view, or shows none")
    return found


def _view(case: Case, shown: TableShown, row: type[R]) -> View[R]:
    rows = tuple(one for one in shown.rows if isinstance(one, row))
    case.require(len(rows) == len(shown.rows), f"the table {shown.what} of {shown.where} has rows of another kind")
    return View(shown.asked_ns, shown.answered_ns, rows)
