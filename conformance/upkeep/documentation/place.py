"""Places and pieces that every generated page shares: folders, the first line, cells of a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
DOCS: Final = ROOT / "docs"
HEAD: Final = "<!-- Made by `python -m conformance.upkeep.documentation`; do not edit. -->\n"


def row(cells: Iterable[str]) -> str:
    """One row of a Markdown table; a bar inside a cell is escaped."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def text_of(lines: Iterable[str]) -> str:
    """The text of a file: its lines, one newline at the end."""
    return "\n".join(lines).rstrip("\n") + "\n"
