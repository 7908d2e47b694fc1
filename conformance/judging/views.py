"""What an implementation showed of its own view: the events that a scenario wrote down."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.judging.case import Case
from conformance.recording.model import Event


@dataclass(frozen=True, slots=True)
class Statement:
    """The last word of the wire on something that is shown: where it is, when (ns) and in which frame it said so."""

    where: str
    time_ns: int
    number: int


def views(case: Case, where: str, what: str, who: str = "") -> list[Event]:
    """Each answer to a question for a table, in order. Requires that there is one, and that all were understood: what
    was not is told with its transcript, and is no verdict on `who` (by default the profile)."""
    known = [one for one in case.recording.record.events if one.where == where and one.detail.get("what") == what]
    for problem in known:
        case.require(problem.kind != "not-shown", f"it was not told: {problem.detail.get('problem')}")
    found = [one for one in known if one.kind == "shown"]
    case.require(found, f"{who or case.profile.name} was not asked for its own view, or shows none")
    return found
