"""The matrix in one picture: families of requirements against implementations, as SVG for a README or a slide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from conformance.family import title_of
from conformance.report.columns import Column
from conformance.report.gate import Standing
from conformance.report.grid import Matrix, Row
from conformance.report.render.glyphs import ORDER, UNICODE
from conformance.verdict import Verdict

NAMES: Final = 158
HEAD: Final = 150
CELL: Final = 46
ROW: Final = 34
_MARKS: Final = {
    Standing.CONFORMS: (Verdict.PASS, "✓"),
    Standing.FAILS: (Verdict.FAIL, "✗"),
    Standing.INCONCLUSIVE: (Verdict.INCONCLUSIVE, "?"),
    Standing.FIGURES: (Verdict.NOT_APPLICABLE, "·"),
    Standing.WAIVED: (Verdict.INCONCLUSIVE, "?"),
    Standing.NOTHING: (Verdict.INCONCLUSIVE, "?"),
}


def render_overview(matrix: Matrix) -> str:
    """The SVG: each cell is the gravest verdict of its family and how many requirements have it; bars show shares."""
    families = matrix.families()
    width = NAMES + CELL * len(matrix.columns) + 12
    height = HEAD + ROW * (len(families) + 1) + 34
    body = [*_heads(matrix.columns), *_standing(matrix.columns)]
    for number, (name, rows) in enumerate(families.items(), 1):
        body += _family(name, rows, len(matrix.columns), HEAD + ROW * number)
    body += _legend(matrix, height - 12)
    colours = (files("conformance.report.render") / "templates" / "colours.css").read_text(encoding="utf-8")
    own = (files("conformance.report.render") / "templates" / "overview.css").read_text(encoding="utf-8")
    title = f"{len(matrix.columns)} implementations judged by {len(matrix.rows)} requirements"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="overview" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img"><title>{escape(title)}</title><style>{colours}{own}</style>'
        f'<rect class="paper" width="{width}" height="{height}" rx="10"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _x(column: int) -> int:
    return NAMES + CELL * column


def _heads(columns: Sequence[Column]) -> Iterator[str]:
    for number, column in enumerate(columns):
        x = _x(number) + CELL // 2 + 4
        yield f'<text class="head" transform="translate({x} {HEAD - 8}) rotate(-58)">{escape(column.label[:24])}</text>'


def _standing(columns: Sequence[Column]) -> Iterator[str]:
    yield f'<text class="family" x="{NAMES - 12}" y="{HEAD + 21}">conforms</text>'
    for number, column in enumerate(columns):
        verdict, glyph = _MARKS[column.standing]
        yield from _cell((_x(number), HEAD), verdict, glyph, column.counts)


def _family(name: str, rows: Sequence[Row], columns: int, y: int) -> Iterator[str]:
    yield f'<text class="family" x="{NAMES - 12}" y="{y + 21}">{escape(title_of(name))}</text>'
    for column in range(columns):
        verdicts = (row.cells[column].verdict for row in rows)
        counts = Counter(verdict for verdict in verdicts if verdict is not None)
        worst = next((verdict for verdict in ORDER if counts[verdict]), None)
        if worst is not None:
            told = f' <tspan class="told">{counts[worst]}</tspan>' if counts[worst] < counts.total() else ""
            yield from _cell((_x(column), y), worst, UNICODE.verdicts[worst] + told, counts)


def _cell(corner: tuple[int, int], verdict: Verdict, text: str, counts: Mapping[Verdict, int]) -> Iterator[str]:
    """One cell with its upper left `corner`: `text` in the colour of `verdict`, above a bar of the shares."""
    x, y = corner
    kind = _kind(verdict)
    yield f'<rect class="{kind}-tint" x="{x + 1}" y="{y + 1}" width="{CELL - 3}" height="{ROW - 4}" rx="5"/>'
    yield f'<text class="cell {kind}" x="{x + CELL // 2}" y="{y + 18}">{text}</text>'
    total, left = sum(counts.values()) or 1, float(x + 5)
    for each in ORDER:
        share = (CELL - 11) * counts.get(each, 0) / total
        if share:
            yield f'<rect class="{_kind(each)}-bar" x="{left:.1f}" y="{y + ROW - 10}" width="{share:.1f}" height="4"/>'
        left += share


def _kind(verdict: Verdict) -> str:
    return "unsupported" if verdict is Verdict.NOT_APPLICABLE else verdict.value


def _legend(matrix: Matrix, y: int) -> Iterator[str]:
    there = {cell.verdict for row in matrix.rows for cell in row.cells}
    shown = [verdict for verdict in ORDER if verdict in there]
    text = ", ".join(f"{UNICODE.verdicts[verdict]} {verdict.value}" for verdict in shown)
    told = "the number counts requirements, the bar shows their shares"
    yield f'<text class="legend" x="14" y="{y}">{text}: {told}</text>'
