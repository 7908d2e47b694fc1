"""``plugfest matrix``: reports side by side, on the terminal and as Markdown, as a page, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conformance.commands.console import console
from conformance.report import gate, store
from conformance.report.atomic import write_atomically
from conformance.report.grid import by_product
from conformance.report.model import Report
from conformance.report.render import matrix, pairs
from conformance.running import memory


def show_matrix(folders: Sequence[Path], *, markdown: Path | None, html: Path | None, picture: Path | None) -> int:
    """Print the reports of these folders side by side, and write them in every form for which a file is named."""
    missing = [line for folder in folders for line in memory.told(folder, {}, memory.missing_reports(folder))]
    there = [folder for folder in folders if memory.recall(folder) is None or any(folder.glob(f"*/{store.NAME}"))]
    files = store.located(there)
    reports = [store.read(file) for file in files]
    if reports:
        print_matrix(reports)
    if markdown is not None:
        write_atomically(markdown, as_markdown(reports))
    if picture is not None:
        from conformance.report.render.overview import render_overview

        write_atomically(picture, render_overview(matrix.build(reports)))
    if html is not None:
        write_page(list(zip(files, reports, strict=True)), html)
        print(f"\npage: {html}")  # noqa: T201 - where to look
    if missing:
        print("\n".join(("", *missing)))  # noqa: T201 - what is not shown
        return 3
    return gate.exit_code(reports)


def write_page(reports: Sequence[tuple[Path, Report]], page: Path) -> None:
    """Write the page over these reports, each with its file; what lies beside them is linked and quoted."""
    from conformance.report.render.page import render_page
    from conformance.showing.attachments import beside

    shown = by_product([report for _, report in reports])
    write_atomically(page, render_page(shown, beside(reports, page)))


def print_matrix(reports: Sequence[Report]) -> None:
    """The whole matrix on the terminal."""
    shown = console()
    matrix.render_terminal(matrix.build(reports), shown)
    pairs.render_terminal(reports, shown)


def print_brief(reports: Sequence[Report], place: Path) -> None:
    """What a run found, short: the rest is on the page in `place`."""
    from conformance.report.render.brief import render_brief

    shown = console()
    pairs.render_terminal(reports, shown)
    render_brief(matrix.build(reports), shown, str(place))


def as_markdown(reports: Sequence[Report]) -> str:
    """The matrix as Markdown, that of pairs first."""
    whole = matrix.render_markdown(matrix.build(by_product(reports)))
    return "\n".join(filter(None, (pairs.render_markdown(reports), whole)))
