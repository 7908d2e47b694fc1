"""A survey of one family: a seeded sample of alterations of sound recordings, and what notices each."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple

from conformance.errors import UsageError
from conformance.family import families
from conformance.judging.checks import checks
from conformance.recording.model import Record
from conformance.recording.store import Recording, find
from conformance.recording.store import load as load_recording
from conformance.selftest.survey.allowances import Allowance, Allowances, Scope, load
from conformance.selftest.survey.alteration import Alteration, Extent, of_frames
from conformance.selftest.survey.editing import edited
from conformance.selftest.survey.judging import Bench, Noticed, owed
from conformance.selftest.survey.rows import of_rows, rows
from conformance.selftest.survey.sent import Sent, Trace
from conformance.validation import known

SAMPLE: Final = 1000
"""Alterations of a family that are judged, unless an option says otherwise."""
EACH: Final = 6
"""Frames of a kind, flows of a kind and rows of a name that are altered in one recording."""
FAULTY: Final = "fault-"
"""How the names of profiles with a planted fault begin."""


class Result(NamedTuple):
    """One alteration, who noticed it (None: a survivor), and the allowance that speaks of it."""

    alteration: Alteration
    noticed: Noticed | None
    allowed: Allowance | None


@dataclass
class Survey:
    """What became of the alterations of a family: `seconds` is the time that it took, `broken` what checks raised."""

    family: str
    recordings: tuple[str, ...]
    results: list[Result] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def noticed(self) -> list[Result]:
        """Alterations that changed a verdict."""
        return [one for one in self.results if one.noticed is not None]

    @property
    def allowed(self) -> list[Result]:
        """Survivors that an allowance speaks of."""
        return [one for one in self.results if one.noticed is None and one.allowed is not None]

    @property
    def survivors(self) -> list[Result]:
        """Alterations that changed no verdict, and that nothing allows."""
        return [one for one in self.results if one.noticed is None and one.allowed is None]

    @property
    def refused(self) -> list[Result]:
        """Alterations that a clause allows, and that failed something all the same: false fails, as a rule."""
        return [one for one in self.results if one.noticed is not None and one.allowed is not None]

    def score(self, extent: Extent) -> float:
        """The share of noticed alterations of one thing, or of every one of a kind, that no allowance speaks of."""
        owed = [one for one in self.results if one.allowed is None and one.alteration.extent == extent]
        return sum(one.noticed is not None for one in owed) / len(owed) if owed else 0.0


def survey(family: str, folder: Path, *, sample: int = SAMPLE, seed: int = 0) -> Survey:
    """Alter the sound recordings of a family's scenarios below `folder`, one thing at a time, and judge each.

    The same recordings, sample and seed give the same survey. Raises UsageError for a family that there is not, that
    has no allowances, or of which no recording is there.
    """
    try:
        data = load(families()[known(family, families())])
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    recordings = [one for one in sound(folder, _scenarios(family)) if _owes(one, family)]
    if not recordings:
        raise UsageError(f"{folder}: it has no sound recording of a scenario that {family} is judged by")
    began = time.monotonic()
    made = Survey(family, tuple(f"{one.record.profile.name} {one.name}" for one in recordings))
    for recording, chosen in _chosen(recordings, data.survey, sample, random.Random(f"{family} {seed}")):
        _judge(made, recording, chosen, data)
    made.seconds = time.monotonic() - began
    return made


def _scenarios(family: str) -> set[str]:
    """The scenarios that a family is judged by."""
    return {check.scenario for check in checks() if check.requirement.family == family}


def _owes(recording: Recording, family: str) -> bool:
    """Whether something of a family is decided by a recording."""
    return any(instance.check.requirement.family == family for instance in owed(recording.record))


def sound(folder: Path, scenarios: set[str]) -> list[Recording]:
    """Recordings of the scenarios that lie below a folder, without those of planted faults and those with a problem."""
    found = [load_recording(path) for path in find(folder)]
    return [one for one in found if one.record.scenario in scenarios and _is_sound(one.record)]


def _is_sound(record: Record) -> bool:
    return record.problem is None and not record.profile.name.startswith(FAULTY)


def _judge(made: Survey, recording: Recording, chosen: Sequence[Alteration], data: Allowances) -> None:
    """Judge the chosen alterations of one recording."""
    bench = Bench(recording)
    for alteration in chosen:
        edit = alteration.edit()
        if edit is not None:
            noticed = bench.notices(alteration, edited(recording, edit))
            made.results.append(Result(alteration, noticed, data.of(alteration)))
    made.broken.update(bench.broken)
    recording.release()


def _chosen(
    recordings: Sequence[Recording], scope: Scope, sample: int, dice: random.Random
) -> Iterator[tuple[Recording, list[Alteration]]]:
    """The sample: each kind of alteration (of what, which field, how) once, then each once more, until it is full."""
    strata: dict[tuple[str, ...], list[tuple[int, Alteration]]] = defaultdict(list)
    for place, recording in enumerate(recordings):
        for alteration in population(recording, scope, dice):
            strata[alteration.stratum].append((place, alteration))
    for found in strata.values():
        dice.shuffle(found)
    ordered = [strata[one] for one in sorted(strata)]
    dice.shuffle(ordered)
    turns = [one for turn in zip_longest(*ordered) for one in turn if one is not None]
    for place, recording in enumerate(recordings):
        yield recording, [alteration for number, alteration in turns[:sample] if number == place]


def population(recording: Recording, scope: Scope, dice: random.Random) -> Iterator[Alteration]:
    """The alterations of some frames, flows and rows of each kind in a recording."""
    trace = Trace(recording)
    kinds: dict[str, list[Sent]] = defaultdict(list)
    sources: tuple[tuple[bool, Callable[[], Iterator[Sent]]], ...] = (
        (any(not _is_flow(one) for one in scope.frames), trace.frames_sent),
        (any(map(_is_flow, scope.frames)), trace.flows_delivered),
    )
    for wanted, source in sources:
        for one in source() if wanted else ():
            if any(fnmatchcase(one.kind, pattern) for pattern in scope.frames):
                kinds[one.kind].append(one)
    for kind in sorted(kinds):
        yield from of_frames(recording, kinds[kind], _some(dice, len(kinds[kind])))
    found = rows(recording, scope.record)
    for name in sorted(found):
        yield from of_rows(recording, found[name], _some(dice, len(found[name])))


def _is_flow(pattern: str) -> bool:
    return pattern.startswith(("flow", "answer"))


def _some(dice: random.Random, count: int) -> list[int]:
    return sorted(dice.sample(range(count), min(count, EACH)))
