"""Pages made from published reports and from models: the matrix, its picture, the JSON Schemas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.commands.matrix import as_markdown
from conformance.commands.schemas import schema_of
from conformance.report import store
from conformance.report.render.matrix import build
from conformance.report.render.overview import render_overview
from conformance.upkeep.documentation.place import DOCS, ROOT
from conformance.upkeep.site import translated_flow

SCHEMAS: Final = ("profile", "testbed", "recording", "report", "difference")


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the matrix of the published reports, its picture for the README, and the schema of each format."""
    reports = store.collect([ROOT / "reports"])
    yield ROOT / "reports" / "MATRIX.md", as_markdown(reports)
    yield DOCS / "images" / "matrix.svg", render_overview(build(reports))
    yield DOCS / "images" / "sequence.svg", translated_flow(reports)
    for name in SCHEMAS:
        yield DOCS / "schemas" / f"{name}.schema.json", schema_of(name) + "\n"
