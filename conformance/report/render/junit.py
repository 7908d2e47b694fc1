"""JUnit XML: one suite for each implementation and family, one case for each requirement and cause of failure.

It is red exactly where the gate is: what does not end the run is skipped, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from junit_xml import TestCase, TestSuite, to_xml_report_string

from conformance.report.atomic import write_atomically
from conformance.report.columns import labels
from conformance.report.findings import pattern
from conformance.report.gate import MUST, GatePolicy, excused, limit_results, outcome_code, waivers
from conformance.report.model import Answer, Report, ReportedOutcome
from conformance.report.render.parameters import summarise
from conformance.report.render.text import number_text, one_line, plural, printable
from conformance.requirement import catalogue, clause_text
from conformance.verdict import Verdict

_DISABLED: Final = re.compile(r'(<testsuites?\b[^<>]*?) disabled="[0-9]*"')
"""An attribute that the library writes and the schema of Jenkins' reader does not know."""
_PROBLEMS: Final = frozenset({Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE})
Known = Mapping[str, Mapping[tuple[str, tuple[tuple[str, str], ...]], Verdict]]
"""The verdicts of the baseline: by profile (without ``@version``), then by the key of the outcome."""


@dataclass(frozen=True)
class Rules:
    """What ends the run: the policy, or with a baseline only what was not so there."""

    policy: GatePolicy = MUST
    baseline: Known | None = None


def baseline(reports: Sequence[Report]) -> Known:
    """The verdicts of earlier reports."""
    return {
        report.header.profile.partition("@")[0]: {each.key: each.verdict for each in report.outcomes}
        for report in reports
    }


def write(reports: Sequence[Report], path: Path, rules: Rules | None = None) -> None:
    """Write all reports as one file, atomically."""
    write_atomically(path, render(reports, rules))


def render(reports: Sequence[Report], rules: Rules | None = None) -> str:
    """The XML of these reports.

    A fail is a failure of type its level; inconclusive and error are errors of that type. Skipped, with the reason, is
    what is unsupported or not applicable, what a live deviation excuses, what was no better in the baseline, and what
    does not gate. A partial report and an unavailable implementation have an error case of their own, so that neither
    looks like a pass. The time of a case is that of a recording; judging takes none worth telling.
    """
    by = rules or Rules()
    named = zip(reports, labels(reports), strict=True)
    suites = [suite for report, label in named for suite in _suites(report, label, by)]
    return _DISABLED.sub(r"\1", _indented(str(to_xml_report_string(suites, prettyprint=False))))


def _indented(xml: str) -> str:
    """One element a line; the library's own way takes five times as long."""
    root = ElementTree.fromstring(xml)
    ElementTree.indent(root, "\t")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suites(report: Report, label: str, rules: Rules) -> Iterator[Any]:
    families: dict[str, list[Any]] = {"report": list(_whole(report, label)), "recordings": list(_taken(report, label))}
    requirements: dict[str, list[ReportedOutcome]] = {}
    for outcome in report.outcomes:
        requirements.setdefault(outcome.requirement, []).append(outcome)
    for outcomes in requirements.values():
        families.setdefault(outcomes[0].family, []).extend(_cases(report, outcomes, label, rules))
    for family, cases in families.items():
        if cases:
            yield TestSuite(f"{label}.{family}", cases, properties=_properties(report), timestamp=_timestamp(report))


def _properties(report: Report) -> dict[str, str]:
    header = report.header
    found = {"profile": header.profile, "suite": f"{header.suite} {header.version}", "catalogue": header.catalogue}
    if header.implementation is not None:
        found |= {"implementation": header.implementation.product, "version": header.implementation.version}
        found |= {f"version.{name}": value for name, value in sorted(header.implementation.details.items())}
    found |= {"kernel": header.kernel, "variant": header.variant, "complete": str(not report.partial).lower()}
    found |= {"attempts": str(header.attempts), "only": ", ".join(header.only), "waivers": ", ".join(waivers(report))}
    return {one_line(name): one_line(value) for name, value in found.items()}


def _timestamp(report: Report) -> str:
    return report.header.date.isoformat(timespec="seconds")


def _whole(report: Report, label: str) -> Iterator[Any]:
    """Cases of the report itself: it is whole, the classes that the profile claims, the limits that it sets."""
    absence = report.header.unavailable
    if absence is not None:
        case = TestCase("implementation is available", f"{label}.report")
        case.add_error_info(one_line(f"unavailable: {absence.reason}"), " ".join(absence.packages), "unavailable")
        yield case
    elif report.partial:
        case = TestCase("report is complete", f"{label}.report")
        case.add_error_info("partial: the run was cut short, outcomes may be missing", None, "partial")
        yield case
    for each in report.footer.classes if report.footer is not None else ():
        if each.claimed:
            case = TestCase(one_line(f"claims {each.name}"), f"{label}.report")
            if each.answer is not Answer.CONFORMS:
                case.add_failure_info(one_line(each.text), None, "claim")
            yield case
    for result in limit_results(report):
        case = TestCase(one_line(f"limit {result.limit.requirement} {result.limit.figure}"), f"{label}.report")
        if result.code:
            seen = "was not measured" if result.value is None else f"is {number_text(result.value)}"
            case.add_failure_info(one_line(f"{result.limit.figure} {seen}"), None, "limit")
        yield case


def _taken(report: Report, label: str) -> Iterator[Any]:
    """A case for each recording, with the time that it took."""
    again = {each.recording: each.reasons for each in report.header.repeated}
    for name, seconds in report.header.recorded.items():
        told = "".join(f"recorded again: {reason}\n" for reason in again.get(name, ()))
        yield TestCase(one_line(name), f"{label}.recordings", elapsed_sec=seconds, stdout=printable(told, keep="\n"))


def _cases(report: Report, outcomes: Sequence[ReportedOutcome], label: str, rules: Rules) -> Iterator[Any]:
    """The cases of one requirement: one for each cause of its failures, else one for all of it.

    The first cause has the requirement's id as its name, so that it is the same from run to run.
    """
    causes: dict[tuple[str, ...], list[ReportedOutcome]] = {}
    for outcome in outcomes:
        if outcome.verdict in _PROBLEMS:
            said = (pattern(outcome.expected, outcome), pattern(outcome.seen, outcome))
            excuse = _excuse(report, outcome, rules)
            causes.setdefault((outcome.verdict.value, excuse, *said), []).append(outcome)
    ranked = sorted(causes.items(), key=lambda item: bool(item[0][1]))
    for number, ((_, excuse, *_), group) in enumerate(ranked, 1):
        name = f"{outcomes[0].requirement} (cause {number})" if number > 1 else outcomes[0].requirement
        yield _problem(report, (group, outcomes), (one_line(name), f"{label}.{group[0].family}"), excuse)
    if not causes:
        yield _sound(report, outcomes, f"{label}.{outcomes[0].family}")


def _excuse(report: Report, outcome: ReportedOutcome, rules: Rules) -> str:
    """Why a problem does not end the run; empty where it does."""
    known = outcome.deviation
    if known is not None and excused(outcome, report):
        return f"waived: {known.reason} ({known.issue}, {known.owner}, until {known.expires})"
    if rules.baseline is not None:
        before = rules.baseline.get(report.header.profile.partition("@")[0], {}).get(outcome.key)
        if before is outcome.verdict:
            return f"known: {before} in the baseline, too"
    if outcome_code(outcome, report, rules.policy):
        return ""
    return f"does not gate: {outcome.level}{', informational' if outcome.informational else ''}"


def _problem(
    report: Report,
    outcomes: tuple[Sequence[ReportedOutcome], Sequence[ReportedOutcome]],
    name: tuple[str, str],
    excuse: str,
) -> Any:
    """The case of one cause among all `outcomes` of a requirement, shown by the first that has evidence."""
    group, every = outcomes
    first = next((outcome for outcome in group if outcome.evidence), group[0])
    where = summarise([each.parameters for each in group], [each.parameters for each in every])
    message = one_line(first.seen) or first.verdict.value
    if len(every) > 1:
        message += f" ({len(group)} of {plural(len(every), 'case')}{f': {where}' if where else ''})"
    case = TestCase(*name, stdout=_lines(_output(report, first)))
    if excuse:
        case.add_skipped_info(one_line(f"{first.verdict}, {excuse}: {message}"))
    elif first.verdict is Verdict.FAIL:
        case.add_failure_info(message, _lines(_explained(first)), first.level)
    else:
        case.add_error_info(message, _lines(_explained(first)), first.verdict.value)
    return case


def _sound(report: Report, outcomes: Sequence[ReportedOutcome], place: str) -> Any:
    """The case of a requirement that has no problem: passed, or skipped where nothing of it was judged."""
    first = next((each for each in outcomes if each.verdict is Verdict.PASS), outcomes[0])
    case = TestCase(one_line(first.requirement), place, stdout=_lines(_output(report, first)))
    if first.verdict is not Verdict.PASS:
        case.add_skipped_info(f"{first.verdict.value}: {one_line(first.seen) or first.verdict.value}")
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
    """Why: the case, what was expected and seen, and the deciding frames."""
    if outcome.parameters:
        yield f"case: {case_name(outcome)}"
    if outcome.expected:
        yield f"expected: {outcome.expected}"
    yield f"seen: {outcome.seen}"
    for evidence in outcome.evidence:
        yield f"frames: {evidence.recording}/frames.pcapng {', '.join(map(str, evidence.frames))}".rstrip()
        yield from (f"  {line}" for line in evidence.lines)


def _lines(texts: Iterator[str]) -> str:
    """One line each, without a character that XML forbids."""
    return "\n".join(printable(text.rstrip("\n").replace("\n", " "), keep="\t") for text in texts)
