"""The columns of a matrix: one implementation each, with version, standing and remarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from conformance.report.gate import Standing, limit_results, standing, waivers
from conformance.report.model import Report
from conformance.report.render.text import number_text, one_line
from conformance.verdict import Verdict


class ColumnState(StrEnum):
    """Whether a column shows all that was owed."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Column:
    """One report. `label` is unique in the matrix; `counts` are its cells (requirements) by verdict.

    `waivers` counts the requirements that fail and are excused by the profile.
    """

    label: str
    product: str
    version: str
    title: str
    state: ColumnState
    standing: Standing
    waivers: int
    counts: Mapping[Verdict, int]
    remarks: tuple[str, ...]


def labels(reports: Sequence[Report]) -> list[str]:
    """A unique name for each report: the profile's, with version, then day, then a number where that is not enough."""
    names = [report.header.profile for report in reports]
    for further in (_version, _day):
        names = [
            f"{name}@{further(report)}" if count > 1 and further(report) else name
            for name, report, count in zip(names, reports, _counts(names), strict=True)
        ]
    seen: Counter[str] = Counter()
    for index, (name, count) in enumerate(zip(list(names), _counts(names), strict=True)):
        seen[name] += 1
        if count > 1:
            names[index] = f"{name}#{seen[name]}"
    return names


def column(report: Report, label: str, counts: Mapping[Verdict, int], remarks: Sequence[str]) -> Column:
    """The column of one report; `remarks` are those that follow from its cells."""
    implementation = report.header.implementation
    return Column(
        label=label,
        product=one_line(implementation.product) if implementation else "",
        version=_version(report),
        title=one_line(report.header.title),
        state=state(report),
        standing=standing(report),
        waivers=len(waivers(report)),
        counts=counts,
        remarks=(*_remarks(report), *remarks),
    )


def state(report: Report) -> ColumnState:
    """Unavailable before partial: there is nothing to wait for."""
    if report.header.unavailable is not None:
        return ColumnState.UNAVAILABLE
    return ColumnState.PARTIAL if report.partial else ColumnState.COMPLETE


def _remarks(report: Report) -> list[str]:
    found = []
    absence = report.header.unavailable
    if absence is not None:
        found.append(f"unavailable: {one_line(absence.reason)}")
        if absence.packages:
            found.append(f"provided by {', '.join(map(one_line, absence.packages))}")
    elif report.partial:
        found.append("partial: the run was cut short")
    if absence is None:
        found += [*_selection(report), *_limits(report)]
    if absence is None and report.control is None:
        found.append("no plain wire was judged")
    elif report.control is not None and report.control.problems:
        ids = list(dict.fromkeys(problem.requirement for problem in report.control.problems))
        found.append(f"the plain wire does not pass {', '.join(ids[:3])}{' …' if len(ids) > 3 else ''}")
    return found


def _selection(report: Report) -> Iterator[str]:
    """What this run was not, or was not asked for."""
    header = report.header
    if header.only:
        yield f"only {', '.join(header.only)}"
    if header.left_out:
        yield f"without the {'testbed' if len(header.left_out) == 1 else 'testbeds'} {', '.join(header.left_out)}"
    if header.switched_off:
        yield f"switched off: {', '.join(header.switched_off)}"
    if header.repeated:
        first = header.repeated[0]
        more = f" and {len(header.repeated) - 1} more" if len(header.repeated) > 1 else ""
        yield one_line(f"recorded again: {first.recording} ({'; '.join(first.reasons)}){more}")


def _limits(report: Report) -> Iterator[str]:
    """The limits of the profile that a figure is beyond, and those whose figure was not measured."""
    for result in limit_results(report):
        limit = result.limit
        bound = f"at most {limit.at_most:g}" if limit.at_most is not None else f"at least {limit.at_least:g}"
        if result.value is None:
            yield one_line(f"limit: {limit.requirement} {limit.figure} was not measured")
        elif result.code:
            yield one_line(f"limit: {limit.requirement} {limit.figure} is {number_text(result.value)}, {bound} allowed")


def _counts(names: Sequence[str]) -> list[int]:
    counts = Counter(names)
    return [counts[name] for name in names]


def _version(report: Report) -> str:
    known = report.header.implementation
    return f"{one_line(known.version)}{' (stated)' * known.stated}" if known else ""


def _day(report: Report) -> str:
    return report.header.date.date().isoformat()
