"""``plugfest show``: one recording for people: what is in it, what its checks say, and the deciding frames."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.errors import UsageError
from conformance.recording.store import Recording, load
from conformance.report.atomic import write_atomically
from conformance.report.render.drawing import draw
from conformance.report.render.text import printable
from conformance.showing import trace
from conformance.verdict import Verdict


def show_recording(folder: Path, only: str, frames: str, flow: int | None, svg: Path | None) -> int:
    """Print the recording; with `svg` write the time sequence as a picture. Raises UsageError for what is not there."""
    recording = load(folder)
    said = trace.judged(recording)
    if frames:
        why, numbers = "the frames that were asked for", numbers_in(frames)
    elif flow is not None:
        why, numbers = f"flow {flow}", trace.numbers_of_flow(recording, flow)
    else:
        why, numbers = trace.chosen(recording, said, only)
    sequence = trace.sequence(recording, numbers)
    shown = list(trace.lines(sequence)) or ["no frame to show"]
    for line in (*_head(recording), "", *_verdicts(said), "", why, "", *shown):
        print(printable(line))  # noqa: T201 - what was asked for
    if svg is not None:
        record = recording.record
        title = f"{record.profile.name}: {record.scenario} on {record.testbed.name}: {why}"
        write_atomically(svg, draw(sequence, title, standalone=True) + "\n")
        print(f"\npicture: {svg}")  # noqa: T201
    return 0


def numbers_in(text: str) -> list[int]:
    """Frame numbers of ``12,15-17``. Raises UsageError."""
    found: list[int] = []
    for part in filter(None, re.split(r"[ ,]+", text)):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None or len(found) > 10_000:
            raise UsageError(f"--frames {text}: write numbers and ranges, for instance 12,15-17")
        first, last = int(match[1]), int(match[2] or match[1])
        found += range(first, min(last, first + 10_000) + 1)
    return found


def _head(recording: Recording) -> Iterator[str]:
    record = recording.record
    day = datetime.datetime.fromtimestamp(record.started_ns / 1e9, datetime.UTC).isoformat(" ", "seconds")
    taken = (record.finished_ns - record.started_ns) / 1e9
    yield f"{record.profile.name}: {record.identity.product} {record.identity.version}"
    yield f"{record.scenario} on {record.testbed.name}, attempt {record.attempt}, {day}, {taken:.1f} s"
    shown = {"taps": record.taps, "flows": record.flows, "events": record.events}
    yield f"{len(recording.frames)} frames, " + ", ".join(f"{len(each)} {name}" for name, each in shown.items())
    if record.fault:
        yield f"planted fault: {record.fault}"
    if record.problem:
        yield f"problem: {record.problem}"


def _verdicts(said: Sequence[trace.Said]) -> Iterator[str]:
    """One line for each requirement: its verdicts, counted."""
    counts: dict[str, Counter[Verdict]] = {}
    for each in said:
        counts.setdefault(each.requirement.id, Counter())[each.judgement.verdict] += 1
    width = max(map(len, counts), default=0)
    for name, verdicts in counts.items():
        yield f"{name:{width}}  " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
