"""What a cell of the page opens: its outcomes, those that say the same together, as data for the page's script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.report.attachments import AttachedRecording, Attachments
from conformance.report.findings import pattern
from conformance.report.gate import excused
from conformance.report.model import KnownDeviation, Report, ReportedEvidence, ReportedOutcome
from conformance.report.render.drawing import draw
from conformance.report.render.parameters import summarise
from conformance.report.render.text import one_line
from conformance.report.sequence import sequence_of
from conformance.verdict import SEVERITY, Verdict

CASES = 64
"""Parameter sets that are spelled out for one group; the rest is counted."""
Data = dict[str, Any]


def groups(report: Report, outcomes: Sequence[ReportedOutcome], attachments: Attachments) -> list[Data]:
    """The outcomes of one cell, grouped by what they say, the most severe first. Absent keys mean nothing to say."""
    found: dict[tuple[int, bool, tuple[object, ...]], list[ReportedOutcome]] = {}
    for outcome in outcomes:
        says = (pattern(outcome.expected, outcome), pattern(outcome.seen, outcome), outcome.notes)
        found.setdefault((SEVERITY.index(outcome.verdict), outcome.flaky, says), []).append(outcome)
    known = [o.parameters for o in outcomes if o.verdict is not Verdict.NOT_APPLICABLE]
    ranked = sorted(found.items(), key=lambda item: -item[0][0])
    return [_group(report, group, known, attachments) for _, group in ranked]


def _group(
    report: Report, group: Sequence[ReportedOutcome], known: Sequence[Mapping[str, str]], attachments: Attachments
) -> Data:
    """One group, told by the first outcome that has evidence."""
    first = next((outcome for outcome in group if outcome.evidence), group[0])
    cases = [case_text(outcome.parameters) for outcome in group]
    data: Data = {
        "verdict": first.verdict.value,
        "count": len(group),
        "where": summarise([outcome.parameters for outcome in group], known),
        "cases": list(filter(None, cases))[:CASES],
        "expected": one_line(first.expected),
        "seen": one_line(first.seen) or "nothing was said",
        "notes": [one_line(note) for note in first.notes],
        "evidence": [_evidence(report, each, first, attachments) for each in first.evidence],
        "figures": [
            [one_line(name), value, case_text(outcome.parameters)]
            for outcome in group
            for name, value in outcome.figures.items()
        ],
        "flaky": first.flaky,
        "attempts": [
            {"number": each.number, "verdict": each.verdict.value, "seen": one_line(each.seen)}
            for each in first.attempts
            if len(first.attempts) > 1
        ],
        "deviation": _deviation(first.deviation, live=excused(first, report)),
    }
    return {key: value for key, value in data.items() if value or key == "count"}


def _evidence(report: Report, evidence: ReportedEvidence, outcome: ReportedOutcome, attachments: Attachments) -> Data:
    attachment = attachments(report, evidence) or AttachedRecording()
    data: Data = {
        "place": f"{report.header.profile}/{evidence.recording}/frames.pcapng",
        "capture": attachment.capture,
        "frames": list(evidence.frames),
        "lines": [one_line(line) for line in evidence.lines],
        "logs": [{"name": log.name, "text": log.text} for log in attachment.logs],
    }
    sequence = sequence_of(
        evidence.lines, evidence.times, marks=attachment.marks, spans=attachment.spans, lanes=attachment.lanes
    )
    if sequence.packets:
        data["picture"] = draw(sequence, f"Deciding frames of {outcome.requirement} at {', '.join(sequence.lanes)}")
    return {key: value for key, value in data.items() if value}


def _deviation(known: KnownDeviation | None, *, live: bool) -> Data:
    if known is None:
        return {}
    told = {"reason": known.reason, "issue": known.issue, "owner": known.owner}
    return told | {"expires": known.expires.isoformat(), "live": live}


def case_text(parameters: Mapping[str, str]) -> str:
    """A set of parameters in one line: family, protocol, then the rest by name."""
    first = [parameters[name] for name in ("family", "protocol", "path") if name in parameters]
    rest = [value for name, value in sorted(parameters.items()) if name not in ("family", "protocol", "path")]
    return one_line(" ".join([*first, *rest]))
