"""The gate: what reports amount to, as a word and as the exit code of a command."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from conformance.report.model import KnownDeviation, Report, ReportedOutcome
from conformance.verdict import GATING_LEVELS, Verdict

Code = Literal[0, 1, 3]


class Standing(StrEnum):
    """What one report says of its implementation."""

    CONFORMS = "conforms"
    FAILS = "does not conform"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class GatePolicy:
    """What a gate lets through. `levels` are those whose failures end it; a flaky outcome of them ends it as well
    (a fail 1, else 3), unless flaky ones are allowed: then one that passed in some attempt is let through.
    """

    levels: frozenset[str] = GATING_LEVELS
    allow_flaky: bool = False


MUST: Final = GatePolicy()
"""MUST, and SUITE, which gates like a MUST."""
SHOULD: Final = GatePolicy(GATING_LEVELS | {"SHOULD"})

_STANDING: dict[Code, Standing] = {0: Standing.CONFORMS, 1: Standing.FAILS, 3: Standing.INCONCLUSIVE}


def live(deviation: KnownDeviation | None, day: datetime.date) -> bool:
    """Whether a deviation excuses a failure on that day; it does up to and including the day it expires."""
    return deviation is not None and day <= deviation.expires


def excused(outcome: ReportedOutcome, report: Report) -> bool:
    """Whether the outcome has a deviation that was live on the day of its report."""
    return live(outcome.deviation, report.header.date.date())


def report_code(report: Report, policy: GatePolicy = MUST) -> Code:
    """The exit code of one report: 0 conforms, 1 does not, 3 inconclusive; 1 outranks 3.

    A live deviation does not fail it; unsupported never does. A report without outcomes, that is partial, whose
    implementation was unavailable, or whose plain wire was not judged or did not pass a MUST or SUITE requirement, is
    inconclusive; so is one with an error of ours, whatever its level. A conformance class that the profile claims and
    of which it declares a part unsupported ends 1: the two do not go together.
    """
    codes = {outcome_code(each, report, policy) for each in report.outcomes}
    if report.footer is not None and any(each.claimed and each.unsupported for each in report.footer.classes):
        codes.add(1)
    whole = not report.partial and report.header.unavailable is None and _wire_sound(report)
    return 1 if 1 in codes else 0 if whole and codes == {0} else 3


def outcome_code(outcome: ReportedOutcome, report: Report, policy: GatePolicy = MUST) -> Code:
    """What one outcome means for the exit code of its report."""
    if outcome.verdict is Verdict.ERROR:
        return 3
    if outcome.level not in policy.levels or outcome.informational or excused(outcome, report):
        return 0
    if outcome.flaky and policy.allow_flaky and any(each.verdict is Verdict.PASS for each in outcome.attempts):
        return 0
    if outcome.verdict is Verdict.FAIL:
        return 1
    return 3 if outcome.flaky or outcome.verdict is Verdict.INCONCLUSIVE else 0


def standing(report: Report) -> Standing:
    """The word for `report_code`."""
    return _STANDING[report_code(report)]


def exit_code(reports: Sequence[Report], policy: GatePolicy = MUST) -> Code:
    """The exit code of a set of reports: 1 if any does not conform, else 3 if any is inconclusive or there is none."""
    codes = {report_code(report, policy) for report in reports}
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
