"""The gate: what reports amount to, as a word and as the exit code of a command."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from conformance import verdict
from conformance.report.model import KnownDeviation, Report, ReportedOutcome
from conformance.verdict import GATING_LEVELS, Attempt, Judgement, Outcome, Verdict

Code = Literal[0, 1, 3]


class Standing(StrEnum):
    """What one report says of its implementation."""

    CONFORMS = "conforms"
    FAILS = "does not conform"
    INCONCLUSIVE = "inconclusive"


_STANDING: dict[Code, Standing] = {0: Standing.CONFORMS, 1: Standing.FAILS, 3: Standing.INCONCLUSIVE}


def live(deviation: KnownDeviation | None, day: datetime.date) -> bool:
    """Whether a deviation excuses a failure on that day; it does up to and including the day it expires."""
    return deviation is not None and day <= deviation.expires


def excused(outcome: ReportedOutcome, report: Report) -> bool:
    """Whether the outcome has a deviation that was live on the day of its report."""
    return live(outcome.deviation, report.header.date.date())


def report_code(report: Report) -> Code:
    """The exit code of one report: 0 conforms, 1 does not, 3 inconclusive; 1 outranks 3.

    As `conformance.verdict.exit_code`; beyond it, a report that is partial, whose implementation was unavailable, or
    whose plain wire was not judged or did not pass a MUST or SUITE requirement, is inconclusive.
    """
    whole = not report.partial and report.header.unavailable is None and _wire_sound(report)
    code = verdict.exit_code((_outcome(each, report) for each in report.outcomes), complete=whole)
    return 1 if code == 1 else 3 if code else 0


def standing(report: Report) -> Standing:
    """The word for `report_code`."""
    return _STANDING[report_code(report)]


def exit_code(reports: Sequence[Report]) -> Code:
    """The exit code of a set of reports: 1 if any does not conform, else 3 if any is inconclusive or there is none."""
    codes = {report_code(report) for report in reports}
    return 1 if 1 in codes else 0 if codes == {0} else 3


def matrix_code(reports: Sequence[Report]) -> Code:
    """The exit code where the matrix itself is the aim: 0 when it is complete, whatever its verdicts, else 3.

    Not complete: a partial report, an unavailable implementation, an error of the suite, or no report at all.
    """
    whole = all(
        not report.partial
        and report.header.unavailable is None
        and report.outcomes
        and all(outcome.verdict is not Verdict.ERROR for outcome in report.outcomes)
        for report in reports
    )
    return 0 if reports and whole else 3


def _wire_sound(report: Report) -> bool:
    return report.control is not None and all(each.level not in GATING_LEVELS for each in report.control.problems)


def _outcome(reported: ReportedOutcome, report: Report) -> Outcome:
    """The outcome as `conformance.verdict` knows it, with its deviation only where that is live."""
    return Outcome(
        requirement=reported.requirement,
        level=reported.level,
        parameters=tuple(reported.parameters.items()),
        attempts=tuple(Attempt(each.number, Judgement(each.verdict)) for each in reported.attempts),
        deviation=reported.deviation.reason if reported.deviation and excused(reported, report) else None,
        informational=reported.informational,
    )
