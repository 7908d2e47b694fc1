"""The matrix as one self-contained page: rendered rows, data for what a cell opens, style and script inlined."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from conformance.family import VIEWS, title_of, view_of
from conformance.report.attachments import Attachments, nowhere
from conformance.report.columns import Column
from conformance.report.grid import ByRequirement, Cell, Matrix, Row, build, by_requirement
from conformance.report.model import Report, ReportedOutcome
from conformance.report.render.cells import Data, groups
from conformance.report.render.glyphs import ORDER, UNICODE
from conformance.report.render.text import one_line, printable
from conformance.report.render.wording import legend, result_text, unchecked_text
from conformance.requirement import catalogue
from conformance.verdict import Verdict

if TYPE_CHECKING:
    from jinja2 import Environment

STYLES: Final = ("colours.css", "page.css", "panel.css", "sequence.css", "print.css")
SCRIPTS: Final = ("state.js", "table.js", "compare.js", "panel.js", "figures.js", "keys.js", "main.js")
FIRST_SCREEN: Final = 24
"""Rows that fill a usual screen; the others follow at once."""
LETTERS: Final = {
    Verdict.PASS: "p",
    Verdict.FAIL: "f",
    Verdict.INCONCLUSIVE: "i",
    Verdict.ERROR: "e",
    Verdict.UNSUPPORTED: "u",
    Verdict.NOT_APPLICABLE: "n",
}
"""How style and script name a verdict."""


def render_page(reports: Sequence[Report], attachments: Attachments = nowhere, *, home: str = "") -> str:
    """The page over these reports; `attachments` finds what lies beside them, `home` is a link back, if any."""
    matrix = build(reports)
    style = "".join(_own(name) for name in STYLES)
    script = '"use strict";\n(() => {\n' + "".join(_own(name) for name in SCRIPTS) + "})();\n"
    template = _environment().get_template("page.html.j2")
    return template.render(
        matrix=matrix,
        home=home,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        about=_json(_about(matrix, reports)),
        islands=[_json(island) for island in _islands(reports, attachments)],
        letters=LETTERS,
        verdicts=[(verdict, UNICODE.verdicts[verdict], count) for verdict, count in _counts(matrix) if count],
        levels=list(dict.fromkeys(row.level for row in matrix.rows)),
        families=list(_families(matrix)),
        views=[(view, title) for view, title in VIEWS.items() if title in {part.title for part in matrix.views()}],
        legend=legend(matrix, UNICODE),
        unchecked=unchecked_text(matrix),
        column=_ColumnHead,
        cell=_cell_text,
        spoken=_spoken,
        row_letters=_row_letters,
    )


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("conformance.report.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _own(name: str) -> str:
    return (files("conformance.report.render") / "templates" / name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """JSON that may stand inside a script element: nothing in it ends the element or begins another."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _counts(matrix: Matrix) -> Iterator[tuple[Verdict, int]]:
    for verdict in ORDER:
        yield verdict, sum(column.counts.get(verdict, 0) for column in matrix.columns)


def _families(matrix: Matrix) -> Iterator[_Section]:
    above = 0
    for name, rows in matrix.families().items():
        yield _Section(name, rows, len(matrix.columns), later=above >= FIRST_SCREEN)
        above += len(rows)


class _Section:
    """One family with what each column amounts to in it: the gravest verdict and how many requirements have it.

    `later` ones are laid out after the first screen is there.
    """

    def __init__(self, name: str, rows: Sequence[Row], columns: int, *, later: bool) -> None:
        self.name, self.title, self.rows, self.later = name, title_of(name), rows, later
        self.view = view_of(name)
        self.sums = [_Sum([row.cells[index] for row in rows]) for index in range(columns)]


class _Sum:
    """The cells of one column: the first verdict of ORDER that is there, and a bar of shares."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        there = [cell.verdict for cell in cells if cell.verdict is not None]
        self.verdict = next((verdict for verdict in ORDER if verdict in there), None)
        self.count = there.count(self.verdict) if self.verdict else 0
        self.total = len(there)
        self.glyph = UNICODE.verdicts[self.verdict] if self.verdict else ""
        self.letter = LETTERS[self.verdict] if self.verdict else ""
        self.spoken = f"{self.verdict}, {self.count} of {self.total} requirements" if self.verdict else "no outcome"


class _ColumnHead:
    """What stands above a column."""

    def __init__(self, column: Column) -> None:
        self.label, self.version, self.title = column.label, column.version, column.title
        self.result, self.state = result_text(column), column.state.value
        self.mark = {"conforms": "p", "does not conform": "f"}.get(column.standing.value, "i")
        self.glyph = {"p": "✓", "f": "✗", "i": "?"}[self.mark] + "*" * bool(column.waivers)
        total = sum(column.counts.values()) or 1
        self.shares = [
            (LETTERS[verdict], round(100 * column.counts.get(verdict, 0) / total, 2))
            for verdict in ORDER
            if column.counts.get(verdict)
        ]
        self.spoken = ", ".join(
            f"{column.counts[verdict]} {verdict}" for verdict in ORDER if column.counts.get(verdict)
        )


def _cell_text(cell: Cell) -> tuple[str, str]:
    """Glyph and the small text behind it."""
    glyph, _, rest = UNICODE.cell(cell).partition(" ")
    return glyph, rest


def _spoken(cell: Cell) -> str:
    """A cell for those who hear it."""
    if cell.verdict is None:
        return {"partial": "missing, the run was cut short", "unavailable": "not available"}.get(
            cell.state.value, "not part of that run"
        )
    words = [cell.verdict.value]
    if cell.mixed:
        words.append(f"in {cell.count} of {cell.total} cases")
    words += ["flaky"] * cell.flaky + ["with a note"] * cell.noted
    words += [f"{cell.deviation} deviation"] if cell.deviation else []
    return ", ".join(words)


def _row_letters(row: Row) -> str:
    """The verdicts of a row, a letter for each column, ``-`` where there is none."""
    return "".join(LETTERS[cell.verdict] if cell.verdict else "-" for cell in row.cells)


def _about(matrix: Matrix, reports: Sequence[Report]) -> Data:
    """Columns and rows, as the script needs them at once."""
    grouped = [by_requirement(report) for report in reports]
    return {
        "columns": [
            _column(column, report) | {"classes": [each.text for each in matrix.classes.get(column.label, ())]}
            for column, report in zip(matrix.columns, reports, strict=True)
        ],
        "rows": [_row(row, grouped) for row in matrix.rows],
        "glyphs": {verdict.value: sign for verdict, sign in UNICODE.verdicts.items()},
        "letters": {verdict.value: letter for verdict, letter in LETTERS.items()},
    }


def _column(column: Column, report: Report) -> Data:
    header = report.header
    details = dict(header.implementation.details) if header.implementation else {}
    return {
        "label": column.label,
        "profile": header.profile,
        "title": column.title,
        "product": f"{column.product} {column.version}".strip(),
        "result": result_text(column),
        "counts": {verdict.value: column.counts[verdict] for verdict in ORDER if column.counts.get(verdict)},
        "remarks": list(column.remarks),
        "details": {one_line(name): one_line(value) for name, value in sorted(details.items())},
        "facts": {
            "kernel": one_line(header.kernel),
            "recorded": header.date.date().isoformat(),
            "testbeds": ", ".join(header.testbeds),
            "scenarios": ", ".join(header.scenarios),
            "variant": f"{header.variant}, {header.attempts} attempt{'s' * (header.attempts > 1)}",
            "suite": f"{header.suite} {header.version}, catalogue {header.catalogue[:12]}",
        },
        "command": one_line(header.command),
        "profile_text": [printable(line) for line in header.profile_text.splitlines()],
        "again": _again(report),
    }


def _again(report: Report) -> str:
    """The command that makes only what one cell shows, without its ``--only``."""
    try:
        words = shlex.split(report.header.command)
    except ValueError:
        words = []
    if any(word.startswith(("--set", "--as")) for word in words) and words[:2] == ["plugfest", "run"]:
        return one_line(shlex.join(words))
    return f"plugfest run {shlex.quote(report.header.profile)}"


def _row(row: Row, grouped: Sequence[ByRequirement]) -> Data:
    known = catalogue().get(row.requirement)
    data: Data = {
        "id": row.requirement,
        "family": row.family,
        "level": row.level,
        "informational": row.informational,
        "fast": row.fast,
        "clause": row.clause,
        "statement": known.statement if known else "",
        "stimulus": known.stimulus if known else "",
        "expects": known.expects if known else "",
        "alias": list(known.alias) if known else [],
        "figures": _ranges([each.get(row.requirement, ()) for each in grouped]) if row.figures else {},
    }
    return {key: value for key, value in data.items() if value}


def _ranges(columns: Sequence[Sequence[ReportedOutcome]]) -> dict[str, list[list[float] | None]]:
    """Smallest and largest value of each figure, for each column."""
    names = sorted({name for outcomes in columns for outcome in outcomes for name in outcome.figures})
    found: dict[str, list[list[float] | None]] = {}
    for name in names:
        each = [[outcome.figures[name] for outcome in column if name in outcome.figures] for column in columns]
        found[one_line(name)] = [[min(column), max(column)] if column else None for column in each]
    return found


def _islands(reports: Sequence[Report], attachments: Attachments) -> Iterator[Data]:
    """What the cells of each column open, by requirement; read when the first of them is opened."""
    for report in reports:
        yield {name: groups(report, outcomes, attachments) for name, outcomes in by_requirement(report).items()}
