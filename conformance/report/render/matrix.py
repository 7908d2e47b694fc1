"""The interoperability matrix: `build` it from reports, then show it on a terminal or as Markdown."""

from __future__ import annotations

from conformance.report.grid import Cell, Matrix, Row, build
from conformance.report.render.markdown import render_markdown
from conformance.report.render.terminal import render_terminal

__all__ = ["Cell", "Matrix", "Row", "build", "render_markdown", "render_terminal"]
