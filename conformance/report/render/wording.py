"""How findings, remarks and summaries are put into words: the same in the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from conformance.report.columns import Column, ColumnState
from conformance.report.findings import Finding, Kind, Remark
from conformance.report.gate import standing_text
from conformance.report.grid import Matrix, Row
from conformance.report.render.glyphs import Signs
from conformance.report.render.text import plural

RUNS = 6
"""Frame numbers, or ranges of them, that are spelled out; the rest is counted."""
NAMES = 4
"""Requirement ids or implementations that are spelled out in a remark."""

EXPLAIN = {
    Kind.FAILURE: "MUST and SUITE: the implementation does not conform",
    Kind.WEAK: "SHOULD, MAY, MEASURE or informational: shown, and nothing follows from it",
    Kind.ERROR: "not the implementation's fault",
    Kind.INCONCLUSIVE: "nothing can be said",
    Kind.DEVIATION: "live on the day of the run: they do not fail it",
}


def evidence_text(finding: Finding) -> str:
    """Where to look: the pcapng and its frames; empty where there is no evidence."""
    if not finding.place:
        return ""
    further = f"and {plural(finding.recordings - 1, 'more recording')}" if finding.recordings > 1 else ""
    return ", ".join(filter(None, [f"{finding.place} {_frames(finding.frames)}".strip(), further]))


def _frames(numbers: Sequence[int]) -> str:
    """Frame numbers in order, three or more in a row as a range."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts: list[str] = []
    for run in runs:
        texts += [f"{run[0]}–{run[-1]}"] if len(run) > 2 else map(str, run)
    if not texts:
        return ""
    more = f" and {len(texts) - RUNS} more" if len(texts) > RUNS else ""
    return f"{'frame' if len(numbers) == 1 else 'frames'} {', '.join(texts[:RUNS])}{more}"


def where_text(finding: Finding) -> str:
    """The cases of a finding in few words, with what is special about them; may be empty."""
    parts = [finding.where]
    if finding.flaky:
        parts.append("flaky")
    if finding.deviation is not None and finding.kind in (Kind.FAILURE, Kind.WEAK):
        parts.append(f"deviation expired {finding.deviation.expires.isoformat()}")
    return "; ".join(filter(None, parts))


def deviation_text(finding: Finding) -> str:
    """The deviation behind a finding; empty where there is none."""
    known = finding.deviation
    if known is None:
        return ""
    return f"{known.reason} ({known.owner}, until {known.expires.isoformat()}, {known.issue})"


def by_expectation(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """The findings of one requirement by what was expected; those that begin alike are together."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.expected, []).append(finding)
    return found


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    known = list(names)
    more = len(known) - NAMES
    return ", ".join(known[:NAMES]) + (f" and {more} more" if more > 0 else "")


def note_text(note: Remark, columns: int) -> str:
    """A note with its requirement; `columns` is the number of implementations, named where it is not about all."""
    about = f" [{listed(note.about)}]" if len(note.about) < columns else ""
    return f"{next(iter(note.about.values()))[0]}: {note.text}{about}"


def stale_text(remark: Remark) -> str:
    """A deviation that nothing needs any more, with the implementations that declare it."""
    return f"{remark.text} [{listed(remark.about)}]"


def class_texts(matrix: Matrix) -> list[str]:
    """One line for each implementation and conformance class that something is said of."""
    return [f"{label} {result.text}" for label, results in matrix.classes.items() for result in results]


def lists(matrix: Matrix) -> Iterator[tuple[str, list[str]]]:
    """Titles and lines of the lists below the table; what has no line is left out."""
    columns = len(matrix.columns)
    yield "Notes", [note_text(note, columns) for note in matrix.notes]
    yield "Unsupported, as declared", [unsupported_text(each) for each in matrix.unsupported]
    yield "Deviations that nothing needs any more", [stale_text(each) for each in matrix.stale]
    yield "Conformance classes", class_texts(matrix)


def unsupported_text(reason: Remark) -> str:
    """Why something is unsupported, and where: a requirement by its name, several by their number."""
    about = (
        f"{label} ({ids[0] if len(ids) == 1 else plural(len(ids), 'requirement')})"
        for label, ids in reason.about.items()
    )
    return f"{reason.text}: {', '.join(about)}"


def result_text(column: Column) -> str:
    """What one implementation amounts to, with what keeps it from being whole."""
    said = standing_text(column.standing, column.waivers)
    return said if column.state is ColumnState.COMPLETE else f"{said} ({column.state.value})"


def level_text(row: Row) -> str:
    """The level of a requirement, and whether it decides at all."""
    return f"{row.level}, informational" if row.informational else row.level


def legend(matrix: Matrix, signs: Signs, informational: str = "informational") -> list[str]:
    """What the signs and words of the table mean; those that do not occur are left out."""
    words = {
        "SUITE: demanded by this suite, gates like a MUST": any(row.level == "SUITE" for row in matrix.rows),
        f"{informational}: decides nothing": any(row.informational for row in matrix.rows),
        "fast: shorter variant of a nightly check": any(row.fast for row in matrix.rows),
    }
    found = signs.legend([cell for row in matrix.rows for cell in row.cells])
    return [*found, *(text for text, there in words.items() if there)]


def unchecked_text(matrix: Matrix) -> str:
    """How many requirements have no outcome, and which; empty where all have."""
    count = len(matrix.unchecked)
    if not count:
        return ""
    return f"{plural(count, 'requirement')} of these families without an outcome here: {', '.join(matrix.unchecked)}"
