"""Who notices an alteration: every check that reads recordings of the scenario, compared with its verdict before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from conformance.judging import cables
from conformance.judging.case import Case, judge
from conformance.judging.checks import checks
from conformance.judging.plan import Instance, Selection
from conformance.recording.model import Record
from conformance.recording.store import Recording
from conformance.requirement import Level, Requirement
from conformance.selftest.survey.alteration import Alteration
from conformance.verdict import Judgement, Verdict

DECIDED: Final = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE)
"""Verdicts before the alteration that it can change: a requirement that fails already notices nothing."""


class Noticed(NamedTuple):
    """The requirement whose verdict the alteration changed, and what it then saw."""

    requirement: str
    seen: str


@dataclass
class Bench:
    """A recording, the outcomes that its checks owe, and what each decides without an alteration.

    An alteration is noticed where a requirement that decides (no MEASURE, and not informational) fails with it and did
    not before. A verdict that becomes inconclusive has noticed it only where the alteration destroys an observation of
    the suite's own. Of an error, the suite's own fault, `broken` keeps what was said, by requirement.
    """

    recording: Recording
    instances: list[Instance] = field(default_factory=list)
    before: list[Verdict] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for instance in owed(self.recording.record):
            verdict = _judged(self.recording, instance).verdict
            if verdict in DECIDED:
                self.instances.append(instance)
                self.before.append(verdict)

    def notices(self, alteration: Alteration, altered: Recording) -> Noticed | None:
        """The first that notices an alteration in the altered recording; None where nothing does."""
        for place, instance in enumerate(self.instances):
            said = _judged(altered, instance)
            if said.verdict is Verdict.ERROR:
                self.broken.setdefault(instance.check.requirement.id, f"{alteration.place}: {said.seen}")
            if self._changed(self.before[place], said.verdict, alteration):
                self._sooner(place)
                return Noticed(instance.check.requirement.id, said.seen)
        return None

    def _changed(self, before: Verdict, now: Verdict, alteration: Alteration) -> bool:
        if now is Verdict.FAIL:
            return True
        return alteration.destroys and before is Verdict.PASS and now is Verdict.INCONCLUSIVE

    def _sooner(self, place: int) -> None:
        """Judge what has just noticed something a little sooner next time: the like of it follows."""
        if place:
            self.instances.insert(0, self.instances.pop(place))
            self.before.insert(0, self.before.pop(place))


def owed(record: Record) -> list[Instance]:
    """The outcomes that a recording decides, without figures and what only informs."""
    links = frozenset({record.testbed.name} if record.testbed.links else ())
    selection = Selection((record.profile,), (record.testbed.name,), links=links)
    return [
        instance
        for check in checks()
        if check.scenario == record.scenario and _decides(check.requirement)
        for instance in selection.instances(check)
        if instance.recorded()
    ]


def _decides(requirement: Requirement) -> bool:
    return not requirement.informational and requirement.level is not Level.MEASURE


def _judged(recording: Recording, instance: Instance) -> Judgement:
    """The verdict as a session gives it, without a plain wire beside it."""
    if recording.record.problem is None and recording.damage is None:
        wrong = cables.control_failure(recording)
        if wrong is not None:
            return Judgement(Verdict.INCONCLUSIVE, seen=wrong)
    return judge(instance.check.function, Case(recording, instance.parameters))
