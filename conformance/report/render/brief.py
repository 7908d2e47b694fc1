"""The end of a run on a terminal, short: result, classes, failures by cause, what is undecided, where the page is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from conformance.family import title_of
from conformance.report.causes import Cause, causes
from conformance.report.columns import Column, ColumnState
from conformance.report.findings import Kind
from conformance.report.grid import UNJUDGED, Cell, Matrix
from conformance.report.model import ClassResult
from conformance.report.render.glyphs import ASCII, ORDER, STANDING_STYLES, STYLES, UNICODE, Signs
from conformance.report.render.terminal import Line, encodable_text
from conformance.report.render.text import plural
from conformance.report.render.wording import result_text
from conformance.verdict import Verdict, worst

if TYPE_CHECKING:
    from rich.console import Console

ALONE: Final = 22
"""Failures that are shown of one implementation."""
TOGETHER: Final = 14
"""Failing requirements that are shown of several."""
NAMES: Final = 4
"""Names that are spelled out in one line."""
NARROWEST: Final = 60


def render_brief(matrix: Matrix, console: Console, place: str) -> None:
    """Print it; `place` is where page, reports and recordings are. Without a terminal no line is wrapped."""
    from rich.text import Text

    plain = not console.encoding.lower().startswith("utf")
    width = max(console.width, NARROWEST) if console.is_terminal else None
    brief = Brief(matrix, width, ASCII if plain else UNICODE)
    text = Text("\n").join(Text.assemble(*line) for line in brief.lines(place))
    console.print(encodable_text(text, console.encoding) if plain else text, soft_wrap=True)


class Brief:
    """Lays it out in `width` characters, or in lines as long as they are."""

    def __init__(self, matrix: Matrix, width: int | None, signs: Signs) -> None:
        self.matrix = matrix
        self.width = width
        self.signs = signs

    def lines(self, place: str) -> Iterator[Line]:
        """Everything, from top to bottom."""
        alone = len(self.matrix.columns) == 1
        yield from self._one(self.matrix.columns[0]) if alone else self._several()
        yield []
        yield [("page: ", "bold"), (f"{place}/matrix.html", "")]
        yield [("reports and recordings: ", "bold"), (place, "")]

    # --- one implementation ---------------------------------------------------------------------------------------
    def _one(self, column: Column) -> Iterator[Line]:
        yield from self._result(column)
        for result in self.matrix.classes.get(column.label, ()):
            yield self._cut(f"  {_class_text(result)}", "")
        found = causes(self.matrix, column.label)
        if found:
            yield []
        for cause in found[:ALONE]:
            yield from self._cause(cause)
        if len(found) > ALONE:
            names = ", ".join(each.finding.requirement for each in found[ALONE:])
            yield from self._wrapped(f"and {plural(len(found) - ALONE, 'requirement')} more: {names}", "  ")
        yield from self._rest(column)

    def _result(self, column: Column) -> Iterator[Line]:
        said = " ".join(filter(None, [column.product, column.version]))
        line: Line = [(column.label, "bold"), (": ", ""), (result_text(column), STANDING_STYLES[column.standing])]
        yield [*line, (f"  ({said})" if said else "", "dim")]
        counts = [f"{column.counts[each]} {each}" for each in ORDER if column.counts.get(each) and each not in UNJUDGED]
        if counts:
            yield from self._wrapped(f"requirements: {', '.join(counts)}", "  ")
        for remark in column.remarks:
            yield from self._wrapped(remark, "  ", "yellow")

    def _cause(self, cause: Cause) -> Iterator[Line]:
        finding = cause.finding
        where = f" ({finding.where})" if finding.where and not finding.where.startswith("all ") else ""
        count = f", {plural(cause.cases, 'case')}" if cause.cases > 1 else ""
        text = f"{finding.requirement} {finding.level}{count}{where}: {finding.seen}"
        yield self._cut(f"{self.signs.verdicts[Verdict.FAIL]} {text}", STYLES[Verdict.FAIL])
        if cause.follows:
            names = _some(cause.follows)
            yield self._cut(f"    {plural(len(cause.follows), 'failure')} may follow from it: {names}", "")

    def _rest(self, column: Column) -> Iterator[Line]:
        """What else is to be said, a line for each kind: undecided by reason, failures that do not gate."""
        undecided = [
            each
            for kind in (Kind.INCONCLUSIVE, Kind.ERROR)
            for found in self.matrix.of_kind(kind).values()
            for each in found
            if each.label == column.label
        ]
        if undecided:
            alike: dict[str, list[str]] = {}
            for each in undecided:
                alike.setdefault(re.sub(r"\d+", "#", each.seen), []).append(each.seen)
            reasons = sorted(alike.values(), key=len, reverse=True)
            told = "; ".join(f"{len(seen)} {seen[0]}" for seen in reasons[:NAMES])
            more = f"; {len(reasons) - NAMES} more reasons" if len(reasons) > NAMES else ""
            names = dict.fromkeys(each.requirement for each in undecided)
            yield []
            yield from self._wrapped(
                f"? undecided: {plural(len(names), 'requirement')}: {told}{more}", "    ", first=""
            )
        for kind, word in ((Kind.WEAK, "fail without gating"), (Kind.DEVIATION, "waived")):
            names = dict.fromkeys(name for name, found in self.matrix.of_kind(kind).items() if found)
            if names:
                yield from self._wrapped(f"{word}: {', '.join(names)}", "    ", "yellow", first="")

    # --- several ------------------------------------------------------------------------------------------------------
    def _several(self) -> Iterator[Line]:
        columns = self.matrix.columns
        label = max(len(column.label) for column in columns)
        result = max(len(result_text(column)) for column in columns)
        if len(columns) <= TOGETHER:
            yield from self._families()
        for column in columns:
            counts = ", ".join(
                f"{column.counts[each]} {each}" for each in ORDER if column.counts.get(each) and each not in UNJUDGED
            )
            remarks = f"  {'; '.join(column.remarks)}" if column.state is not ColumnState.COMPLETE else ""
            line: Line = [(f"{column.label:{label}}  ", "bold")]
            yield self._fit([*line, (f"{result_text(column):{result}}", STANDING_STYLES[column.standing]),
                             (f"  {counts}{remarks}", "")])  # fmt: skip
        failed = self.matrix.of_kind(Kind.FAILURE)
        if failed:
            yield []
        for name, found in list(failed.items())[:TOGETHER]:
            who = _some(tuple(dict.fromkeys(each.label for each in found)))
            yield self._cut(f"{self.signs.verdicts[Verdict.FAIL]} {name}: {who}: {found[0].seen}", STYLES[Verdict.FAIL])
        if len(failed) > TOGETHER:
            yield from self._wrapped(f"and {plural(len(failed) - TOGETHER, 'requirement')} more, on the page", "  ")

    def _families(self) -> Iterator[Line]:
        """The matrix by family: only families of which something was judged."""
        shown = {
            name: [self._sum([row.cells[index] for row in rows]) for index in range(len(self.matrix.columns))]
            for name, rows in self.matrix.families().items()
        }
        shown = {name: cells for name, cells in shown.items() if any(text for text, _ in cells)}
        if not shown:
            return
        first = max(len(title_of(name)) for name in shown)
        widths = [max(len(column.label), 4) for column in self.matrix.columns]
        heads = "".join(f"  {column.label:{width}}" for column, width in zip(self.matrix.columns, widths, strict=True))
        yield self._fit([(" " * first + heads, "bold")])
        for name, cells in shown.items():
            line: Line = [(f"{title_of(name):{first}}", "")]
            line += [(f"  {text:{width}}", style) for (text, style), width in zip(cells, widths, strict=True)]
            yield self._fit(line)
        yield []

    def _sum(self, cells: Sequence[Cell]) -> tuple[str, str]:
        """The gravest verdict of the cells that were judged, and how many have it; empty where none was."""
        judged = [cell.verdict for cell in cells if cell.verdict is not None and cell.verdict not in UNJUDGED]
        if not judged:
            return "", ""
        verdict = worst(judged)
        count = f" {judged.count(verdict)}/{len(judged)}" if judged.count(verdict) < len(judged) else ""
        return f"{self.signs.verdicts[verdict]}{count}", STYLES[verdict]

    # --- pieces -------------------------------------------------------------------------------------------------------
    def _cut(self, text: str, style: str) -> Line:
        """One line, ended where the terminal ends."""
        if self.width is not None and len(text) > self.width:
            text = text[: self.width - 3].rstrip() + "..."
        sign, rest = text[:1], text[1:]
        return [(sign, style), (rest, "")] if style else [(text, "")]

    def _fit(self, line: Line) -> Line:
        """The line as far as the terminal is wide, without blanks at its end."""
        kept: Line = []
        room = self.width
        for text, style in line:
            part = text if room is None else text[:room]
            room = None if room is None else room - len(part)
            kept.append((part, style))
        while kept and not kept[-1][0].strip():
            kept.pop()
        return [*kept[:-1], (kept[-1][0].rstrip(), kept[-1][1])] if kept else []

    def _wrapped(self, text: str, indent: str, style: str = "", first: str | None = None) -> Iterator[Line]:
        lead = indent if first is None else first
        if self.width is None:
            yield [(lead + text, style)]
            return
        filled = textwrap.wrap(
            text, self.width, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False, max_lines=3,
            placeholder=" ...",
        )  # fmt: skip
        yield from ([(line, style)] for line in filled)


def _class_text(result: ClassResult) -> str:
    """A conformance class in one line: what is not met is counted, and named among the failures."""
    numbers = {"fail": result.failing, "undecided": result.undecided, "unsupported": result.unsupported}
    counts = "".join(f", {len(names)} {word}" for word, names in numbers.items() if names)
    claimed = " (claimed)" if result.claimed else ""
    return f"{result.name}{claimed}: {result.answer}, {result.met} of {result.total} met{counts}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return f"{', '.join(names[:NAMES])}{more}"
