"""What a CI job shows of a run: a summary that begins with the gate's result, and the same as data (``gate.json``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from conformance.report.difference import Difference
from conformance.report.findings import Finding, Kind
from conformance.report.gate import Code
from conformance.report.grid import Matrix
from conformance.report.model import Report, as_json
from conformance.report.render.difference import markdown_body, verdict_line
from conformance.report.render.markdown import cells, escaped
from conformance.report.render.text import plural
from conformance.report.render.wording import class_texts, result_text

RESULTS: Final[dict[Code, str]] = {0: "passed", 1: "failed", 3: "undecided"}
SHOWN: Final = 40
"""Failures that the summary spells out; the page has all."""


def summary(matrix: Matrix, code: Code, found: Difference | None = None) -> str:
    """The summary of a job as Markdown; `found` is what changed since the baseline, if there is one."""
    return "\n".join(_lines(matrix, code, found)).rstrip("\n") + "\n"


def gate_json(reports: Sequence[Report], matrix: Matrix, code: Code, found: Difference | None = None) -> str:
    """The gate's result as JSON: result, exit code, counts of outcomes by verdict, each failure with its cause."""
    counts = Counter(outcome.verdict for report in reports for outcome in report.outcomes)
    data: dict[str, Any] = {
        "result": RESULTS[code],
        "exit_code": code,
        "text": _headline(matrix, code, found),
        "counts": {verdict.value: count for verdict, count in sorted(counts.items())},
        "failures": [_failure(each) for each in _failures(matrix)],
    }
    return as_json(data)


def _failure(finding: Finding) -> dict[str, str]:
    texts = {"implementation": finding.label, "requirement": finding.requirement, "level": finding.level}
    return texts | {"where": finding.where, "seen": finding.seen}


def _failures(matrix: Matrix) -> list[Finding]:
    return [finding for found in matrix.of_kind(Kind.FAILURE).values() for finding in found]


def _headline(matrix: Matrix, code: Code, found: Difference | None) -> str:
    if found is not None:
        return f"{RESULTS[code]}: {verdict_line(found, code)}"
    words = Counter(result_text(column) for column in matrix.columns)
    told = ", ".join(f"{count} {word}" for word, count in words.items())
    return f"{RESULTS[code]}: of {plural(len(matrix.columns), 'implementation')}, {told}"


def _lines(matrix: Matrix, code: Code, found: Difference | None) -> Iterator[str]:
    yield from (f"## Plugfest {escaped(_headline(matrix, code, found))}", "")
    yield cells(["implementation", "version", "result", "remarks"])
    yield cells(["---"] * 4)
    for column in matrix.columns:
        remarks = "<br>".join(map(escaped, column.remarks))
        version = escaped(f"{column.product} {column.version}".strip())
        yield cells([escaped(column.label), version, f"**{result_text(column)}**", remarks])
    if found is not None:
        yield from ("", *markdown_body(found))
    yield from (line for text in class_texts(matrix) for line in ("", escaped(text)))
    failures = _failures(matrix)
    if failures:
        yield from ("", f"### {plural(len(failures), 'failure')}", "")
    for each in failures[:SHOWN]:
        where = f" ({escaped(each.where)})" if each.where else ""
        yield f"- **{escaped(each.requirement)}** {each.level}, {escaped(each.label)}{where}: {escaped(each.seen)}"
    if len(failures) > SHOWN:
        yield f"- and {len(failures) - SHOWN} more, in matrix.html"
