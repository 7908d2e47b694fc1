"""Trials: networks with and without faults, recorded in every scenario at the same time and judged by every check."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from conformance import profile as profiles
from conformance import testbed as testbeds
from conformance.adapters.interface.registry import adapter_for
from conformance.family import scenarios
from conformance.judging.checks import checks
from conformance.judging.plan import Instance, RecordingKey, Selection, recordings
from conformance.judging.session import Session
from conformance.judging.timing import lateness
from conformance.limits import MENTIONED
from conformance.pairs.pairing import SEPARATOR, pair_of
from conformance.profile import Profile
from conformance.recording.model import Record
from conformance.recording.source import Missing
from conformance.recording.store import Recording
from conformance.requirement import Level
from conformance.running.live import Live, Order, overloaded
from conformance.selftest.fault import Fault
from conformance.selftest.subject import profile_of
from conformance.verdict import Outcome, Verdict

BY_DESIGN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "linux-bridge": frozenset({"bridge.reserved-not-forwarded", "stp.disabled-not-relayed", "stp.topology-change"}),
        "vxlan": frozenset(
            {
                "route.from-host",
                "route.from-outside-v4",
                "route.from-outside-v6",
                "route.to-outside",
                "route.well-known-port",
            }
        ),
    }
)
"""What a sound reference network fails because of what it is (an overlay leads nowhere; the kernel's bridge
forwards BPDUs while its STP is off, and with it does not hurry to forget); nothing where not named."""

Sound = tuple[str, str]
"""A sound reference network and the testbed that it is on, by name."""


@dataclass(frozen=True)
class Trial:
    """One network, recorded in every scenario and judged by every check.

    `place` is the sound network that it is, or that its fault is planted in. `failed` maps each deciding requirement
    that failed to what was seen first, `undecided` those that were inconclusive; `noted` are requirements with a note.
    `broken` is what went wrong with the suite itself, `witness` is None where the fault was not there (or none is due).
    `late` is how late the lab's own timers were at most, in s, where that is written down (links); `busy` tells that
    many waited for a processor. `again` tells that it is a second trial, after one that was disturbed by that.
    """

    place: Sound
    expected: frozenset[str]
    failed: Mapping[str, str]
    undecided: Mapping[str, str]
    noted: frozenset[str]
    broken: tuple[str, ...]
    witness: str | None
    fault: Fault | None = None
    late: float = 0.0
    busy: bool = False
    again: bool = False

    @property
    def disturbed(self) -> bool:
        """Not what it should be, on a machine that was too busy to keep time: that proves nothing either way."""
        return self.verdict not in ("killed", "sound") and (self.late > MENTIONED or self.busy)

    @property
    def missed(self) -> list[str]:
        """Requirements that should have failed and did not."""
        return sorted(self.expected - set(self.failed))

    @property
    def extra(self) -> list[str]:
        """Requirements that failed and should not have."""
        return sorted(set(self.failed) - self.expected)

    @property
    def verdict(self) -> str:
        """``killed`` (of a sound network: ``sound``), or in what way it was not."""
        if self.broken:
            return "error"
        if self.fault is not None and self.witness is None:
            return "no witness"
        if self.missed or (self.fault is not None and not self.fault.notes <= self.noted):
            return "missed"
        if self.extra:
            return "extra" if self.fault is not None else "false alarm"
        return "killed" if self.fault is not None else "sound"


class Trials:
    """Records networks, with and without faults, all at the same time below `out`: first those that take longest.

    A subject is a fault, or a sound network and its testbed. Recordings are deleted as soon as they were judged, unless
    `keep` says otherwise. With `narrow` a fault is recorded only where what it fails is judged: that nothing else fails
    is then shown for what those scenarios tell of, in half the time.
    """

    def __init__(
        self, subjects: Iterable[Fault | Sound], out: Path, *, keep: bool = False, narrow: bool = False
    ) -> None:
        self._keep = keep
        self._checks = checks()
        self._profiles: dict[str, Profile] = {}
        cells: list[Sound] = []
        listed = list(subjects)
        self._scenarios = _scenarios(listed, narrow=narrow)
        for subject in listed:
            profile = profile_of(subject) if isinstance(subject, Fault) else sound_profile(subject[0])
            self._profiles[profile.name] = profile
            cells.append((profile.name, subject.testbed if isinstance(subject, Fault) else subject[1]))
        needed = sorted((self._needed(*cell) for cell in cells), key=_longest, reverse=True)
        self._keys = [key for keys in needed for key in keys]
        beds = {bed: testbeds.load(bed) for _, bed in cells}
        weights = {name: adapter_for(profile).weight for name, profile in self._profiles.items()}
        self._live = Live(Order(self._profiles, weights, beds, out), lambda *_: None)

    def _needed(self, name: str, testbed: str) -> list[RecordingKey]:
        """The recordings that decide something of a network: its roles and claims leave scenarios out."""
        owed = self._instances(selection_of(self._profiles[name], testbed))
        return sorted(recordings(owed, 1), key=lambda key: key.scenario)

    def start(self) -> None:
        """Begin to record everything."""
        self._live.start(self._keys)

    def of_fault(self, fault: Fault) -> Trial:
        """The trial of a faulty network."""
        name = profile_of(fault).name
        judged = {
            one.check.requirement.id for one in self._instances(selection_of(self._profiles[name], fault.testbed))
        }
        known = BY_DESIGN.get(fault.reference, frozenset()) & judged
        return self._trial(name, (fault.reference, fault.testbed), known | fault.fails, fault)

    def of_sound(self, sound: Sound) -> Trial:
        """The trial of a sound network, on one testbed."""
        network, _ = sound
        return self._trial(network, sound, BY_DESIGN.get(network, frozenset()), None)

    def _trial(self, name: str, place: Sound, expected: frozenset[str], fault: Fault | None) -> Trial:
        """The trial; one that is disturbed is recorded once more, and the second one counts, whatever it is."""
        made = self._judged(name, place, expected, fault)
        if made.disturbed:
            self._live.start([key for key in self._keys if (key.profile, key.testbed) == (name, place[1])])
            made = replace(self._judged(name, place, expected, fault), again=True)
        self._forget(name, place[1])
        return made

    def _judged(self, name: str, place: Sound, expected: frozenset[str], fault: Fault | None) -> Trial:
        _, testbed = place
        selection = selection_of(self._profiles[name], testbed)
        session = Session(selection, self._live, None)
        outcomes = [session.outcome(one) for one in self._instances(selection)]
        records = (recording.record for recording in self._recordings(name, testbed))
        return trial_of(place, expected, fault, outcomes, [reading(record, fault) for record in records])

    def _forget(self, name: str, testbed: str) -> None:
        """Let go of a network's recordings."""
        for recording in list(self._recordings(name, testbed)):
            if not self._keep:
                shutil.rmtree(recording.folder)
            self._live.forget(name, testbed, recording.record.scenario, recording.record.attempt)

    def _instances(self, selection: Selection) -> Iterator[Instance]:
        place = selection.profiles[0].name, selection.testbeds[0]
        wanted = self._scenarios.get(place, frozenset())
        for check in self._checks:
            if not wanted or check.scenario in wanted:
                yield from selection.instances(check)

    def _recordings(self, name: str, testbed: str) -> Iterator[Recording]:
        for key in self._keys:
            if (key.profile, key.testbed) == (name, testbed):
                try:
                    yield self._live.get(*_arguments(key))
                except Missing:
                    continue

    def close(self) -> None:
        """Stop recording."""
        self._live.close()


@dataclass(frozen=True)
class Reading:
    """What one recording says of its own making: what went wrong with it, in a few words, whether the fault left its
    mark, how late the lab's timers were at most (s), and whether many waited for a processor."""

    problem: str | None
    witness: str | None
    late: float
    busy: bool


def reading(record: Record, fault: Fault | None) -> Reading:
    """What a record of a network, or of a fault that is planted in it, says of its own making."""
    witness = None if fault is None or fault.witness is None else fault.witness(record)
    problem = f"{record.scenario}: {record.problem}" if record.problem else None
    return Reading(problem, witness, lateness(record), overloaded(record))


def trial_of(
    place: Sound, expected: frozenset[str], fault: Fault | None, outcomes: Sequence[Outcome], made: Sequence[Reading]
) -> Trial:
    """The trial of a network whose recordings gave these outcomes."""
    noted = frozenset(one.requirement for one in outcomes if one.deciding.notes)
    failed, undecided, errors = (
        _first(outcomes, verdict) for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)
    )
    problems = (one.problem for one in made if one.problem is not None)
    broken = (*problems, *(f"{requirement}: {seen}" for requirement, seen in errors.items()))
    witness = next((one.witness for one in made if one.witness is not None), None)
    late = max((one.late for one in made), default=0.0)
    busy = any(one.busy for one in made)
    return Trial(place, expected, failed, undecided, noted, broken, witness, fault, late, busy)


def _longest(keys: Sequence[RecordingKey]) -> float:
    """The longest chain of waits in the scenarios of one network, in s."""
    return max((scenarios()[key.scenario].waits for key in keys), default=0.0)


def _scenarios(subjects: Iterable[Fault | Sound], *, narrow: bool) -> dict[Sound, frozenset[str]]:
    """By name and testbed, the scenarios that alone are recorded: a fault's own, and of a sound network those of the
    faults that are planted in it, where all of them name some."""
    found: dict[Sound, frozenset[str]] = {}
    planted: dict[Sound, list[frozenset[str]]] = {}
    for fault in subjects:
        if isinstance(fault, Fault):
            wanted = fault.scenarios or (telling(fault) if narrow else frozenset())
            found[profile_of(fault).name, fault.testbed] = wanted
            planted.setdefault((fault.reference, fault.testbed), []).append(fault.scenarios)
    return found | {place: frozenset().union(*each) for place, each in planted.items() if all(each)}


def telling(fault: Fault) -> frozenset[str]:
    """The scenarios in which something is judged that the fault fails, or has noted."""
    return frozenset(one.scenario for one in checks() if one.requirement.id in fault.fails | fault.notes)


def selection_of(profile: Profile, testbed: str) -> Selection:
    """Everything that is judged of one network on one testbed."""
    links = frozenset({testbed} if testbeds.load(testbed).links else ())
    return Selection((profile,), (testbed,), links=links)


def _arguments(key: RecordingKey) -> tuple[str, str, str, int]:
    return key.profile, key.testbed, key.scenario, key.attempt


def _first(outcomes: Iterable[Outcome], verdict: Verdict) -> dict[str, str]:
    """Deciding requirements that have an outcome with that verdict, each with what was seen first."""
    found: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.verdict is verdict and not outcome.informational:
            words = " ".join(value for _, value in outcome.parameters)
            found.setdefault(outcome.requirement, f"{words}: {outcome.deciding.seen}")
    return found


def sound_profile(name: str) -> Profile:
    """The profile of a sound network, or of a pair of them."""
    left, separator, right = name.partition(SEPARATOR)
    return pair_of(profiles.load(left), profiles.load(right)) if separator else profiles.load(name)


def sound_networks(faults: Iterable[Fault]) -> list[Sound]:
    """The networks that faults are planted in, each with its testbed."""
    return sorted({(fault.reference, fault.testbed) for fault in faults})


def undetectable(faults: Iterable[Fault]) -> list[str]:
    """Requirements that have a check, and that no fault fails: their passes prove nothing. Figures decide nothing."""
    known = frozenset().union(*(fault.fails for fault in faults))
    decided = (one.requirement for one in checks())
    return sorted({row.id for row in decided if not row.informational and row.level is not Level.MEASURE} - known)


@contextmanager
def trials(
    subjects: Iterable[Fault | Sound], out: Path, *, keep: bool = False, narrow: bool = False
) -> Iterator[Trials]:
    """Everything being recorded below `out`, until the context ends."""
    made = Trials(subjects, out, keep=keep, narrow=narrow)
    try:
        made.start()
        yield made
    finally:
        made.close()
