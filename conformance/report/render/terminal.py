"""The matrix on a terminal: the tables, why things failed, and at the end, where one looks first, the summary."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from conformance.report.columns import Column, ColumnState
from conformance.report.findings import Finding, Kind
from conformance.report.grid import UNJUDGED, Cell, Matrix, Row
from conformance.report.render.glyphs import ASCII, ORDER, STANDING_STYLES, STYLES, UNICODE, Signs
from conformance.report.render.text import printable
from conformance.report.render.wording import (
    EXPLAIN,
    by_expectation,
    deviation_text,
    evidence_text,
    legend,
    level_text,
    lists,
    result_text,
    unchecked_text,
    where_text,
)
from conformance.verdict import GATING_LEVELS, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Segment = tuple[str, str]
"""Text and its style."""
Line = list[Segment]

NARROWEST: Final = 6
WIDEST: Final = 12
"""Characters of a column of the matrix; longer names are folded."""
GAP: Final = 2
_DASHES: Final = str.maketrans("–—", "--")
LEVEL: Final = 10


def render_terminal(matrix: Matrix, console: Console) -> None:
    """Print the matrix in the console's width (80 columns at least are needed to look well)."""
    from rich.text import Text

    plain = not console.encoding.lower().startswith("utf")
    lines = Page(matrix, max(console.width, 60), ASCII if plain else UNICODE).lines()
    text = Text("\n").join(
        Text.assemble(*((printable(part), style) for part, style in _trimmed(line))) for line in lines
    )
    if plain:
        text = encodable_text(text, console.encoding)
    console.print(text, soft_wrap=True)


def encodable_text(text: Text, encoding: str) -> Text:
    """`text` with a question mark for every character that the terminal cannot show; styles stay where they are."""
    shown = text.copy()
    shown.plain = text.plain.translate(_DASHES).encode(encoding, "replace").decode(encoding)
    return shown


def _trimmed(line: Line) -> Line:
    """`line` without blanks at its end."""
    kept = list(line)
    while kept and not kept[-1][0].strip():
        kept.pop()
    return [*kept[:-1], (kept[-1][0].rstrip(), kept[-1][1])] if kept else []


class Page:
    """Lays out one matrix in `width` characters as lines of styled segments."""

    def __init__(self, matrix: Matrix, width: int, signs: Signs) -> None:
        self.matrix = matrix
        self.width = width
        self.signs = signs
        self._widths: dict[int, int] = {}
        self.cells = {row.requirement: [signs.cell(cell) for cell in row.cells] for row in matrix.rows}

    def lines(self) -> Iterator[Line]:
        """Everything, from top to bottom."""
        yield [("Interoperability matrix", "bold")]
        for text in self.matrix.preface:
            yield from self._wrapped(text, "", "dim")
        yield from self._tables()
        for kind in Kind:
            yield from self._findings(kind)
        for title, texts in lists(self.matrix):
            yield from self._list(title, texts)
        unchecked = unchecked_text(self.matrix)
        if unchecked:
            yield from self._title("Not yet checked")
            yield from self._wrapped(unchecked, "  ", "")
        yield from self._summary()

    # --- the tables ---------------------------------------------------------------------------------------------
    def _tables(self) -> Iterator[Line]:
        if not self.matrix.rows:
            return
        rows = [row for row in self.matrix.rows if _says_something(row)] or list(self.matrix.rows)
        names = [row.requirement for row in rows]
        first = max([len(name) + 5 * row.fast for name, row in zip(names, rows, strict=True)] + [20])
        for part in self._parts(first):
            yield []
            yield from self._header(part, first)
            for family in self.matrix.families().values():
                shown = [row for row in family if row in rows]
                if not shown:
                    continue
                used = first + LEVEL + sum(self._column_width(index) + GAP for index in part)
                yield [(self.signs.rule * used, "dim")]
                for row in shown:
                    yield from self._row(row, part, first)
        yield []
        yield from self._legend()

    def _parts(self, first: int) -> Iterator[list[int]]:
        """The indices of the columns of each table."""
        room = self.width - first - LEVEL
        part: list[int] = []
        for index in range(len(self.matrix.columns)):
            needed = self._column_width(index) + GAP
            if part and sum(self._column_width(each) + GAP for each in part) + needed > room:
                yield part
                part = []
            part.append(index)
        yield part

    def _column_width(self, index: int) -> int:
        if index not in self._widths:
            heads = _heads(self.matrix.columns[index])
            figures = [values[index] for row in self.matrix.rows for values in row.figures.values()]
            texts = [*heads, *(cells[index] for cells in self.cells.values()), *figures]
            self._widths[index] = max(NARROWEST, *map(len, texts))
        return self._widths[index]

    def _header(self, part: Sequence[int], first: int) -> Iterator[Line]:
        stacks = [_heads(self.matrix.columns[index]) for index in part]
        height = max(map(len, stacks))
        padded = [[""] * (height - len(stack)) + stack for stack in stacks]
        for number, texts in enumerate(zip_longest(*padded, fillvalue="")):
            left = f"{'requirement':{first}}  {'level':{LEVEL - 2}}" if number == height - 1 else " " * (first + LEVEL)
            line: Line = [(left, "bold")]
            for index, text in zip(part, texts, strict=True):
                line.append((" " * GAP + f"{text:{self._column_width(index)}}", "bold"))
            yield line

    def _row(self, row: Row, part: Sequence[int], first: int) -> Iterator[Line]:
        name = f"{row.requirement} fast" if row.fast else row.requirement
        level = f"{row.level} i" if row.informational else row.level
        line: Line = [(f"{name:{first}}  ", ""), (f"{level:{LEVEL - 2}}", "dim")]
        for index in part:
            text = self.cells[row.requirement][index]
            line.append((" " * GAP, ""))
            line.append((f"{text:{self._column_width(index)}}", _style(row.cells[index], row)))
        yield line
        for name, values in row.figures.items():
            line = [(f"{'  ' + name:{first + LEVEL}.{first + LEVEL}}", "dim")]
            line += [(" " * GAP + f"{values[index]:{self._column_width(index)}}", "cyan") for index in part]
            yield line

    def _legend(self) -> Iterator[Line]:
        text = ""
        for item in legend(self.matrix, self.signs, "i"):
            if text and len(text) + 3 + len(item) > self.width:
                yield [(text, "dim")]
                text = ""
            text += f"   {item}" if text else item
        yield [(text, "dim")]

    # --- below the tables -----------------------------------------------------------------------------------------
    def _findings(self, kind: Kind) -> Iterator[Line]:
        found = self.matrix.of_kind(kind)
        if not found:
            return
        yield from self._title(f"{kind.value} ({sum(map(len, found.values()))})", EXPLAIN[kind])
        label = max(len(finding.label) for findings in found.values() for finding in findings)
        for name, findings in found.items():
            first = findings[0]
            row = self.matrix.row(name)
            yield [
                (f"{self.signs.verdicts[first.verdict]} {name}", STYLES[first.verdict]),
                (f"  {level_text(row)}", ""),
            ]
            if kind not in (Kind.ERROR, Kind.INCONCLUSIVE):
                yield from self._led([("    clause:   ", "dim")], row.clause, "dim", 14)
            for expected, alike in by_expectation(findings).items():
                if expected:
                    yield from self._led([("    expected: ", "")], expected, "", 14)
                for finding in alike:
                    yield from self._finding(finding, label)

    def _finding(self, finding: Finding, label: int) -> Iterator[Line]:
        where = where_text(finding)
        told = f"{f'{where}: ' if where else ''}{finding.seen}"
        yield from self._led([("  - ", ""), (f"{finding.label:{label}}", "bold")], f"  {told}", "")
        if finding.kind is Kind.DEVIATION:
            yield from self._wrapped(deviation_text(finding), "      ", "yellow")
        if finding.place:
            yield from self._wrapped(evidence_text(finding), "      ", "dim")

    def _summary(self) -> Iterator[Line]:
        yield from self._title("Summary", "requirements by their most severe verdict")
        shown = [verdict for verdict in ORDER if any(column.counts.get(verdict) for column in self.matrix.columns)]
        label = max([len(column.label) for column in self.matrix.columns] + [14])
        result = max([len(result_text(column)) for column in self.matrix.columns] + [6])
        heads = "".join(f"{self.signs.verdicts[verdict]:>5}" for verdict in shown)
        yield [(f"{'implementation':{label}}  {'result':{result}}{heads}", "bold")]
        for column in self.matrix.columns:
            line: Line = [(f"{column.label:{label}}  ", "")]
            line.append((f"{result_text(column):{result}}", STANDING_STYLES[column.standing]))
            line += [(f"{column.counts.get(verdict, 0) or '':>5}", STYLES[verdict]) for verdict in shown]
            yield line
            told = "; ".join(filter(None, [f"{column.product} {column.version}".strip(), *column.remarks]))
            yield from self._wrapped(told, "    ", "" if column.state is not ColumnState.COMPLETE else "dim")

    # --- pieces -----------------------------------------------------------------------------------------------------
    def _title(self, title: str, explained: str = "") -> Iterator[Line]:
        yield []
        yield from self._led([(title, "bold")], f"  {explained}" if explained else "", "dim")

    def _list(self, title: str, texts: Sequence[str]) -> Iterator[Line]:
        if texts:
            yield from self._title(title)
        for text in texts:
            yield from self._led([("  - ", "")], text, "")

    def _wrapped(self, text: str, indent: str, style: str) -> Iterator[Line]:
        yield from self._led([(indent, "")], text, style, len(indent))

    def _led(self, lead: Line, text: str, style: str, indent: int = 6) -> Iterator[Line]:
        """`lead`, then `text` wrapped after it and below it, `indent` characters in."""
        taken = sum(len(part) for part, _ in lead)
        filled = textwrap.wrap(
            "x" * taken + text, self.width, subsequent_indent=" " * indent, break_on_hyphens=False, tabsize=1
        )
        for number, line in enumerate(filled or [""]):
            yield [*lead, (line[taken:], style)] if number == 0 else [(line, style)]


def _heads(column: Column) -> list[str]:
    """The lines above a column: name, version, and whether it is whole."""
    marks = {ColumnState.PARTIAL: ["PARTIAL"], ColumnState.UNAVAILABLE: ["UNAVAILABLE"]}
    return [*fold(column.label), *fold(column.version), *marks.get(column.state, [])]


def fold(text: str, width: int = WIDEST) -> list[str]:
    """`text` in lines of at most `width` characters, broken behind ``-``, ``.`` and their like if possible."""
    lines = [""]
    for piece in re.findall(rf"[^-_.@+~: ]{{0,{width - 1}}}(?:[-_.@+~: ]|[^-_.@+~: ]|$)", text):
        if len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines if line.strip()]


def _says_something(row: Row) -> bool:
    """Whether a cell of the row was judged, or says that it is missing."""
    return any(
        cell.verdict not in UNJUDGED and (cell.verdict or cell.state is not ColumnState.COMPLETE) for cell in row.cells
    )


def _style(cell: Cell, row: Row) -> str:
    if cell.verdict is None:
        return "dim"
    if cell.verdict is Verdict.FAIL and (
        cell.deviation == "live" or row.informational or row.level not in GATING_LEVELS
    ):
        return "yellow"
    return (
        "dim green" if cell.verdict is Verdict.PASS and cell.state is not ColumnState.COMPLETE else STYLES[cell.verdict]
    )
