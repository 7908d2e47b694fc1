"""The matrix: requirements by family against implementations, made from reports; `matrix` shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conformance.family import VIEWS, position, title_of, view_of
from conformance.report.columns import Column, ColumnState, column, labels, state
from conformance.report.findings import Finding, Kind, Remark, findings, notes, stale, unsupported
from conformance.report.gate import excused
from conformance.report.model import Answer, ClassResult, Report, ReportedOutcome
from conformance.report.render.text import number_text, one_line, plural
from conformance.requirement import Requirement, catalogue, catalogue_hash, clause_text
from conformance.verdict import Verdict, worst

UNJUDGED = frozenset({Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE})
"""Verdicts that were not reached by looking at what the implementation does."""

ByRequirement = Mapping[str, Sequence[ReportedOutcome]]


@dataclass(frozen=True)
class Cell:
    """What one implementation amounts to for one requirement: the most severe verdict over its parameters.

    `verdict` is None where there is no outcome. `count` of `total` judged parameters have it; what is not applicable or
    unsupported is not judged, and `partly` tells that some is unsupported beside what was judged. `deviation` is
    ``live``, ``expired`` or ``unused`` (declared, yet nothing fails), or empty.
    """

    verdict: Verdict | None = None
    count: int = 0
    total: int = 0
    partly: bool = False
    flaky: bool = False
    noted: bool = False
    deviation: str = ""
    state: ColumnState = ColumnState.COMPLETE

    @property
    def mixed(self) -> bool:
        """Whether some of its judged parameters have another verdict."""
        return self.count < self.total


@dataclass(frozen=True)
class Row:
    """One requirement with a cell for each column.

    `clause` is its source with a mark where nobody verified it. `fast` tells that a shorter variant of a nightly check
    ran. `figures` maps a figure's name and unit to its value or range in each column.
    """

    requirement: str
    family: str
    level: str
    informational: bool
    fast: bool
    clause: str
    cells: tuple[Cell, ...]
    figures: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class PartOfMatrix:
    """A part of the matrix under a title of its own: its rows, and the indices of its columns."""

    title: str
    rows: tuple[Row, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Matrix:
    """Reports side by side.

    `stale` are deviations that nothing needs, `classes` the conformance classes that something is said of. `unchecked`
    lists requirements without outcome, `preface` says with what the reports were made.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    notes: tuple[Remark, ...]
    unsupported: tuple[Remark, ...]
    stale: tuple[Remark, ...]
    classes: Mapping[str, tuple[ClassResult, ...]]
    unchecked: tuple[str, ...]
    preface: tuple[str, ...]

    def families(self) -> dict[str, list[Row]]:
        """The rows by family, in order."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.family, []).append(row)
        return found

    def views(self) -> list[PartOfMatrix]:
        """The parts of the matrix of which something was judged: rows and columns that have a verdict there."""
        made = ((title, [row for row in self.rows if view_of(row.family) == view]) for view, title in VIEWS.items())
        return [part for title, rows in made if (part := self._part(title, rows)).rows]

    def split(self, part: PartOfMatrix) -> list[PartOfMatrix]:
        """A part as one table, or as one for each family where most of its cells would be empty."""
        judged = sum(_judged(row.cells[index]) for row in part.rows for index in part.columns)
        if 2 * judged >= len(part.rows) * len(part.columns):
            return [part]
        families = dict.fromkeys(row.family for row in part.rows)
        return [self._part(title_of(name), [row for row in part.rows if row.family == name]) for name in families]

    def _part(self, title: str, rows: Sequence[Row]) -> PartOfMatrix:
        shown = [row for row in rows if any(map(_judged, row.cells))]
        columns = [index for index in range(len(self.columns)) if any(_judged(row.cells[index]) for row in shown)]
        return PartOfMatrix(title, tuple(shown), tuple(columns))

    def of_kind(self, kind: Kind) -> dict[str, list[Finding]]:
        """The findings of one section by requirement, in the order of the rows."""
        found: dict[str, list[Finding]] = {row.requirement: [] for row in self.rows}
        for finding in self.findings:
            if finding.kind is kind:
                found[finding.requirement].append(finding)
        return {name: listed for name, listed in found.items() if listed}

    def row(self, requirement: str) -> Row:
        """The row of one requirement."""
        return next(row for row in self.rows if row.requirement == requirement)


def _judged(cell: Cell) -> bool:
    return cell.verdict is not None and cell.verdict not in UNJUDGED


def by_product(reports: Sequence[Report]) -> list[Report]:
    """The reports with those of one product and version beside each other; what was not there comes last."""

    def place(report: Report) -> tuple[bool, str, str, str]:
        known = report.header.implementation
        return known is None, known.product if known else "", known.version if known else "", report.header.profile

    return sorted(reports, key=place)


def build(reports: Sequence[Report]) -> Matrix:
    """The matrix of these reports, in their order."""
    names = labels(reports)
    grouped = [by_requirement(report) for report in reports]
    rows = tuple(_row(name, reports, grouped) for name in _order({name for each in grouped for name in each}))
    told = [finding for each in zip(reports, names, grouped, strict=True) for finding in findings(*each)]
    columns = []
    for index, (report, label) in enumerate(zip(reports, names, strict=True)):
        cells = [row.cells[index] for row in rows]
        counts = Counter(cell.verdict for cell in cells if cell.verdict is not None)
        columns.append(column(report, label, counts, _cell_remarks(cells)))
    return Matrix(
        columns=tuple(columns),
        rows=rows,
        findings=tuple(told),
        notes=tuple(notes(reports, names)),
        unsupported=tuple(unsupported(reports, names)),
        stale=tuple(stale(reports, names)),
        classes={label: _classes(report) for report, label in zip(reports, names, strict=True) if _classes(report)},
        unchecked=_unchecked({row.requirement for row in rows}) if _whole(reports) else (),
        preface=_preface(reports),
    )


def by_requirement(report: Report) -> dict[str, list[ReportedOutcome]]:
    """The outcomes of a report by requirement id."""
    found: dict[str, list[ReportedOutcome]] = {}
    for outcome in report.outcomes:
        found.setdefault(outcome.requirement, []).append(outcome)
    return found


def _order(ids: Iterable[str]) -> list[str]:
    """As in the catalogue; what it does not have comes last in its family."""
    place = {name: number for number, name in enumerate(catalogue())}

    def rank(name: str) -> tuple[int, int, str]:
        return position(name.partition(".")[0]), place.get(name, len(place)), name

    return sorted(ids, key=rank)


def _row(name: str, reports: Sequence[Report], grouped: Sequence[ByRequirement]) -> Row:
    every = [outcome for each in grouped for outcome in each.get(name, ())]
    known: Requirement | None = catalogue().get(name)
    return Row(
        requirement=name,
        family=every[0].family,
        level=every[0].level,
        informational=every[0].informational,
        fast=known is not None and known.nightly and any(report.header.variant == "fast" for report in reports),
        clause=clause_text(known) if known else "not in this suite's catalogue",
        cells=tuple(_cell(report, each.get(name, ())) for report, each in zip(reports, grouped, strict=True)),
        figures=_figures([each.get(name, ()) for each in grouped]),
    )


def _cell(report: Report, outcomes: Sequence[ReportedOutcome]) -> Cell:
    if not outcomes:
        return Cell(state=state(report))
    counts = Counter(outcome.verdict for outcome in outcomes)
    verdict = worst(counts)
    total = sum(count for each, count in counts.items() if each not in UNJUDGED)
    return Cell(
        verdict=verdict,
        count=counts[verdict],
        total=total,
        partly=bool(total and counts[Verdict.UNSUPPORTED]),
        flaky=any(outcome.flaky for outcome in outcomes),
        noted=any(outcome.notes for outcome in outcomes),
        deviation=_deviation(report, outcomes),
        state=state(report),
    )


def _deviation(report: Report, outcomes: Sequence[ReportedOutcome]) -> str:
    declared = [outcome for outcome in outcomes if outcome.deviation is not None]
    failed = [outcome for outcome in declared if outcome.verdict is Verdict.FAIL]
    if not failed:
        judged = any(outcome.verdict is Verdict.PASS for outcome in declared)
        return "unused" if judged else ""
    return "live" if all(excused(outcome, report) for outcome in failed) else "expired"


def _figures(columns: Sequence[Sequence[ReportedOutcome]]) -> dict[str, tuple[str, ...]]:
    names = sorted({name for outcomes in columns for outcome in outcomes for name in outcome.figures})
    return {one_line(name): tuple(_range(name, outcomes) for outcomes in columns) for name in names}


def _range(name: str, outcomes: Sequence[ReportedOutcome]) -> str:
    values = [outcome.figures[name] for outcome in outcomes if name in outcome.figures]
    if not values:
        return ""
    low, high = number_text(min(values)), number_text(max(values))
    return low if low == high else f"{low}–{high}"


def _classes(report: Report) -> tuple[ClassResult, ...]:
    """The conformance classes that the report says something of."""
    listed = report.footer.classes if report.footer is not None else ()
    return tuple(each for each in listed if each.answer is not Answer.NOT_CLAIMED)


def _cell_remarks(cells: Sequence[Cell]) -> list[str]:
    counts = Counter(cell.deviation for cell in cells)
    words = {"live": "known deviation", "expired": "expired deviation", "unused": "unneeded deviation"}
    found = [plural(counts[kind], word) for kind, word in words.items() if counts[kind]]
    flaky = sum(cell.flaky for cell in cells)
    return [*found, f"{flaky} flaky"] if flaky else found


def _whole(reports: Sequence[Report]) -> bool:
    """Whether no run was narrowed: only then does a missing row say anything."""
    return not any(report.header.only for report in reports)


def _unchecked(checked: set[str]) -> tuple[str, ...]:
    """Requirements of the catalogue without an outcome, in the families that have checks."""
    begun = {name.partition(".")[0] for name in checked}
    return tuple(row.id for row in catalogue().values() if row.family in begun and row.id not in checked)


def _preface(reports: Sequence[Report]) -> tuple[str, ...]:
    headers = [report.header for report in reports]
    if not headers:
        return ()
    hashes = {header.catalogue for header in headers}
    days = sorted({header.date.date().isoformat() for header in headers})
    lines = [
        f"{_distinct(f'{header.suite} {header.version}' for header in headers)}, "
        f"catalogue {_distinct(header.catalogue[:12] for header in headers)}, "
        f"kernel {_distinct(header.kernel for header in headers)}, {days[0]}"
        + (f" to {days[-1]}" if len(days) > 1 else ""),
        f"testbeds {_distinct(bed for header in headers for bed in header.testbeds)}; "
        f"{_distinct(header.variant for header in headers)} variant; "
        f"{_distinct(plural(header.attempts, 'attempt') for header in headers)}",
    ]
    if len(hashes) > 1:
        lines.append("Judged with different catalogues: judge the recordings again before you compare.")
    elif hashes != {catalogue_hash()}:
        lines.append("Judged with another catalogue than this suite's; clauses are shown as this suite has them.")
    return tuple(lines)


def _distinct(values: Iterable[str]) -> str:
    return one_line(", ".join(sorted(set(values))))
