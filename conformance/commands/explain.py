"""``plugfest explain``: one requirement in full, or a family of them: clause, stimulus, what passes, planted faults."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from conformance.classes import classes
from conformance.errors import UsageError
from conformance.family import families
from conformance.judging.checks import checks
from conformance.judging.register import Check
from conformance.requirement import Requirement, UnknownRequirement, catalogue, clause_text, find

WIDTH = 100
"""Characters of a line."""


def explain(name: str) -> str:
    """The text for a requirement, its draft label, a family or a conformance class. Raises UsageError."""
    if name in families():
        return "\n\n".join(_requirement(row) for row in catalogue().values() if row.family == name)
    if name in classes():
        each = classes()[name]
        return "\n".join(
            [f"{name}: {each.title}", *_field("", each.statement), *(f"  {one}" for one in each.requirements)]
        )
    try:
        return _requirement(find(name))
    except UnknownRequirement as problem:
        raise UsageError(str(problem)) from None


def _requirement(row: Requirement) -> str:
    return "\n".join(_lines(row))


def _lines(row: Requirement) -> Iterator[str]:
    mine = [check for check in checks() if check.requirement.id == row.id]
    alias = f" ({', '.join(row.alias)})" if row.alias else ""
    kind = ", informational: explains others and decides nothing" if row.informational else ""
    yield f"{row.id}{alias}: {row.level}{kind}"
    yield from _field("", row.statement)
    yield from _field("clause", clause_text(row))
    yield from _field("", row.clause_note)
    yield from _field("stimulus", row.stimulus)
    yield from _field("passes when", row.expects)
    yield from _field("timer", "" if row.timer == "-" else row.timer)
    yield from _field("binds", ", ".join(row.roles))
    yield from _field("if claimed", ", ".join(row.features))
    yield from _field("classes", ", ".join(each.name for each in classes().values() if row.id in each.requirements))
    if not mine:
        yield from _field("check", "not yet checked: it takes part in no gate")
    for check in mine:
        yield from _field("check", _check(check))
        yield from _faults(row)
        yield from _field("try", f"plugfest run NAME --only {row.id}")


def _check(check: Check) -> str:
    axes = "; ".join(f"{name} {', '.join(values)}" for name, values in check.axes.items())
    return f"reads the scenario {check.scenario}" + (f", once for each {axes}" if axes else "")


def _faults(row: Requirement) -> Iterator[str]:
    from conformance.selftest.faults import faults

    caught = [fault for fault in faults().values() if row.id in fault.fails | fault.notes]
    for number, fault in enumerate(sorted(caught, key=lambda fault: len(fault.fails))):
        yield from _field("" if number else "faults", f"{fault.name}: {fault.title}")
    if not caught:
        yield from _field("faults", "none is planted that it catches")


def _field(name: str, text: str) -> Iterator[str]:
    """A name and its text, folded; nothing for an empty text."""
    if text:
        yield textwrap.fill(text, WIDTH, initial_indent=f"  {name:12}", subsequent_indent=" " * 14)
