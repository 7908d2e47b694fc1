"""What a run would do, in words: ``plugfest run --plan``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from conformance.adapters.interface import Unavailable
from conformance.adapters.interface.registry import adapter_for, foreign_modules, identified
from conformance.errors import UsageError
from conformance.family import scenarios
from conformance.judging.checks import checks
from conformance.judging.plan import Instance
from conformance.judging.register import Check
from conformance.lab.sandbox.nics import nic_lines
from conformance.profile import CONTROL, Profile
from conformance.report.render.text import plural
from conformance.running.run import Run

STARTED: Final = 8
"""Things that are started, as far as they are listed one by one; the rest is counted."""


def lines(run: Run, *, whole: bool = False) -> Iterator[str]:
    """The plan of a run: what is started, sent and judged for each implementation, and the NICs that it takes.

    Short, unless the `whole` is asked for: then each scenario and requirement has a line. Raises UsageError, after the
    last line, where a NIC cannot be lent.
    """
    wanted = [check for check in checks() if run.selection.wants(check)]
    for name, profile in run.profiles.items():
        started = list(_started(name, profile, ask=name not in run.handed_over))
        yield from started if whole or len(started) <= STARTED else started[: STARTED - 1]
        if not whole and len(started) > STARTED:
            yield f"  start   and {len(started) - STARTED + 1} more; -v lists them"
        used = sorted({check.scenario for check in wanted if any(i.recorded() for i in run.selection.instances(check))})
        beds = ", ".join(run.selection.beds(profile))
        if whole:
            yield from (f"  record  {scenario} on {beds}: {scenarios()[scenario].title}" for scenario in used)
        else:
            yield f"  record  on {beds}: {', '.join(used)}"
        if name == CONTROL:
            yield "  judge   the same as below, as the control of everything else"
        else:
            yield from _judged(run, name, wanted, "requirement" if whole else "" if len(run.names) > 1 else "family")
    yield from _taken(run)


def _judged(run: Run, name: str, wanted: Sequence[Check], by: Literal["requirement", "family", ""]) -> Iterator[str]:
    """What is judged of one implementation: a line for each requirement, for each family, or one for all."""
    groups: dict[str, list[Instance]] = {}
    for check in wanted:
        mine = [each for each in run.selection.instances(check) if each.profile.name == name]
        row = check.requirement
        if mine:
            groups.setdefault({"requirement": row.id, "family": row.family, "": "all"}[by], []).extend(mine)
    for group, mine in groups.items():
        out = sum(not instance.recorded() for instance in mine)
        note = f", {out} of them declared unsupported" if out else ""
        rows = len({each.check.requirement.id for each in mine})
        count = "" if by == "requirement" else f"{plural(rows, 'requirement')}, "
        yield f"  judge   {group}: {count}{plural(len(mine), 'outcome')}{note}"


def _taken(run: Run) -> Iterator[str]:
    """The NICs that leave the machine. Raises UsageError where one cannot."""
    problems = []
    for testbed in run.testbeds.values():
        for text, problem in nic_lines(testbed.physical):
            yield f"  NIC     {text}"
            problems += [f"{testbed.name}: {text}"] * bool(problem)
    if problems:
        raise UsageError(problems[0])


def _started(name: str, profile: Profile, *, ask: bool) -> Iterator[str]:
    """What an implementation is and what is started of it. A module of others is not loaded to know that, and what a
    profile of others names is not asked for its version."""
    files = foreign_modules(profile)
    if files:
        yield f"{name}: not known before it runs: only `run` loads {', '.join(file.name for file in files)}"
        return
    adapter = adapter_for(profile)
    identity = identified(adapter, profile) if ask else None
    if identity is None:
        yield f"{name}: only `run` asks for its version"
    elif isinstance(identity, Unavailable):
        yield f"{name}: unavailable: {identity.reason}"
    else:
        yield f"{name}: {identity.product} {identity.version}"
    yield from (f"  start   {line}" for line in adapter.plan())
