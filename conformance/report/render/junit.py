"""JUnit XML: one suite for each implementation and family, one case for each outcome."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from junit_xml import TestCase, TestSuite, to_xml_report_string

from conformance.report.atomic import write_atomically
from conformance.report.columns import labels
from conformance.report.gate import excused
from conformance.report.model import Report, ReportedOutcome
from conformance.report.render.text import one_line, printable
from conformance.requirement import catalogue, clause_text
from conformance.verdict import Verdict

_DISABLED: Final = re.compile(r'(<testsuites?\b[^<>]*?) disabled="[0-9]*"')
"""An attribute that the library writes and the schema of Jenkins' reader does not know."""


def write(reports: Sequence[Report], path: Path) -> None:
    """Write all reports as one file, atomically."""
    write_atomically(path, render(reports))


def render(reports: Sequence[Report]) -> str:
    """The XML of these reports.

    A fail is a failure of type its level, or ``known-deviation``; inconclusive and error are errors of that type;
    unsupported and not applicable are skipped. A partial report and an unavailable implementation have an error case
    of their own, so that neither looks like a pass.
    """
    suites = [suite for report, label in zip(reports, labels(reports), strict=True) for suite in _suites(report, label)]
    return _DISABLED.sub(r"\1", _indented(str(to_xml_report_string(suites, prettyprint=False))))


def _indented(xml: str) -> str:
    """One element a line; the library's own way takes five times as long."""
    root = ElementTree.fromstring(xml)
    ElementTree.indent(root, "\t")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suites(report: Report, label: str) -> Iterator[Any]:
    families: dict[str, list[Any]] = {}
    whole = _wholeness(report, label)
    if whole is not None:
        families["report"] = [whole]
    for outcome in report.outcomes:
        families.setdefault(outcome.family, []).append(_case(report, outcome, label))
    for family, cases in families.items():
        yield TestSuite(f"{label}.{family}", cases, properties=_properties(report), timestamp=_timestamp(report))


def _properties(report: Report) -> dict[str, str]:
    header = report.header
    found = {"profile": header.profile, "suite": f"{header.suite} {header.version}", "catalogue": header.catalogue}
    if header.implementation is not None:
        found |= {"implementation": header.implementation.product, "version": header.implementation.version}
        found |= {f"version.{name}": value for name, value in sorted(header.implementation.details.items())}
    found |= {"kernel": header.kernel, "variant": header.variant, "complete": str(not report.partial).lower()}
    return {one_line(name): one_line(value) for name, value in found.items()}


def _timestamp(report: Report) -> str:
    return report.header.date.isoformat(timespec="seconds")


def _wholeness(report: Report, label: str) -> Any | None:
    """A case in error where the report is not whole; None where it is."""
    absence = report.header.unavailable
    if absence is not None:
        case = TestCase("implementation is available", f"{label}.report")
        case.add_error_info(one_line(f"unavailable: {absence.reason}"), " ".join(absence.packages), "unavailable")
        return case
    if not report.partial:
        return None
    case = TestCase("report is complete", f"{label}.report")
    case.add_error_info("partial: the run was cut short, outcomes may be missing", None, "partial")
    return case


def _case(report: Report, outcome: ReportedOutcome, label: str) -> Any:
    case = TestCase(case_name(outcome), f"{label}.{outcome.family}", stdout=_lines(_output(report, outcome)))
    message = one_line(outcome.seen) or outcome.verdict.value
    match outcome.verdict:
        case Verdict.FAIL:
            kind = "known-deviation" if excused(outcome, report) else outcome.level
            case.add_failure_info(message, _lines(_explained(outcome)), kind)
        case Verdict.ERROR | Verdict.INCONCLUSIVE:
            case.add_error_info(message, _lines(_explained(outcome)), outcome.verdict.value)
        case Verdict.UNSUPPORTED | Verdict.NOT_APPLICABLE:
            case.add_skipped_info(f"{outcome.verdict.value}: {message}")
        case Verdict.PASS:
            pass
    return case


def case_name(outcome: ReportedOutcome) -> str:
    """Requirement id and sorted parameters: unique, since a report has one outcome for each."""
    parameters = ", ".join(f"{name}={value}" for name, value in sorted(outcome.parameters.items()))
    return one_line(f"{outcome.requirement}[{parameters}]" if parameters else outcome.requirement)


def _output(report: Report, outcome: ReportedOutcome) -> Iterator[str]:
    """What every case says of itself, since only suites have properties."""
    known = catalogue().get(outcome.requirement)
    yield f"level: {outcome.level}{' (informational)' if outcome.informational else ''}"
    yield f"clause: {clause_text(known) if known else 'not in this catalogue'}"
    if known is not None:
        yield f"requirement: {known.statement}"
    if outcome.flaky:
        yield f"flaky: {', '.join(f'attempt {each.number} {each.verdict}' for each in outcome.attempts)}"
    if outcome.deviation is not None:
        known_as = "known deviation" if excused(outcome, report) else "expired deviation"
        yield f"{known_as}: {outcome.deviation.reason} ({outcome.deviation.issue}, until {outcome.deviation.expires})"
    yield from (f"note: {note}" for note in outcome.notes)
    yield from (f"figure: {name} = {value}" for name, value in sorted(outcome.figures.items()))


def _explained(outcome: ReportedOutcome) -> Iterator[str]:
    """Why: what was expected and seen, and the deciding frames."""
    if outcome.expected:
        yield f"expected: {outcome.expected}"
    yield f"seen: {outcome.seen}"
    for evidence in outcome.evidence:
        yield f"frames: {evidence.recording}/frames.pcapng {', '.join(map(str, evidence.frames))}".rstrip()
        yield from (f"  {line}" for line in evidence.lines)


def _lines(texts: Iterator[str]) -> str:
    """One line each, without a character that XML forbids."""
    return "\n".join(printable(text.rstrip("\n").replace("\n", " "), keep="\t") for text in texts)
