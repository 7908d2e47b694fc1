"""A session: from the plan and a source of recordings to outcomes, each judged against the plain wire as control."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.judging import cables
from conformance.judging.case import Case, judge
from conformance.judging.plan import Instance, Selection
from conformance.judging.probes import probed, probed_in, shown
from conformance.pairs.pairing import sides_of
from conformance.profile import CONTROL, Profile
from conformance.recording.source import Missing, Source
from conformance.recording.store import Recording
from conformance.verdict import Attempt, Judgement, Outcome, Verdict

SOUND = frozenset({Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.UNSUPPORTED})
"""Verdicts of the plain wire under which an implementation can be judged."""

Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass
class Session:
    """Judges instances, each once; keeps the outcomes by profile."""

    selection: Selection
    source: Source
    control: Profile | None
    outcomes: dict[str, dict[Key, Outcome]] = field(default_factory=dict)

    def outcome(self, instance: Instance) -> Outcome:
        """The outcome of one instance; judged when first asked for."""
        known = self.outcomes.setdefault(instance.profile.name, {})
        if instance.key not in known:
            known[instance.key] = self._judge(instance)
        return known[instance.key]

    def _judge(self, instance: Instance) -> Outcome:
        row = instance.check.requirement
        attempts = tuple(
            Attempt(number, self._attempt(instance, number)) for number in range(1, self.selection.attempts + 1)
        )
        return Outcome(
            requirement=row.id,
            level=row.level.value,
            parameters=instance.outcome_parameters,
            attempts=attempts,
            informational=row.informational,
        )

    def _attempt(self, instance: Instance, number: int) -> Judgement:
        check, profile = instance.check, instance.profile
        elsewhere = check.out_of_scope(profile)
        if elsewhere is not None:
            return Judgement(Verdict.NOT_APPLICABLE, seen=elsewhere)
        undeclared = check.undeclared(profile, instance.parameters)
        if undeclared is not None:
            return self._declared_out(instance, undeclared, number)
        try:
            recording = self.source.get(profile.name, instance.testbed, check.scenario, number)
        except Missing as reason:
            return Judgement(Verdict.ERROR, seen=str(reason))
        unsound = self._unsound(instance) or _cables_failed(recording)
        if unsound is not None:
            return Judgement(Verdict.INCONCLUSIVE, seen=unsound)
        return judge(check.function, Case(recording, instance.parameters))

    def _declared_out(self, instance: Instance, reason: str, number: int) -> Judgement:
        """Unsupported by declaration; where a recording shows that it is there after all, the profile is wrong."""
        for feature in instance.check.requirement.features:
            if probed(feature) and feature not in instance.profile.features:
                return self._probed(instance, feature, reason, number)
        if instance.parameters.get("family") != "ipv6" and "ipv6" not in instance.check.requirement.features:
            return Judgement(Verdict.UNSUPPORTED, seen=reason)
        try:
            recording = self.source.get(instance.profile.name, instance.testbed, instance.check.scenario, number)
        except Missing:
            return Judgement(Verdict.UNSUPPORTED, seen=reason)
        found = ipv6_of_endpoints(recording) if "ipv6" not in instance.profile.features else []
        if found:
            return Judgement(
                Verdict.INCONCLUSIVE, seen=f"{reason}, yet an endpoint has {found[0]}: mend the profile's features"
            )
        looked = "; no endpoint has a global IPv6 address" if "ipv6" not in instance.profile.features else ""
        return Judgement(Verdict.UNSUPPORTED, seen=reason + looked)

    def _probed(self, instance: Instance, feature: str, reason: str, number: int) -> Judgement:
        """Unsupported, unless a recording of the implementation shows that it does what it does not claim."""
        for scenario in probed_in():
            try:
                recording = self.source.get(instance.profile.name, instance.testbed, scenario, number)
            except Missing:
                continue
            found = shown(recording, feature)
            if found is not None:
                seen = f"{reason}, yet {found}: mend the profile's features"
                return Judgement(Verdict.INCONCLUSIVE, seen=seen)
            return Judgement(Verdict.UNSUPPORTED, seen=f"{reason}; nothing of it was sent during {scenario}")
        return Judgement(Verdict.UNSUPPORTED, seen=f"{reason}; not probed: nothing was recorded that would show it")

    def _unsound(self, instance: Instance) -> str | None:
        """Why the same scenario, testbed and check do not even pass on a plain wire; None where they do."""
        if self.control is None or instance.profile.name == CONTROL:
            return None
        if instance.parameters not in list(instance.check.instances(self.control)):
            return None
        outcome = self.outcome(Instance(instance.check, self.control, instance.testbed, instance.parameters))
        if outcome.verdict in SOUND:
            return None
        return f"the plain wire does not pass this ({outcome.verdict}: {outcome.deciding.seen})"

    def listed(self, profile: str) -> list[Outcome]:
        """The outcomes of one profile so far."""
        return list(self.outcomes.get(profile, {}).values())


def _cables_failed(recording: Recording) -> str | None:
    """Why the plain cables of the lab were not in order; a recording that cannot be judged says so itself."""
    if recording.record.problem is not None or recording.damage is not None:
        return None
    wrong = cables.control_failure(recording)
    return None if wrong is None else f"the plain cables do not pass this: {wrong}"


def ipv6_of_endpoints(recording: Recording) -> list[str]:
    """Every global IPv6 address that the kernel shows on an endpoint of whoever does not claim IPv6."""
    record = recording.record
    claiming = {
        side.host
        for side in (sides_of(record.profile, record.testbed) if record.profile.paired else ())
        if "ipv6" in side.profile.features
    }
    return [
        address.address
        for endpoint in record.endpoints
        if endpoint.host not in claiming
        for address in endpoint.kernel.addresses
        if ":" in address.address and address.scope == "global"
    ]
