"""Documentation that lists things, made from the code: ``python -m conformance.upkeep.documentation [--check]``.

One module makes one kind of page: `catalogue` (requirements, classes, faults, profiles), `readmes` (the README of each
family), `recordings` (kinds of event), `blocks` (the tables inside ARCHITECTURE.md), `records` (the list of
decisions), `kinds` (a page for each kind of implementation), `published` (matrix and schemas).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conformance.upkeep.documentation import blocks, catalogue, kinds, published, readmes, recordings, records


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the path and the content of every generated file."""
    yield from catalogue.pages()
    yield from readmes.pages()
    yield from blocks.pages()
    yield from records.pages()
    yield from recordings.pages()
    yield from kinds.pages()
    yield from published.pages()


def stale() -> dict[Path, str]:
    """Every generated file that differs from what the code says, with the content that it should have."""
    return {path: text for path, text in pages() if not path.exists() or path.read_text() != text}
