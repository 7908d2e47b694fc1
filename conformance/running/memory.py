"""What a run's folder remembers of the run: what it was asked for, its plan, and how it ended (``run.json``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationError

from conformance import files
from conformance.errors import UsageError
from conformance.judging.plan import RecordingKey
from conformance.profile import CONTROL
from conformance.recording.model import MOST_ATTEMPTS
from conformance.recording.store import RECORD, folder_name
from conformance.report.atomic import write_atomically
from conformance.report.model import as_json
from conformance.report.render.text import plural
from conformance.report.store import NAME as REPORT
from conformance.report.store import read
from conformance.running.request import Request
from conformance.validation import Strict

MEMORY: Final = "run.json"
Below = Annotated[str, AfterValidator(files.below)]
SHOWN: Final = 3
"""Recordings that are named one by one; the rest is counted."""


class Memory(Strict):
    """A run's own plan: the profiles to report on, and the folders of its recordings below the run's folder.

    `failed` are recordings that could not be made; `complete` tells that the run came to its end.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    only: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    profiles: tuple[Below, ...] = ()
    testbeds: tuple[str, ...] = ()
    attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] = 1
    recordings: tuple[Below, ...] = ()
    failed: tuple[str, ...] = ()
    complete: bool = False


def place_of(key: RecordingKey) -> str:
    """The folder of a recording below the run's folder."""
    return f"{key.profile}/{folder_name(key.testbed, key.scenario, key.attempt)}"


def write(memory: Memory, folder: Path) -> None:
    """Write down what a run covers. Raises UsageError where the folder cannot be written."""
    try:
        write_atomically(folder / MEMORY, as_json(memory.model_dump(mode="json", by_alias=True)))
    except OSError as problem:
        raise UsageError(f"--out {folder}: cannot be written: {problem.strerror}") from None


def check_unused(folder: Path) -> None:
    """Raises UsageError where the folder holds an earlier run: nothing is mixed."""
    if (folder / MEMORY).exists():
        raise UsageError(f"--out {folder}: holds an earlier run; name a new folder (`plugfest matrix` joins several)")


def recall(folder: Path) -> Memory | None:
    """What the folder remembers; None where no run was made in it. Raises UsageError where it cannot be read."""
    try:
        return Memory.model_validate_json(files.content(folder / MEMORY, folder, files.DOCUMENT), strict=True)
    except FileNotFoundError:
        return None
    except ValidationError:
        raise UsageError(f"{MEMORY}: not what `plugfest run` writes; remove it to judge everything") from None


def remembered(request: Request, folder: Path) -> Request:
    """The request with what the run of that folder covered; unchanged where it says nothing."""
    known = recall(folder)
    if known is None:
        return request
    return replace(request, only=request.only or known.only, command=request.command or known.command)


def missing_recordings(folder: Path, profiles: Iterable[str] | None = None) -> dict[str, list[str]]:
    """The recordings that the run planned and the folder lacks, by profile; without those that could not be made."""
    known = recall(folder)
    if known is None:
        return {}
    wanted = None if profiles is None else {*profiles, CONTROL}
    found: dict[str, list[str]] = {}
    for place in known.recordings:
        profile = place.partition("/")[0]
        asked = place not in known.failed and (wanted is None or profile in wanted)
        if asked and not (folder / place / RECORD).is_file():
            found.setdefault(profile, []).append(place.rpartition("/")[2])
    return found


def missing_reports(folder: Path) -> dict[str, str]:
    """The profiles of the run whose report is missing or partial, and which of the two."""
    known = recall(folder)
    found: dict[str, str] = {}
    for name in known.profiles if known is not None else ():
        if not (folder / name / REPORT).is_file():
            found[name] = "no report"
        elif read(folder / name).partial:
            found[name] = "a partial report"
    return found


def told(folder: Path, recordings: dict[str, list[str]], reports: dict[str, str]) -> list[str]:
    """What is missing of a run, a line for each profile; empty where nothing is."""
    lines = [f"{name}: {what}" for name, what in reports.items()]
    lines += [
        f"{name}: without {plural(len(places), 'recording')}: {_some(places)}" for name, places in recordings.items()
    ]
    known = recall(folder)
    if not lines or known is None:
        return lines
    counts = {"profile": len(known.profiles), "testbed": len(known.testbeds), "recording": len(known.recordings)}
    plan = ", ".join(plural(count, word) for word, count in {**counts, "attempt": known.attempts}.items())
    return [f"{folder.name or folder}: incomplete by the run's own plan ({plan})", *(f"  {line}" for line in lines)]


def _some(places: Sequence[str]) -> str:
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return f"{', '.join(places[:SHOWN])}{more}"
