"""Findings: what stands behind the cells of a matrix, one for every pattern of things seen, not for every case."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from conformance.report.gate import excused
from conformance.report.model import KnownDeviation, Report, ReportedEvidence, ReportedOutcome
from conformance.report.render.parameters import summarise
from conformance.report.render.text import one_line
from conformance.verdict import Verdict

SENDERS: Final = 20
"""Senders of a capture that have findings of their own; what more of them do wrong is told together."""


class Kind(StrEnum):
    """The sections in which findings are shown, in this order."""

    FAILURE = "Failures"
    WEAK = "Failures that do not gate"
    ERROR = "Errors of the suite"
    INCONCLUSIVE = "Inconclusive"
    DEVIATION = "Known deviations"


@dataclass(frozen=True)
class Finding:
    """Outcomes of one requirement and implementation that say the same, told by the first that has evidence.

    `where` sums up their parameters, `cases` counts them. `place` is the pcapng below the run's folder ("" without
    evidence), `frames` the deciding frames in it, `recordings` how many recordings show the same.
    """

    kind: Kind
    label: str
    requirement: str
    level: str
    verdict: Verdict
    where: str
    cases: int
    expected: str
    seen: str
    place: str
    frames: tuple[int, ...]
    recordings: int
    flaky: bool
    deviation: KnownDeviation | None


@dataclass(frozen=True)
class Remark:
    """A note, or why something is unsupported: for each implementation, the requirements that it is about."""

    text: str
    about: Mapping[str, tuple[str, ...]]


def kind_of(outcome: ReportedOutcome, report: Report) -> Kind | None:
    """The section of an outcome; None where there is nothing to explain."""
    match outcome.verdict:
        case Verdict.ERROR:
            return Kind.ERROR
        case Verdict.INCONCLUSIVE:
            return Kind.INCONCLUSIVE
        case Verdict.FAIL if excused(outcome, report):
            return Kind.DEVIATION
        case Verdict.FAIL:
            return Kind.FAILURE if outcome.gates else Kind.WEAK
        case _:
            return None


def findings(report: Report, label: str, by_requirement: Mapping[str, Sequence[ReportedOutcome]]) -> list[Finding]:
    """The findings of one report; `by_requirement` are its outcomes, sorted."""
    found: list[Finding] = []
    for outcomes in by_requirement.values():
        groups: dict[tuple[Kind, str, str, str], list[ReportedOutcome]] = {}
        named: set[str] = set()
        known = [o.parameters for o in outcomes if o.verdict is not Verdict.NOT_APPLICABLE]
        for outcome in outcomes:
            kind = kind_of(outcome, report)
            if kind is not None:
                sender = _named(outcome, kind, named)
                key = kind, sender, pattern(outcome.expected, outcome), pattern(outcome.seen, outcome)
                groups.setdefault(key, []).append(outcome)
        found.extend(_finding(kind, report, label, group, known) for (kind, *_), group in groups.items())
    return found


def _named(outcome: ReportedOutcome, kind: Kind, named: set[str]) -> str:
    """The sender of a capture that an outcome is about, so that each which fails has a finding of its own: each is
    another device. Empty for everything else, and for those beyond `SENDERS`; adds to `named`."""
    sender = outcome.parameters.get("sender", "")
    if kind in (Kind.ERROR, Kind.INCONCLUSIVE) or (sender not in named and len(named) == SENDERS):
        return ""
    named |= {sender} - {""}
    return sender


def notes(reports: Sequence[Report], names: Sequence[str]) -> list[Remark]:
    """The notes of all outcomes, each once for a requirement, with the implementations that it is about."""
    found: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    for report, label in zip(reports, names, strict=True):
        for outcome in report.outcomes:
            for note in outcome.notes:
                found.setdefault((outcome.requirement, one_line(note)), {})[label] = (outcome.requirement,)
    return [Remark(text, about) for (_, text), about in found.items()]


def unsupported(reports: Sequence[Report], names: Sequence[str]) -> list[Remark]:
    """The reasons why something is unsupported, each once, with all that it is about."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for report, label in zip(reports, names, strict=True):
        for outcome in report.outcomes:
            if outcome.verdict is Verdict.UNSUPPORTED:
                found.setdefault(one_line(outcome.seen), {}).setdefault(label, {})[outcome.requirement] = None
    return [Remark(text, {label: tuple(ids) for label, ids in about.items()}) for text, about in found.items()]


def stale(reports: Sequence[Report], names: Sequence[str]) -> list[Remark]:
    """Deviations that nothing needs any more: the requirement was judged and nothing of it fails."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for report, label in zip(reports, names, strict=True):
        declared: dict[str, list[ReportedOutcome]] = {}
        for outcome in report.outcomes:
            if outcome.deviation is not None:
                declared.setdefault(outcome.requirement, []).append(outcome)
        for requirement, outcomes in declared.items():
            verdicts = {outcome.verdict for outcome in outcomes}
            known = outcomes[0].deviation
            if known is not None and Verdict.PASS in verdicts and Verdict.FAIL not in verdicts:
                text = f"{requirement}: {one_line(known.reason)} ({one_line(known.owner)}, {one_line(known.issue)})"
                found.setdefault(text, {})[label] = (requirement,)
    return [Remark(text, about) for text, about in found.items()]


def _finding(
    kind: Kind, report: Report, label: str, group: Sequence[ReportedOutcome], known: Sequence[Mapping[str, str]]
) -> Finding:
    first = next((outcome for outcome in group if outcome.evidence), group[0])
    shown = first.evidence[0] if first.evidence else ReportedEvidence(recording="")
    recordings = {evidence.recording for outcome in group for evidence in outcome.evidence}
    return Finding(
        kind=kind,
        label=label,
        requirement=first.requirement,
        level=first.level,
        verdict=first.verdict,
        where=summarise([outcome.parameters for outcome in group], known),
        cases=len(group),
        expected=one_line(first.expected),
        seen=one_line(first.seen) or "nothing was said",
        place=one_line(f"{report.header.profile}/{shown.recording}/frames.pcapng") if shown.recording else "",
        frames=shown.frames,
        recordings=len(recordings),
        flaky=any(outcome.flaky for outcome in group),
        deviation=first.deviation,
    )


_TOKEN = re.compile(r"[^\s(),;]+")


def pattern(text: str, outcome: ReportedOutcome) -> str:
    """`text` without what differs from case to case: words with a digit, addresses, and values of the parameters."""
    values = {"tcp", "udp", "icmp", "ipv4", "ipv6", *outcome.parameters.values()}
    return _TOKEN.sub(
        lambda found: "#" if found[0] in values or ":" in found[0] or any(map(str.isdigit, found[0])) else found[0],
        text,
    )
