"""``plugfest badge``: a picture and an endpoint for each report."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.classes import UnknownClass, find_class
from conformance.errors import UsageError
from conformance.report import store
from conformance.report.atomic import write_atomically
from conformance.report.columns import labels
from conformance.report.render.badge import badge, endpoint, svg


def write_badges(folders: list[Path], out: Path, name: str | None) -> int:
    """Write ``LABEL.svg`` and ``LABEL.json`` for each report into `out`. Raises UsageError for an unknown class."""
    if name is not None:
        try:
            find_class(name)
        except UnknownClass as problem:
            raise UsageError(f"--class: {problem}") from None
    reports = store.collect(folders)
    for report, label in zip(reports, labels(reports), strict=True):
        said = badge(report, name)
        file = re.sub(r"[^A-Za-z0-9.@#+_-]", "-", label if name is None else f"{label}-{name}").lstrip(".")
        write_atomically(out / f"{file}.svg", svg(*said))
        write_atomically(out / f"{file}.json", endpoint(*said))
        print(f"{out / file}.svg  {said[0]}: {said[1]}")  # noqa: T201 - what was made
    return 0
