"""The signs of the matrix: a glyph for every verdict, so that nothing rests on colour alone, with a plain ASCII set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from conformance.report.columns import ColumnState
from conformance.report.gate import Standing
from conformance.report.grid import Cell
from conformance.verdict import Verdict

ORDER: Final = (
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.INCONCLUSIVE,
    Verdict.PASS,
    Verdict.UNSUPPORTED,
    Verdict.NOT_APPLICABLE,
)
"""The order of counts: what matters first."""

STYLES: Final = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "bold magenta",
    Verdict.UNSUPPORTED: "dim",
    Verdict.NOT_APPLICABLE: "dim",
}
STANDING_STYLES: Final = {
    Standing.CONFORMS: "bold green",
    Standing.FAILS: "bold red",
    Standing.INCONCLUSIVE: "bold yellow",
    Standing.FIGURES: "bold",
    Standing.WAIVED: "bold yellow",
    Standing.NOTHING: "bold yellow",
}


@dataclass(frozen=True)
class Signs:
    """One set of glyphs."""

    verdicts: dict[Verdict, str]
    unavailable: str
    more: str
    rule: str

    def cell(self, cell: Cell) -> str:
        """A cell: glyph, ``n/m`` where only n of m judged parameters have that verdict, and flags."""
        if cell.verdict is None:
            return {ColumnState.UNAVAILABLE: self.unavailable, ColumnState.PARTIAL: self.more}.get(cell.state, "")
        text = self.verdicts[cell.verdict]
        if cell.mixed:
            text += f" {cell.count}/{cell.total}"
        if cell.state is ColumnState.PARTIAL:
            text += self.more
        if cell.partly:
            text += f" {self.verdicts[Verdict.UNSUPPORTED]}"
        flags = (
            "~" * cell.flaky + {"": "", "live": "D", "expired": "X", "unused": "U"}[cell.deviation] + "*" * cell.noted
        )
        return f"{text} {flags}" if flags else text

    def legend(self, cells: Sequence[Cell]) -> list[str]:
        """What the signs of these cells mean; those that do not occur are left out."""
        verdicts = {cell.verdict for cell in cells}
        found = [f"{self.verdicts[verdict]} {verdict.value}" for verdict in ORDER if verdict in verdicts]
        marks = {
            "n/m: in n of m cases": any(cell.mixed for cell in cells),
            f"{self.verdicts[Verdict.UNSUPPORTED]} behind a verdict: other cases are unsupported": any(
                cell.partly for cell in cells
            ),
            "~ flaky": any(cell.flaky for cell in cells),
            "D known deviation": any(cell.deviation == "live" for cell in cells),
            "X expired deviation": any(cell.deviation == "expired" for cell in cells),
            "U unneeded deviation": any(cell.deviation == "unused" for cell in cells),
            "* has a note": any(cell.noted for cell in cells),
            f"{self.more} cut short: cases may be missing": any(cell.state is ColumnState.PARTIAL for cell in cells),
            f"{self.unavailable} not available": any(cell.state is ColumnState.UNAVAILABLE for cell in cells),
            "empty: not part of that run": any(
                cell.verdict is None and cell.state is ColumnState.COMPLETE for cell in cells
            ),
        }
        return [*found, *(text for text, there in marks.items() if there)]


UNICODE: Final = Signs(
    {
        Verdict.PASS: "✓",
        Verdict.FAIL: "✗",
        Verdict.INCONCLUSIVE: "?",
        Verdict.ERROR: "!",
        Verdict.UNSUPPORTED: "–",
        Verdict.NOT_APPLICABLE: "·",
    },
    unavailable="⊘",
    more="…",
    rule="─",
)
ASCII: Final = Signs(
    {
        Verdict.PASS: "+",
        Verdict.FAIL: "F",
        Verdict.INCONCLUSIVE: "?",
        Verdict.ERROR: "!",
        Verdict.UNSUPPORTED: "-",
        Verdict.NOT_APPLICABLE: ".",
    },
    unavailable="/",
    more="..",
    rule="-",
)
