"""The gate: what reports amount to, as a word and as the exit code of a command."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from conformance.report.model import Answer, FigureLimit, KnownDeviation, Report, ReportedOutcome
from conformance.verdict import GATING_LEVELS, Verdict

Code = Literal[0, 1, 3]


class Standing(StrEnum):
    """What one report says of its implementation."""

    CONFORMS = "conforms"
    FAILS = "does not conform"
    INCONCLUSIVE = "inconclusive"
    FIGURES = "figures only"
    """Nothing that gates could be decided, and other rows were."""
    WAIVED = "nothing passed"
    """What gates and was decided fails, and is excused."""
    NOTHING = "nothing judged"


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

_CLAIMED: Final[dict[Answer, Code]] = {Answer.CONFORMS: 0, Answer.FAILS: 1}
_UNDECIDED: Final = frozenset({Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE})
"""Verdicts by which nothing was found out about the implementation."""


def live(deviation: KnownDeviation | None, day: datetime.date) -> bool:
    """Whether a deviation excuses a failure on that day; it does up to and including the day it expires."""
    return deviation is not None and day <= deviation.expires


def excused(outcome: ReportedOutcome, report: Report) -> bool:
    """Whether the outcome has a deviation that was live on the day of its report."""
    return live(outcome.deviation, report.header.date.date())


@dataclass(frozen=True)
class LimitResult:
    """What became of one limit of the profile: the figure's worst value, None where it was not measured."""

    limit: FigureLimit
    value: float | None

    @property
    def code(self) -> Code:
        """1 where the figure is beyond its limit, 3 where it was not measured, else 0."""
        if self.value is None:
            return 3
        most, least = self.limit.at_most, self.limit.at_least
        return 1 if (most is not None and self.value > most) or (least is not None and self.value < least) else 0


def limit_results(report: Report) -> tuple[LimitResult, ...]:
    """What became of the limits of the profile; nothing of those whose requirement a narrowed run left out."""
    found = []
    for limit in report.header.limits:
        rows = [each for each in report.outcomes if each.requirement == limit.requirement]
        values = [each.figures[limit.figure] for each in rows if limit.figure in each.figures]
        if rows or not report.header.only:
            worst = (max if limit.at_most is not None else min)(values) if values else None
            found.append(LimitResult(limit, worst))
    return tuple(found)


def waivers(report: Report) -> tuple[str, ...]:
    """The requirements whose failure would fail the report and that a live deviation excuses."""
    waived = (each for each in report.outcomes if each.gates and each.verdict is Verdict.FAIL and excused(each, report))
    return tuple(dict.fromkeys(each.requirement for each in waived))


def standing_text(word: Standing, waived: int) -> str:
    """What a report says of its implementation, never without the waivers that it rests on."""
    if not waived:
        return word.value
    return f"{word}{' with' if word is Standing.CONFORMS else ','} {waived} waiver{'s' * (waived != 1)}"


def report_code(report: Report, policy: GatePolicy = MUST) -> Code:
    """The exit code of one report: that of its verdicts, and of the limits that the profile sets to figures."""
    codes = {_verdict_code(report, policy), *(each.code for each in limit_results(report))}
    return 1 if 1 in codes else 3 if 3 in codes else 0


def _verdict_code(report: Report, policy: GatePolicy) -> Code:
    """The exit code of a report's verdicts: 0 conforms, 1 does not, 3 inconclusive; 1 outranks 3.

    A live deviation does not fail it; unsupported never does. A report in which nothing was decided, that is partial,
    whose implementation was unavailable, or whose plain wire was not judged or did not pass a MUST or SUITE
    requirement, is inconclusive; so is one with an error of ours, whatever its level. A conformance class that the
    profile claims and that is not met ends 1, though a deviation excuses what fails of it; one that is undecided ends
    3.
    """
    codes = {outcome_code(each, report, policy) for each in report.outcomes}
    claimed = [each for each in report.footer.classes if each.claimed] if report.footer is not None else []
    codes |= {_CLAIMED.get(each.answer, 3) for each in claimed}
    whole = not report.partial and report.header.unavailable is None and _wire_sound(report) and _decided(report)
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
    """The word for what the verdicts of a report amount to; a limit of the profile is no matter of conformance.

    It conforms where a MUST or SUITE requirement passes, and none fails, is inconclusive or an error.
    """
    code = _verdict_code(report, MUST)
    if code == 1:
        return Standing.FAILS
    if code == 3:
        unseen = report.partial or report.header.unavailable is not None or _decided(report)
        return Standing.INCONCLUSIVE if unseen else Standing.NOTHING
    gating = {each.verdict for each in report.outcomes if each.gates} - _UNDECIDED
    if Verdict.PASS in gating:
        return Standing.CONFORMS
    return Standing.WAIVED if gating else Standing.FIGURES


def _decided(report: Report) -> bool:
    """Whether a row says anything of the implementation."""
    return any(each.verdict not in _UNDECIDED for each in report.outcomes)


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
