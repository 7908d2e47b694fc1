"""What lies beside a report: its recordings' captures, logs and events, for the page."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from conformance import files
from conformance.errors import UsageError
from conformance.recording.store import FRAMES, LOGS, Recording, load, stored
from conformance.report.attachments import AttachedRecording, Attachments, LogExcerpt
from conformance.report.model import Report, ReportedEvidence
from conformance.report.render.text import one_line
from conformance.showing import timeline

AROUND_NS: Final = 250_000_000
"""Events that long before and after the deciding frames are shown with them."""
TELLING: Final = re.compile(r"error|warn|fail|refus|denied|cannot|unable|unreachable|panic", re.IGNORECASE)
LINES: Final = 12
WIDTH: Final = 320


def beside(reports: Sequence[tuple[Path, Report]], page: Path) -> Attachments:
    """Finds what lies beside these reports (each with its file), with links that hold from the folder of `page`."""
    folders: Mapping[int, Path] = {id(report): file.parent for file, report in reports}

    def find(report: Report, evidence: ReportedEvidence) -> AttachedRecording | None:
        own = folders[id(report)]
        recording = _load(own / evidence.recording, own)
        return None if recording is None else _attached(recording, evidence, page)

    return find


@functools.lru_cache(maxsize=4)
def _load(folder: Path, own: Path) -> Recording | None:
    try:
        return load(*files.reached([folder], own))
    except (UsageError, ValueError):
        return None  # a published report keeps its recordings elsewhere


def _attached(recording: Recording, evidence: ReportedEvidence, page: Path) -> AttachedRecording:
    record, times = recording.record, evidence.times
    known = bool(times)
    around = (min(times) - AROUND_NS, max(times) + AROUND_NS) if known else (0, 0)
    capture = os.path.relpath(stored(recording.folder / FRAMES), page.parent)
    windows = [span for span in timeline.spans(record, evidence.lines) if span.start_ns >= around[0] or span.blackout]
    return AttachedRecording(
        capture=quote(capture),
        lanes=timeline.lanes(record),
        marks=tuple(timeline.marks(record, *around)) if known else (),
        spans=tuple(span for span in windows if span.start_ns <= around[1]) if known else (),
        logs=tuple(_logs(recording.folder / LOGS)),
    )


def _logs(folder: Path) -> Iterator[LogExcerpt]:
    """Of each log the last lines that sound like trouble, or its very last ones."""
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        try:
            lines = files.end(path, folder.parent).decode(errors="replace").splitlines()
        except (FileNotFoundError, UsageError):
            continue
        telling = [line for line in lines if TELLING.search(line)]
        chosen = (telling or lines)[-LINES:]
        if chosen:
            yield LogExcerpt(path.name, "\n".join(one_line(line[: 4 * WIDTH])[:WIDTH] for line in chosen))
