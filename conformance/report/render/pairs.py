"""The matrix of pairs: implementation against implementation, a table for each kind of meeting.

A cell says whether what the row's implementation opened towards the column's was carried, unchanged: the
interoperability verdict. Beside it stands whose side broke a clause, which is the conformance verdict of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from conformance.report.model import Report, ReportedOutcome
from conformance.report.render.glyphs import ASCII, STYLES, UNICODE, Signs
from conformance.report.render.markdown import cells, escaped
from conformance.report.render.text import one_line
from conformance.requirement import UnknownRequirement, find
from conformance.verdict import Verdict, worst

if TYPE_CHECKING:
    from rich.console import Console

TITLES: Final = {
    "workload-pair": "Workloads: the row's endpoints open flows to the column's, and are answered as themselves",
    "lldp-pair": "LLDP: the row's agent is shown and forgotten by the column's, on the other end of the same cable",
    "lacp-pair": "Link aggregation: what the row's switch sends into a group of cables to the column's arrives",
    "bridge-pair": "Spanning trees: the row's broadcasts arrive at the column's once, over two cables between them",
}
SIDES: Final = ("left", "right")
TOWARDS: Final = {"left-to-right": (0, 1), "right-to-left": (1, 0)}


@dataclass(frozen=True)
class Meeting:
    """One pair in one table. `carried` is the interoperability verdict by (from, to), `sides` the conformance verdict
    of each in this meeting, `broken` the requirements that each broke."""

    names: tuple[str, str]
    unavailable: str
    carried: Mapping[tuple[str, str], Verdict]
    sides: tuple[Verdict, Verdict]
    broken: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def verdict(self) -> Verdict:
        """Whether the two interoperate, both ways."""
        return worst(self.carried.values())

    def blamed(self, name: str) -> bool:
        """Whether the side of that name broke a clause."""
        return any(each == name and bool(broken) for each, broken in zip(self.names, self.broken, strict=True))


def tables(reports: Sequence[Report]) -> dict[str, list[Meeting]]:
    """The meetings of the reports that are of pairs, by the role that the table is for."""
    found: dict[str, list[Meeting]] = {}
    for report in reports:
        if len(report.header.pair) != 2:
            continue
        for role in report.header.roles:
            mine = [outcome for outcome in report.outcomes if _speaks_of(outcome, role)]
            found.setdefault(role, []).append(_meeting(report, mine))
    return found


def _speaks_of(outcome: ReportedOutcome, role: str) -> bool:
    try:
        return role in find(outcome.requirement).roles
    except UnknownRequirement:
        return False


def _meeting(report: Report, outcomes: Sequence[ReportedOutcome]) -> Meeting:
    names = (report.header.pair[0], report.header.pair[1])
    carried: dict[tuple[str, str], Verdict] = {}
    for direction, (start, end) in TOWARDS.items():
        seen = [each.verdict for each in outcomes if each.parameters.get("direction") == direction]
        way = names[start], names[end]
        carried[way] = worst([*seen, *([carried[way]] if way in carried else [])])
    by_side = [[each for each in outcomes if each.parameters.get("side") == side] for side in SIDES]
    left, right = (worst(each.verdict for each in mine) for mine in by_side)
    one, other = (
        tuple(sorted({each.requirement for each in mine if each.verdict is Verdict.FAIL})) for mine in by_side
    )
    absence = report.header.unavailable
    return Meeting(names, absence.reason if absence else "", carried, (left, right), (one, other))


def members(meetings: Sequence[Meeting]) -> list[str]:
    """Everyone who meets somebody, in order of appearance."""
    return list(dict.fromkeys(name for meeting in meetings for name in meeting.names))


def cell(meetings: Sequence[Meeting], one: str, other: str, signs: Signs) -> tuple[str, Verdict | None]:
    """The text of a cell, from `one` to `other`, and its verdict (None: they did not meet)."""
    for meeting in meetings:
        if (one, other) in meeting.carried:
            if meeting.unavailable:
                return signs.unavailable, None
            verdict = meeting.carried[one, other]
            blamed = [letter for letter, name in (("r", one), ("c", other)) if meeting.blamed(name)]
            return f"{signs.verdicts[verdict]} {''.join(blamed)}".rstrip(), verdict
    return "", None


LEGEND: Final = "r, c: in this meeting the implementation of the row, of the column broke a clause; empty: did not meet"


def render_terminal(reports: Sequence[Report], console: Console) -> None:
    """Print the tables of pairs, each pair with its three verdicts below; nothing where no report is of a pair."""
    from rich.table import Table

    signs = UNICODE if console.encoding.lower().startswith("utf") else ASCII
    for role, meetings in tables(reports).items():
        names = members(meetings)
        console.print(f"\n[bold]{TITLES.get(role, role)}[/bold]")
        grid = Table(show_header=True, header_style="bold")
        grid.add_column("from \\ to")
        for name in names:
            grid.add_column(name)
        for one in names:
            told = [cell(meetings, one, other, signs) for other in names]
            grid.add_row(one, *(f"[{STYLES[verdict]}]{text}[/]" if verdict else text for text, verdict in told))
        console.print(grid)
        console.print(LEGEND, style="dim")
        for meeting in meetings:
            console.print(one_line(_sentence(meeting, signs)), markup=False, highlight=False, soft_wrap=True)


def _sentence(meeting: Meeting, signs: Signs) -> str:
    if meeting.unavailable:
        return f"{signs.unavailable} {' x '.join(meeting.names)}: unavailable: {meeting.unavailable}"
    sides = [
        f"{name} {verdict.value}" + (f" ({', '.join(broken)})" if broken else "")
        for name, verdict, broken in zip(meeting.names, meeting.sides, meeting.broken, strict=True)
    ]
    together = (
        f"{signs.verdicts[meeting.verdict]} {' x '.join(meeting.names)}: interoperability {meeting.verdict.value}"
    )
    return f"{together}; {'; '.join(sides)}"


def render_markdown(reports: Sequence[Report]) -> str:
    """The tables of pairs as Markdown, empty where no report is of a pair."""
    return "".join(f"{line}\n" for line in _lines(reports))


def _lines(reports: Sequence[Report]) -> Iterator[str]:
    known = tables(reports)
    if known:
        yield from ("# Pairs", "", "Implementation against implementation: the verdicts on what passed between them.")
    for role, meetings in known.items():
        names = members(meetings)
        yield from ("", f"## {escaped(TITLES.get(role, role))}", "")
        yield cells(["from \\ to", *map(escaped, names)])
        yield cells(["---"] * (1 + len(names)))
        for one in names:
            yield cells([f"**{escaped(one)}**", *(escaped(cell(meetings, one, to, UNICODE)[0]) for to in names)])
        yield from ("", f"{LEGEND}.", "", *_each(meetings), "")


def _each(meetings: Sequence[Meeting]) -> Iterator[str]:
    yield cells(["pair", "interoperability", "conformance of the first", "of the second"])
    yield cells(["---"] * 4)
    for meeting in meetings:
        if meeting.unavailable:
            yield cells([" × ".join(meeting.names), f"unavailable: {escaped(meeting.unavailable)}", "", ""])
            continue
        sides = (
            f"{UNICODE.verdicts[verdict]} {verdict.value}{': ' + ', '.join(broken) if broken else ''}"
            for verdict, broken in zip(meeting.sides, meeting.broken, strict=True)
        )
        both = f"{UNICODE.verdicts[meeting.verdict]} {meeting.verdict.value}"
        yield cells([" × ".join(meeting.names), both, *sides])
