"""The plan of a run: every outcome that must be there at its end, known before anything is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from conformance.judging.register import Check
from conformance.profile import CONTROL, Profile


@dataclass(frozen=True)
class Instance:
    """One check, on one profile and testbed, with one set of parameters: one outcome."""

    check: Check
    profile: Profile
    testbed: str
    parameters: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What identifies the outcome within its report."""
        return self.check.requirement.id, self.testbed, tuple(sorted(self.parameters.items()))

    @property
    def outcome_parameters(self) -> tuple[tuple[str, str], ...]:
        """The parameters as reports show them: those of the check, and the testbed."""
        return tuple(sorted({**self.parameters, "testbed": self.testbed}.items()))

    @property
    def id(self) -> str:
        """The name of the test case."""
        return "-".join([self.profile.name, self.testbed, *self.parameters.values()])

    def recorded(self) -> bool:
        """Whether a recording is needed to decide it (else the profile declared it out of its claims)."""
        if self.check.out_of_scope(self.profile) is not None:
            return False
        return self.check.undeclared(self.profile, self.parameters) is None


@dataclass(frozen=True)
class Selection:
    """What a run covers. `only` are requirement ids, aliases or families; empty: everything.

    `links` names those of the testbeds that have ports with partners: profiles of link roles alone are judged on these,
    all others on the others.
    """

    profiles: tuple[Profile, ...]
    testbeds: tuple[str, ...]
    only: tuple[str, ...] = ()
    attempts: int = 1
    links: frozenset[str] = frozenset()

    def beds(self, profile: Profile) -> list[str]:
        """The testbeds that this profile is judged on."""
        return [testbed for testbed in self.testbeds if (testbed in self.links) is profile.links]

    def wants(self, check: Check) -> bool:
        """Whether the check is part of the run."""
        row = check.requirement
        return not self.only or bool({row.id, row.family, *row.alias} & set(self.only))

    def instances(self, check: Check) -> Iterator[Instance]:
        """Every outcome that this check owes; pairs are judged by what speaks of pairs, and nobody else is."""
        if self.wants(check):
            for profile in self.profiles:
                if profile.paired is not check.paired:
                    continue
                for testbed in self.beds(profile):
                    for parameters in check.instances(profile):
                        yield Instance(check, profile, testbed, parameters)


def with_control(planned: Sequence[Instance], control: Profile | None) -> list[Instance]:
    """The planned outcomes, and those of the plain wire that they are judged against and that are not among them: one
    test that is named, or whatever a user's own selection has left."""
    if control is None:
        return list(planned)
    known = {one.key for one in planned if one.profile.name == control.name}
    further = []
    for one in planned:
        if one.key not in known and one.parameters in list(one.check.instances(control)):
            known.add(one.key)
            further.append(Instance(one.check, control, one.testbed, one.parameters))
    return [*(one for one in further if one.recorded()), *planned]


@dataclass(frozen=True)
class RecordingKey:
    """One recording of the run."""

    profile: str
    testbed: str
    scenario: str
    attempt: int


def recordings(instances: Iterable[Instance], attempts: int) -> list[RecordingKey]:
    """The recordings that these outcomes need, the control's first, each once."""
    found: dict[RecordingKey, None] = {}
    for instance in instances:
        if instance.recorded():
            for attempt in range(1, attempts + 1):
                found[RecordingKey(instance.profile.name, instance.testbed, instance.check.scenario, attempt)] = None
    return sorted(found, key=lambda key: key.profile != CONTROL)
