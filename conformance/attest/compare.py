"""What is no longer as a manifest says: each sentence names the frame, the requirement, the part or the outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import conformance
from conformance import files
from conformance.attest import blocks, code, manifest
from conformance.attest.manifest import Manifest, sha256
from conformance.errors import UsageError
from conformance.recording.capture import Capture, NotACapture, TruncatedCapture
from conformance.recording.reading import read as read_capture
from conformance.recording.store import find
from conformance.report.model import Header, Report, ReportedOutcome, canonical_outcomes
from conformance.report.store import NAME as REPORT
from conformance.requirement import catalogue_hash
from conformance.verdict import Verdict

UNRECORDED: Final = frozenset({Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE, Verdict.ERROR})
"""Verdicts that rest on no recording: declared before the run, or a fault of this suite."""
SHOWN = 8
"""Frames that are named one by one; the rest is counted."""


def suite_changes(known: Manifest) -> Iterator[str]:
    """How this suite differs from the one that wrote the report."""
    if known.version != conformance.__version__:
        yield f"suite: version {known.version} then, {conformance.__version__} now"
    for part, change in _differing(known.suite, code.hashes()):
        yield f"suite: the code of {part} is {change}"
    for name, change in _differing(known.requirements, manifest.requirement_hashes()):
        yield f"catalogue: {name} is {change}"
    if known.catalogue != catalogue_hash() and known.requirements == manifest.requirement_hashes():
        yield "catalogue: its hash in the manifest is not that of its requirements"
    for name, change in _differing(known.classes, manifest.class_hashes()):
        yield f"catalogue: the class {name} is {change}"


def _differing(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in sorted({*then, *now}):
        if name not in now:
            yield name, "gone"
        elif name not in then:
            yield name, "new"
        elif then[name] != now[name]:
            yield name, "another"


def report_changes(known: Manifest, folder: Path, report: Report) -> Iterator[str]:
    """How the report differs from the one that the manifest was written for."""
    if sha256(files.content(folder / REPORT, folder, files.DOCUMENT)) != known.report:
        outcomes = sha256(canonical_outcomes(report)) != known.outcomes
        yield f"{REPORT}: was changed after the run{': its outcomes, too' if outcomes else ', its outcomes were not'}"


def recording_changes(known: Manifest, run: Path) -> Iterator[str]:
    """How the recordings below the run's folder differ from those that were judged; of captures, in which frames."""
    for path, digest in known.recordings.items():
        file = run / path
        try:
            content = files.content(file, run, files.CAPTURE)
        except FileNotFoundError:
            yield f"{path}: is missing"
            continue
        except UsageError as problem:
            yield f"{problem}"
            continue
        if sha256(content) != digest:
            if manifest.names_a_capture(path):
                yield f"{path}: {_frames_changed(file.with_name(blocks.NAME), content)}"
            else:
                yield f"{path}: was changed"
    for folder in sorted(manifest.places(known)):
        for file in sorted((run / folder).rglob("*")):
            path = file.relative_to(run).as_posix()
            if file.is_file() and path not in known.recordings:
                yield f"{path}: was added"


def unlisted(known: Manifest, run: Path, profile: str) -> Iterator[str]:
    """Recordings of the implementation that the manifest does not list: they are never judged."""
    listed = manifest.places(known)
    for folder in find(run / profile) if (run / profile).is_dir() else ():
        path = folder.relative_to(run).as_posix()
        if path not in listed:
            yield f"{path}: was added; it is not judged"


def unrecorded(report: Report) -> Iterator[str]:
    """What a report says that rests on no recording and may not."""
    for outcome in report.outcomes:
        if outcome.verdict not in UNRECORDED:
            yield f"outcome: {_name(outcome.key)}: {outcome.verdict}, and the manifest lists no recording"


def absent(known: Manifest, run: Path) -> bool:
    """Whether not one of the recordings is there, as in a report that was published alone."""
    return not any((run / path).exists() for path in known.recordings)


def _frames_changed(sums: Path, content: bytes) -> str:
    try:
        changed = blocks.changed(files.content(sums, sums.parent, files.CAPTURE), content)
    except (FileNotFoundError, UsageError):
        return "was changed"
    try:
        frames = _within(read_capture(content), changed)
    except TruncatedCapture as problem:
        frames = _within(problem.capture, changed)
    except NotACapture:
        return "is no capture any more"
    if not frames:
        return "was changed outside its frames"
    if len(frames) == 1:
        return f"was changed in frame {frames[0]}"
    names = ", ".join(map(str, frames[:SHOWN]))
    more = f" and {len(frames) - SHOWN} more" if len(frames) > SHOWN else ""
    return f"was changed in one of the frames {names}{more}"


def _within(capture: Capture, changed: list[int]) -> list[int]:
    """Numbers (from 1) of the frames whose block in the file overlaps one of the changed blocks of bytes."""
    starts = [*(int(at) - 28 for at in capture.offset), len(capture.data)]
    spans = set(changed)
    return [
        number
        for number, (start, end) in enumerate(pairwise(starts), 1)
        if not spans.isdisjoint(range(start // blocks.SIZE, (max(end, start + 1) - 1) // blocks.SIZE + 1))
    ]


def outcome_changes(then: Report, now: Report) -> Iterator[str]:
    """Where judging the recordings again says something else than the report."""
    before = {outcome.key: outcome for outcome in then.outcomes}
    after = {outcome.key: outcome for outcome in now.outcomes}
    for key in before.keys() | after.keys():
        one, other = before.get(key), after.get(key)
        if one is None or other is None:
            yield f"outcome: {_name(key)}: {'the report has none' if one is None else 'the recordings give none'}"
        elif one != other and not (one.verdict is other.verdict is Verdict.ERROR):
            yield f"outcome: {_name(key)}: {_said(one, other)}"
    yield from header_changes(then.header, now.header)
    if then.control != now.control:
        yield "control: the plain wire is judged otherwise than the report says"
    if then.footer != now.footer:
        yield "footer: counts, classes or exit code are not those of the outcomes"


def header_changes(then: Header, now: Header) -> Iterator[str]:
    """Keys of the header that the recordings do not bear out; the suite's own are looked at elsewhere."""
    for key in Header.model_fields:
        if key not in ("version", "catalogue") and getattr(then, key) != getattr(now, key):
            yield f"header.{key}: the report says {getattr(then, key)!r}, the recordings {getattr(now, key)!r}"


def _said(one: ReportedOutcome, other: ReportedOutcome) -> str:
    if one.verdict is not other.verdict:
        return f"the report says {one.verdict}, judged again it is {other.verdict} ({other.seen})"
    keys = [key for key in type(one).model_fields if getattr(one, key) != getattr(other, key)]
    return f"{one.verdict} as before, but its {', '.join(keys)} differ"


def _name(key: tuple[str, tuple[tuple[str, str], ...]]) -> str:
    requirement, parameters = key
    return " ".join([requirement, *(value for _, value in parameters)])
