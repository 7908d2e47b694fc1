"""The list of decisions: one row for each record in docs/decisions/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.upkeep.documentation.place import DOCS, HEAD, row, text_of

DECISIONS: Final = DOCS / "decisions"


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the index of the decisions."""
    yield DECISIONS / "index.md", text_of(_index())


def _index() -> Iterator[str]:
    yield HEAD
    yield "# Decisions\n"
    yield "Each record is a decision that the code forced: context, measurements, decision, consequence.\n"
    yield "| | decision |\n|---|---|"
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        yield row((path.name[:2], f"[{title}]({path.name})"))
