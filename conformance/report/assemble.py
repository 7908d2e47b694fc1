"""From the outcomes of a run to its report."""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from conformance.report.claims import evaluate
from conformance.report.gate import report_code
from conformance.report.model import (
    Control,
    ControlProblem,
    Footer,
    Header,
    KnownDeviation,
    Report,
    ReportedAttempt,
    ReportedEvidence,
    ReportedOutcome,
    counted,
    order,
)
from conformance.report.render.text import encodable
from conformance.requirement import UnknownRequirement, find
from conformance.verdict import GATING_LEVELS, Attempt, Judgement, Outcome, Verdict

SOUND = frozenset({Verdict.PASS, Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE})
"""Verdicts of the plain wire that leave a run conclusive."""

Planned = tuple[str, tuple[tuple[str, str], ...]]
"""One outcome that a run owes: requirement id and parameters sorted by name."""


class Deviation(Protocol):
    """A deviation as a profile declares it."""

    @property
    def requirement(self) -> str:
        """Id or alias of the requirement."""

    @property
    def reason(self) -> str:
        """Why it is so."""

    @property
    def issue(self) -> str:
        """Link to the issue."""

    @property
    def owner(self) -> str:
        """Who sees to it."""

    @property
    def expires(self) -> datetime.date:
        """The last day on which it excuses."""


def from_outcomes(
    header: Header,
    outcomes: Iterable[Outcome],
    deviations: Sequence[Deviation] = (),
    *,
    planned: Iterable[Planned] = (),
    control: Control | None = None,
    complete: bool = True,
) -> Report:
    """The report of a run. Planned outcomes that are missing become errors, unless it is not `complete` (partial).

    Raises ValueError (pydantic's) where two outcomes have the same requirement and parameters.
    """
    listed = list(outcomes)
    if complete and header.unavailable is None:
        listed.extend(plan_missing(planned, listed))
    excuses = _by_requirement(deviations)
    rows = tuple(sorted((_reported(each, excuses.get(each.requirement)) for each in listed), key=order))
    report = Report(header=header, outcomes=rows, control=control)
    return _closed(report) if complete else report


def plan_missing(planned: Iterable[Planned], outcomes: Iterable[Outcome]) -> list[Outcome]:
    """An error outcome for everything that was planned and is not among `outcomes`.

    Raises UnknownRequirement for a planned id that the catalogue does not have.
    """
    there = {(outcome.requirement, outcome.parameters) for outcome in outcomes}
    judgement = Judgement(Verdict.ERROR, seen="this outcome was planned, and the run ended without it")
    missing = []
    for name, parameters in dict.fromkeys(planned):
        if (name, parameters) not in there:
            row = find(name)
            missing.append(
                Outcome(name, row.level.value, parameters, (Attempt(1, judgement),), informational=row.informational)
            )
    return missing


def control_of(outcomes: Iterable[Outcome]) -> Control:
    """The summary of the plain wire's outcomes."""
    rows = sorted((_reported(outcome, None) for outcome in outcomes), key=order)
    problems = tuple(
        ControlProblem(
            requirement=row.requirement, level=row.level, parameters=row.parameters, verdict=row.verdict, seen=row.seen
        )
        for row in rows
        if row.verdict not in SOUND
    )
    return Control(counts=counted(row.verdict for row in rows), problems=problems)


def _closed(report: Report) -> Report:
    """The report with its footer."""
    counts = counted(o.verdict for o in report.outcomes)
    footer = Footer(counts=counts, classes=evaluate(report.header, report.outcomes), exit_code=0)
    whole = report.model_copy(update={"footer": footer})
    return whole.model_copy(update={"footer": footer.model_copy(update={"exit_code": report_code(whole)})})


def _by_requirement(deviations: Sequence[Deviation]) -> dict[str, KnownDeviation]:
    """The deviation of each requirement id; where there are several, the one that lives longest."""
    found: dict[str, KnownDeviation] = {}
    for each in sorted(deviations, key=lambda deviation: deviation.expires):
        try:
            name = find(each.requirement).id
        except UnknownRequirement:
            name = each.requirement
        found[name] = KnownDeviation(reason=each.reason, issue=each.issue, owner=each.owner, expires=each.expires)
    return found


def _reported(outcome: Outcome, deviation: KnownDeviation | None) -> ReportedOutcome:
    attempts = tuple(sorted(outcome.attempts, key=lambda attempt: attempt.number))
    said = _said(replace(outcome, attempts=attempts).deciding)
    said["notes"] = (*said["notes"], *map(encodable, outcome.extra_notes))
    return ReportedOutcome(
        requirement=outcome.requirement,
        family=outcome.requirement.partition(".")[0],
        level=outcome.level,
        informational=outcome.informational,
        parameters=dict(sorted(outcome.parameters)),
        flaky=outcome.flaky,
        gates=outcome.level in GATING_LEVELS and not outcome.informational,
        attempts=tuple(ReportedAttempt(number=each.number, **_said(each.judgement)) for each in attempts),
        deviation=deviation,
        **said,
    )


def _said(judgement: Judgement) -> dict[str, Any]:
    figures, odd = _figures(judgement)
    return {
        "verdict": judgement.verdict,
        "expected": encodable(judgement.expected),
        "seen": encodable(judgement.seen),
        "notes": (*map(encodable, judgement.notes), *odd),
        "evidence": tuple(
            ReportedEvidence(
                recording=each.recording,
                frames=tuple(int(frame) for frame in each.frames),
                lines=tuple(map(encodable, each.lines)),
                times=tuple(map(int, each.times)),
            )
            for each in judgement.evidence
        ),
        "figures": figures,
    }


def _figures(judgement: Judgement) -> tuple[dict[str, int | float], list[str]]:
    """The figures as plain numbers; one that is not finite is left out and noted."""
    figures: dict[str, int | float] = {}
    odd = []
    for name, value in judgement.figures:
        if not math.isfinite(value):
            odd.append(f"the figure {name} was {value}")
        else:
            figures[name] = int(value) if isinstance(value, numbers.Integral) else float(value)
    return figures, odd
