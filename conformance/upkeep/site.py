"""What the documentation site makes while it is built: a page for each published report, the matrix, the overview.

`on_files` is the hook that MkDocs calls (``mkdocs.yml``); everything else knows nothing of MkDocs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from conformance.report import store
from conformance.report.columns import labels
from conformance.report.grid import by_product
from conformance.report.model import Report
from conformance.report.render.drawing import draw
from conformance.report.render.matrix import build, render_markdown
from conformance.report.render.overview import render_overview
from conformance.report.render.page import render_page
from conformance.report.render.wording import result_text
from conformance.report.sequence import sequence_of

ROOT: Final = Path(__file__).parents[2]
REPORTS: Final = ROOT / "reports"
_OVER: Final = {"ARCHITECTURE.md": "architecture.md", "CONTRIBUTING.md": "contributing.md"}
_LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def pages() -> Iterator[tuple[str, str]]:
    """Every generated file of the site by its path below the documentation, with its text."""
    reports = store.collect([REPORTS])
    names = [re.sub(r"[^A-Za-z0-9.-]", "-", label) for label in labels(reports)]
    yield "matrix.html", render_page(by_product(reports), home="index.html")
    yield "images/matrix.svg", render_overview(build(reports))
    yield "images/sequence.svg", translated_flow(reports)
    yield "implementations/index.md", _index(reports, names)
    for report, label, name in zip(reports, labels(reports), names, strict=True):
        yield f"implementations/{name}.md", _implementation(report, label)
    for source, target in _OVER.items():
        yield target, plain_links((ROOT / source).read_text(encoding="utf-8"))


def translated_flow(reports: Sequence[Report]) -> str:
    """The time sequence of a translated flow, if a report has one: the longest that says something of nat."""
    found = [
        evidence
        for report in reports
        for outcome in report.outcomes
        for evidence in outcome.evidence
        if outcome.requirement == "nat.tcp-untranslated"
    ]
    chosen = max(found, key=lambda each: len(each.lines), default=None)
    lines, times = (chosen.lines, chosen.times) if chosen else ((), ())
    return draw(sequence_of(lines, times), "A translated flow", standalone=True)


def _index(reports: Sequence[Report], names: Sequence[str]) -> str:
    matrix = build(reports)
    lines = [
        "# Implementations",
        "",
        "Every published report as a page of its own; [the matrix](../matrix.html) has them side by side.",
        "",
        "[![Families of requirements against implementations](../images/matrix.svg)](../matrix.html)",
        "",
        "| implementation | version | result |",
        "|---|---|---|",
    ]
    for column, name in zip(matrix.columns, names, strict=True):
        told = f"{column.product} {column.version}".strip()
        lines.append(f"| [{column.label}]({name}.md): {column.title} | {told} | {result_text(column)} |")
    return "\n".join(lines) + "\n"


def _implementation(report: Report, label: str) -> str:
    """One report: the Markdown matrix of a single column, under its own heading."""
    header = report.header
    text = render_markdown(build([report])).partition("\n")[2]
    link = f"[Open it in the matrix](../matrix.html#implementation={label.replace('@', '%40').replace('+', '%2B')})"
    facts = {"command": f"`{header.command}`", "kernel": header.kernel, "recorded": header.date.date().isoformat()}
    if header.implementation is not None:
        facts |= dict(sorted(header.implementation.details.items()))
    table = ["| | |", "|---|---|", *(f"| {name} | {value.replace('|', '/')} |" for name, value in facts.items())]
    return "\n".join([f"# {label}", "", f"{header.title}. {link}.", "", *table, "", for_python_markdown(text)])


def for_python_markdown(text: str) -> str:
    """CommonMark as Python-Markdown reads it: its set of escapes is smaller, its nested lists are deeper."""
    text = re.sub(r"\\([<~|])", lambda found: {"<": "&lt;", "~": "~", "|": "&#124;"}[found[1]], text)
    return re.sub(r"^  - ", "    - ", text, flags=re.MULTILINE)


def plain_links(text: str) -> str:
    """Links to pages of the site lead there; those to other files of the repository become their names."""
    return _LINK.sub(lambda found: f"]({target}{found[2] or ''})" if (target := _on_site(found[1])) else "]", text)


def _on_site(link: str) -> str:
    """Where a file of the repository lies on the site; empty where it is no page of it."""
    return link.removeprefix("docs/") if link.startswith("docs/") else _OVER.get(link, "")


def on_files(files: Any, config: Any) -> Any:
    """MkDocs' hook: adds the generated files to those of the documentation."""
    from mkdocs.structure.files import File

    for path, text in pages():
        known = files.get_file_from_path(path)
        if known is not None:
            files.remove(known)
        files.append(File.generated(config, path, content=text))
    return files
