"""The matrix as Markdown (``matrix.md``): the summary first, then the table, then why things failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from conformance.report.columns import Column, ColumnState
from conformance.report.findings import Finding, Kind
from conformance.report.grid import Matrix, Row
from conformance.report.render.glyphs import ORDER, UNICODE
from conformance.report.render.text import one_line
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
from conformance.verdict import Verdict

_SPECIAL = re.compile(r"([\\`*_\[\]<|~])")


def render_markdown(matrix: Matrix) -> str:
    """The whole page; ends in one line end."""
    return "\n".join(_lines(matrix)).rstrip("\n") + "\n"


def _lines(matrix: Matrix) -> Iterator[str]:
    yield "# Interoperability matrix"
    for text in matrix.preface:
        yield from ("", escaped(text))
    yield from _summary(matrix)
    yield from _table(matrix)
    for kind in Kind:
        yield from _findings(matrix, kind)
    for title, texts in lists(matrix):
        yield from _list(title, texts)
    unchecked = unchecked_text(matrix)
    if unchecked:
        yield from ("", "## Not yet checked", "", escaped(unchecked) + ".")


def _summary(matrix: Matrix) -> Iterator[str]:
    shown = [verdict for verdict in ORDER if any(column.counts.get(verdict) for column in matrix.columns)]
    yield from ("", "## Summary", "")
    heads = [f"{UNICODE.verdicts[verdict]} {verdict.value}" for verdict in shown]
    yield cells(["implementation", "version", "result", *heads, "remarks"])
    yield cells([*["---"] * 3, *["--:"] * len(heads), "---"])
    for column in matrix.columns:
        result = result_text(column)
        yield cells(
            [
                f"**{escaped(column.label)}**<br>{escaped(column.title)}",
                escaped(f"{column.product} {column.version}".strip()),
                f"**{result}**" if result != "conforms" else result,
                *(str(column.counts.get(verdict, 0) or "") for verdict in shown),
                "<br>".join(map(escaped, column.remarks)),
            ]
        )
    yield from ("", "Counts are requirements by their most severe verdict.")


def _table(matrix: Matrix) -> Iterator[str]:
    """A table for each part of the matrix: only columns that have a verdict there."""
    if not matrix.rows:
        return
    yield from ("", "## Requirements")
    for view in matrix.views():
        yield from ("", f"### {view.title}")
        tables = matrix.split(view)
        for part in tables:
            yield from ("", f"#### {part.title}") if len(tables) > 1 else ()
            yield ""
            yield cells(["requirement", "level", *(_head(matrix.columns[index]) for index in part.columns)])
            yield cells(["---"] * (2 + len(part.columns)))
            for row in part.rows:
                yield from _row(row, part.columns)
    quiet = [row.requirement for row in matrix.rows if all(row not in part.rows for part in matrix.views())]
    if quiet:
        yield from ("", f"Not judged anywhere here: {escaped(', '.join(quiet))}.")
    yield from ("", escaped("; ".join(legend(matrix, UNICODE))) + ".")


def _head(column: Column) -> str:
    whole = column.state is ColumnState.COMPLETE
    lines = [escaped(column.label), escaped(column.version), "" if whole else f"**{column.state.value}**"]
    return "<br>".join(filter(None, lines))


def _row(row: Row, columns: Sequence[int]) -> Iterator[str]:
    name = f"{row.requirement} (fast)" if row.fast else row.requirement
    texts = []
    for cell in (row.cells[index] for index in columns):
        text = escaped(UNICODE.cell(cell))
        texts.append(f"**{text}**" if cell.verdict in (Verdict.FAIL, Verdict.ERROR) else text)
    yield cells([escaped(name), level_text(row), *texts])
    for figure, values in row.figures.items():
        yield cells([f"— {escaped(figure)}", "", *(escaped(values[index]) for index in columns)])


def _findings(matrix: Matrix, kind: Kind) -> Iterator[str]:
    found = matrix.of_kind(kind)
    if not found:
        return
    yield from (
        "",
        f"## {kind.value}",
        "",
        f"{EXPLAIN[kind][0].upper()}{EXPLAIN[kind][1:]}.",
    )
    for name, findings in found.items():
        row = matrix.row(name)
        clause = "" if kind in (Kind.ERROR, Kind.INCONCLUSIVE) else f" — {escaped(row.clause)}"
        yield from ("", f"**{escaped(name)}** {level_text(row)}{clause}", "")
        for expected, alike in by_expectation(findings).items():
            if expected:
                yield f"- expected: {escaped(expected)}"
            yield from (f"{'  ' if expected else ''}- {_finding(finding)}" for finding in alike)


def _finding(finding: Finding) -> str:
    where = where_text(finding)
    text = f"**{escaped(finding.label)}**{f', {escaped(where)}' if where else ''}: {escaped(finding.seen)}"
    if finding.kind is Kind.DEVIATION:
        text += f" — deviation: {escaped(deviation_text(finding))}"
    evidence = evidence_text(finding)
    return f"{text} — {_code(evidence)}" if evidence else text


def _code(evidence: str) -> str:
    place, _, frames = evidence.partition(" ")
    return f"{code_span(place)} {escaped(frames)}".rstrip()


def _list(title: str, texts: Sequence[str]) -> Iterator[str]:
    if texts:
        yield from ("", f"## {title}", "")
        yield from (f"- {escaped(text)}" for text in texts)


def cells(texts: Iterable[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(texts)} |"


def escaped(text: str) -> str:
    """`text` in one line, with a backslash before everything that Markdown would take for markup."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def code_span(text: str) -> str:
    """`text` as code, between more backticks than there are in it (CommonMark 0.31 §6.1); in a table also without what
    ends a cell."""
    inner = one_line(text).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", inner)), default=0)
    edge = " " if inner.startswith("`") or inner.endswith("`") else ""
    return f"{'`' * (longest + 1)}{edge}{inner}{edge}{'`' * (longest + 1)}"
