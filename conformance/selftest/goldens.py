"""Which golden recordings there should be, how they are made, and the trials of faults by them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance import testbed as testbeds
from conformance.adapters.interface.registry import adapter_for
from conformance.errors import UsageError
from conformance.family import Family, families, scenarios
from conformance.golden.store import Golden, golden, goldens, place_of
from conformance.golden.verdicts import outcomes
from conformance.judging.checks import checks
from conformance.judging.plan import RecordingKey
from conformance.profile import Profile
from conformance.recording.source import Missing
from conformance.recording.store import Recording, folder_name, load
from conformance.running.live import Live, Order
from conformance.selftest.fault import Fault
from conformance.selftest.faults import faults, faults_of
from conformance.selftest.subject import profile_of
from conformance.selftest.trial import BY_DESIGN, Reading, Trial, reading, selection_of, sound_profile, trial_of
from conformance.verdict import Outcome


@dataclass(frozen=True)
class Wanted:
    """One golden recording: its folder, and what is recorded in it."""

    folder: Path
    profile: Profile
    testbed: str
    scenario: str
    fault: Fault | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def of(self) -> str:
        """What it is of, in words."""
        whose = self.profile.name if self.fault is None else f"{self.fault.reference} with a fault: {self.fault.title}"
        return f"{self.scenario} on {self.testbed}: {whose}"

    @property
    def key(self) -> RecordingKey:
        """The recording, as a run calls it."""
        return RecordingKey(self.profile.name, self.testbed, self.scenario, 1)


def of_fault(fault: Fault) -> list[Wanted]:
    """The golden recordings of a fault: of each scenario in which something is judged that it fails or has noted.

    The name is the fault's; with several scenarios each is added to it.
    """
    profile = profile_of(fault)
    selection = selection_of(profile, fault.testbed)
    named = fault.fails | fault.notes
    telling = {
        check.scenario
        for check in checks()
        if check.requirement.id in named and any(one.recorded() for one in selection.instances(check))
    }
    chosen = sorted(telling & fault.scenarios or telling)
    place = place_of(_owner(fault))
    return [
        Wanted(
            place / (fault.name if len(chosen) == 1 else f"{fault.name}-{scenario}"),
            profile,
            fault.testbed,
            scenario,
            fault,
        )
        for scenario in chosen
    ]


def of_sound(planted: Iterable[Fault]) -> list[Wanted]:
    """The golden recordings of the networks that these faults are planted in, of the same scenarios."""
    faulty = [one for fault in planted for one in of_fault(fault)]
    cells = {(one.fault.reference, one.testbed, one.scenario) for one in faulty if one.fault is not None}
    return [_sound(*cell) for cell in sorted(cells)]


def named(name: str) -> Wanted | None:
    """What a name of the form ``PROFILE-TESTBED-SCENARIO`` is of; None where it has another form.

    Raises UsageError for a profile that there is not.
    """
    for testbed, scenario in itertools.product(testbeds.available(), scenarios()):
        if name.endswith(f"-{testbed}-{scenario}"):
            return _sound(name.removesuffix(f"-{testbed}-{scenario}"), testbed, scenario)
    return None


def chosen(names: Sequence[str]) -> list[Wanted]:
    """The golden recordings of these names: of recordings, of faults, of requirements and families that faults fail.

    Without a name every one: of each fault, of each network that one is planted in, and what else is there already.
    Raises UsageError for a name that is none of these.
    """
    planted = list(faults().values())
    if not names:
        made = [*itertools.chain.from_iterable(map(of_fault, planted)), *of_sound(planted)]
        known = {one.name for one in made}
        others = (named(one.name) for one in goldens().values() if one.name not in known and not one.expected.fault)
        return [*made, *filter(None, others)]
    found: dict[str, Wanted] = {}
    for name in names:
        mine = [fault for fault in planted if name in _words(fault)]
        several = [one for fault in mine for one in of_fault(fault)]
        if not several:
            several = [one for fault in planted for one in of_fault(fault) if one.name == name]
        single = named(name) if not several else None
        for one in several if single is None else [single]:
            found[one.name] = one
        if not several and single is None:
            raise UsageError(
                f"{name}: write a fault, a requirement or family that a fault fails, or PROFILE-TESTBED-SCENARIO"
            )
    return list(found.values())


def stored(wanted: Iterable[Wanted], folder: Path) -> Iterator[tuple[Wanted, Recording]]:
    """Each with its recording in the folder of an earlier run; what is not there is left out."""
    for one in wanted:
        place = folder / one.key.profile / folder_name(one.testbed, one.scenario, 1)
        if place.is_dir():
            yield one, load(place)


def recorded(wanted: Sequence[Wanted], out: Path) -> Iterator[tuple[Wanted, Recording]]:
    """Each with its recording, made now in a lab below `out`. Raises Missing where one cannot be made."""
    profiles = {one.profile.name: one.profile for one in wanted}
    weights = {name: adapter_for(profile).weight for name, profile in profiles.items()}
    order = Order(profiles, weights, {one.testbed: testbeds.load(one.testbed) for one in wanted}, out)
    live = Live(order, lambda *_: None)
    try:
        live.start([one.key for one in sorted(wanted, key=lambda one: -scenarios()[one.scenario].waits)])
        for one in wanted:
            try:
                yield one, live.get(one.key.profile, one.testbed, one.scenario, 1)
            except Missing as reason:
                raise Missing(f"{one.name}: {reason}") from reason
    finally:
        live.close()


def left_over(fault: Fault) -> list[Golden]:
    """Golden recordings of a fault from when it showed in other scenarios."""
    wanted = {one.name for one in of_fault(fault)}
    names = {fault.name, *(f"{fault.name}-{scenario}" for scenario in scenarios())} - wanted
    return [one for one in goldens().values() if one.name in names]


@dataclass(frozen=True)
class Judged:
    """A golden recording judged: its outcomes, and what it says of its own making."""

    outcomes: tuple[Outcome, ...]
    made: Reading


def judged(one: Golden) -> Judged:
    """Judge a golden recording. Raises UsageError where it, or what is expected of it, cannot be read."""
    recording = one.load()
    fault = faults().get(one.expected.fault)
    return Judged(tuple(outcomes(recording)), reading(recording.record, fault))


def recordings_of(fault: Fault) -> list[Golden]:
    """The golden recordings of a fault. Raises UsageError for one that is not there."""
    return [golden(one.name) for one in of_fault(fault)]


def trial(fault: Fault, each: Collection[Judged]) -> Trial:
    """The trial of a fault by its golden recordings."""
    said = [outcome for one in each for outcome in one.outcomes]
    known = BY_DESIGN.get(fault.reference, frozenset()) & {outcome.requirement for outcome in said}
    place = (fault.reference, fault.testbed)
    return trial_of(place, known | fault.fails, fault, said, [one.made for one in each])


def _sound(name: str, testbed: str, scenario: str) -> Wanted:
    owner = next(family for family in families().values() if scenario in {one.name for one in family.scenarios})
    return Wanted(place_of(owner) / f"{name}-{testbed}-{scenario}", sound_profile(name), testbed, scenario)


def _owner(fault: Fault) -> Family:
    """The family that plants a fault."""
    return next(family for family in families().values() if fault in faults_of(family))


def _words(fault: Fault) -> set[str]:
    named = fault.fails | fault.notes
    return {fault.name, *named, *(name.partition(".")[0] for name in named)}
