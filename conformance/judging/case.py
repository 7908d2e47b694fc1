"""The case: what a check is given. A view of one recording, and the ways to say what must hold.

A check is a pure function of its case. It says what it needs (`require`: else inconclusive), and what must hold
(`expect`: else fail). A check that expected nothing decided nothing: inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_interface
from operator import attrgetter
from typing import Any

from conformance.extension import blamed
from conformance.judging.parameters import FAMILIES, PROTOCOLS, word_of
from conformance.policy.document import Transport
from conformance.profile import CONTROL, Profile
from conformance.recording.events import MalformedEventError, events_in
from conformance.recording.events.attaching import Watched
from conformance.recording.events.base import E
from conformance.recording.facts import FACTS, HostFacts
from conformance.recording.model import (
    AddressFamily,
    AddressState,
    Canary,
    EndpointState,
    Flow,
    Snapshot,
    TapState,
    Window,
)
from conformance.recording.store import FlowGroup, Recording
from conformance.verdict import Evidence, Judgement, Verdict

SHOWN = 8
"""Deciding frames decoded in the text of one failure; their numbers are all given, up to `NUMBERED`."""
NUMBERED = 20


class Undecided(Exception):  # noqa: N818 - an outcome, not an error
    """The check cannot decide: a precondition or a proof of presence is missing. The text says which."""


class NotApplicable(Exception):  # noqa: N818 - an outcome, not an error
    """The requirement says nothing about this case. The text says why."""


@dataclass(frozen=True)
class Expectation:
    """One thing that was expected, what was seen instead or as well, and the frames that show it."""

    holds: bool
    expected: str
    seen: str
    frames: tuple[int, ...] = ()


@dataclass
class Case:
    """One recording, looked at for one requirement with one set of parameters."""

    recording: Recording
    parameters: Mapping[str, str]
    observations: list[Expectation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, int | float] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)

    # --- what there is -----------------------------------------------------------------------------------------
    @property
    def profile(self) -> Profile:
        """The profile that the recording was made with."""
        return self.recording.record.profile

    @property
    def control(self) -> bool:
        """The recording is of the plain wire: no implementation is in it."""
        return self.profile.name == CONTROL

    @property
    def family(self) -> AddressFamily:
        """The address family of this case."""
        return word_of(self.parameters["family"], FAMILIES)

    @property
    def protocol(self) -> Transport:
        """The protocol of this case."""
        return word_of(self.parameters["protocol"], PROTOCOLS)

    @property
    def endpoints(self) -> tuple[EndpointState, ...]:
        """All endpoints of the recording."""
        return self.recording.record.endpoints

    def flows(self, **wanted: Any) -> list[Flow]:
        """The flows of this purpose, path, protocol and family; the case's parameters say what `wanted` does not.

        A wanted value that is a tuple means one of these. Requires that there is one: else undecided.
        """
        axes = {key: self.parameters[key] for key in ("family", "protocol", "path") if key in self.parameters}
        conditions = {**axes, **wanted}
        groups = _matching(self.recording, conditions)
        found = sorted((flow for group in groups for flow in self.recording.flow_groups[group]), key=attrgetter("id"))
        self.require(found, f"the scenario sent no such flow ({_words(conditions)})")
        return found

    def delivered(self, **wanted: Any) -> list[Flow]:
        """The flows that arrived at a server, as seen inside the destination. Requires that there is one."""
        flows = self.flows(**wanted)
        found = [flow for flow in flows if flow.arrival is not None]
        why = f" ({flows[0].detail})" if flows[0].detail else ""
        self.require(found, f"none of {len(flows)} flows arrived{why}, so nothing can be said of them")
        return found

    def all(self, kind: type[E], where: str | None = None) -> list[E]:
        """The events of a kind, of one place or of all, in the order in which they were written down."""
        return list(events_in(self.recording.record, kind, where))

    def the(self, kind: type[E], where: str | None = None, *, otherwise: str = "") -> E:
        """The first event of a kind, of one place or of any. Requires that there is one: else undecided, which the
        sentence `otherwise` explains."""
        for event in events_in(self.recording.record, kind, where):
            return event
        raise Undecided(otherwise or f"{f'{where}: ' if where else ''}the scenario did not come to {kind.kind}")

    def snapshots(self, where: str | None = None, moment: str | None = None) -> list[Snapshot]:
        """State snapshots of one place and moment, or of all."""
        return [
            snapshot
            for snapshot in self.recording.record.snapshots
            if where in (None, snapshot.where) and moment in (None, snapshot.moment)
        ]

    def facts(self, family: str, host: str, moment: str) -> HostFacts:
        """What `family` asked to know of a host (`conformance.family.Facts`), as it was at a moment. Requires that it
        was recorded."""
        recorded = [one.further.get(FACTS, {}) for one in self.snapshots(host, moment)]
        found = [facts[family] for facts in recorded if family in facts]
        self.require(found, f"no facts of the family {family} were recorded on {host} at the moment {moment}")
        return HostFacts.model_validate(found[0])

    def addresses(self, endpoint: EndpointState, scope: str = "global") -> list[AddressState]:
        """The endpoint's addresses of the case's family (both without one) and of `scope` in the kernel."""
        version = {"ipv4": 4, "ipv6": 6}.get(self.parameters.get("family", ""))
        return [
            address
            for address in endpoint.kernel.addresses
            if address.scope == scope and version in (None, ip_interface(address.address).version)
        ]

    def tap(self, name: str) -> TapState:
        """The tap of that name (``where:interface``). Requires that it is there and lost no frame."""
        found = [tap for tap in self.recording.record.taps if tap.name == name]
        self.require(found, f"there was no tap {name}")
        self.require(not found[0].dropped, f"the tap {name} lost {found[0].dropped} frames")
        return found[0]

    def window(self, name: str) -> Window:
        """The observation window of that name. Requires that every canary around it was seen on its tap."""
        found = [window for window in self.recording.record.windows if window.name == name]
        self.require(found, f"the scenario has no window {name}")
        lost = [canary for canary in found[0].canaries if not self._seen(canary)]
        self.require(
            not lost,
            f"{len(lost)} canaries around the window {name} were not seen"
            + (f", the first on tap {lost[0].tap}: absence is not proved" if lost else ""),
        )
        for tap in {canary.tap for canary in found[0].canaries}:
            self.tap(tap)
        return found[0]

    def _seen(self, canary: Canary) -> bool:
        return canary.tap in self.recording.taps_with(canary.nonce)

    def of_family(self, family: AddressFamily) -> Case:
        """The same case looked at for one address family; what is expected of it counts for both."""
        return replace(self, parameters={**self.parameters, "family": family})

    def watched_from_start(self, endpoint: EndpointState) -> bool:
        """Whether the endpoint's tap was open before the implementation attached it."""
        return any(event.from_start for event in self.all(Watched, where=endpoint.name)[:1])

    # --- what is said of it ------------------------------------------------------------------------------------
    def require(self, condition: object, otherwise: str) -> None:
        """A precondition: undecided unless it holds."""
        if not condition:
            raise Undecided(otherwise)

    def applies(self, condition: object, otherwise: str) -> None:
        """Not applicable unless the condition holds."""
        if not condition:
            raise NotApplicable(otherwise)

    def expect(self, holds: object, *, expected: str, seen: str, frames: Iterable[int] = ()) -> None:
        """One thing that must hold: one sentence each for what is expected and what was seen."""
        self.observations.append(Expectation(bool(holds), expected, seen, tuple(frames)))

    def expect_flow(self, flow: Flow, holds: object, *, expected: str, seen: str) -> None:
        """One thing that must hold of one flow; its frames are the evidence where it does not."""
        frames = () if holds else self.frames_of(flow)
        self.expect(holds, expected=expected, seen=f"{describe(flow)}: {seen}", frames=frames)

    def note(self, text: str) -> None:
        """Something worth knowing that does not change the verdict."""
        if text not in self.notes:
            self.notes.append(text)

    def show(self, lines: Iterable[str]) -> None:
        """A picture of what was seen, a line each, for the text of a failure: behind the deciding frames."""
        self.shown.extend(lines)

    def frames_of(self, flow: Flow) -> list[int]:
        """Numbers of the frames that carry this flow's marker, on all taps."""
        rows = self.recording.flow_rows.get(flow.id)
        return [] if rows is None else [int(row) + 1 for row in rows]

    def judgement(self) -> Judgement:
        """What the observations decide: fail with the first one that does not hold, pass, or inconclusive."""
        if not self.observations:
            return Judgement(Verdict.INCONCLUSIVE, seen="nothing was observed that this requirement speaks of")
        failed = [observation for observation in self.observations if not observation.holds]
        figures = tuple(sorted(self.figures.items()))
        notes = tuple(self.notes)
        if not failed:
            text = self.observations[0].expected
            seen = f"so in {len(self.observations)} of {len(self.observations)} observations"
            return Judgement(Verdict.PASS, text, seen, notes=notes, figures=figures)
        first = failed[0]
        rate = f" ({len(failed)} of {len(self.observations)} observations)" if len(self.observations) > 1 else ""
        evidence = (self._evidence(failed),) if any(observation.frames for observation in failed) else ()
        if self.shown:
            evidence = (*evidence, Evidence(self.recording.name, lines=tuple(self.shown)))
        return Judgement(Verdict.FAIL, first.expected, first.seen + rate, evidence, notes, figures)

    def _evidence(self, failed: Sequence[Expectation]) -> Evidence:
        from conformance.protocols.summary import one_line

        first = [number for observation in failed[:1] for number in observation.frames]
        numbers = list(dict.fromkeys(number for observation in failed for number in observation.frames))[:NUMBERED]
        frames = self.recording.frames
        lines = tuple(
            f"{row + 1} {frames.taps[frames.tap[row]]} {one_line(frames.frame(row), link=frames.link_type(row))}"
            for row in (number - 1 for number in first[:SHOWN])
        )
        began = self.recording.record.started_ns
        times = tuple(int(frames.time_ns[number - 1]) - began for number in first[:SHOWN])
        return Evidence(self.recording.name, tuple(numbers), lines, times)


def judge(function: Callable[[Case], None], case: Case) -> Judgement:
    """Run a check on its case. An exception that is not an outcome is never a fail: in a check of this suite it is an
    error of ours, in one of another distribution it leaves the requirement undecided."""
    if case.recording.record.problem is not None:
        return Judgement(Verdict.INCONCLUSIVE, seen=case.recording.record.problem)
    if case.recording.damage is not None:
        return Judgement(Verdict.INCONCLUSIVE, seen=f"the recording is damaged: {case.recording.damage}")
    try:
        function(case)
        return case.judgement()
    except (Undecided, MalformedEventError) as reason:
        return Judgement(Verdict.INCONCLUSIVE, seen=str(reason), notes=tuple(case.notes))
    except NotApplicable as reason:
        return Judgement(Verdict.NOT_APPLICABLE, seen=str(reason), notes=tuple(case.notes))
    except (Exception, SystemExit) as problem:
        theirs = blamed(problem)
        verdict = Verdict.ERROR if theirs is None else Verdict.INCONCLUSIVE
        return Judgement(verdict, seen=theirs or f"{type(problem).__name__}: {problem}")


def describe(flow: Flow) -> str:
    """A flow in a few words: protocol, from where, to what was dialled."""
    local = f" {socket_text(flow.local.address, flow.local.port)}" if flow.local else ""
    kind = f"protocol {flow.number}" if flow.protocol == "ip" else flow.protocol
    dialled = socket_text(flow.dialled.address, flow.dialled.port)
    return f"{kind} {flow.source}{local} -> {flow.target} {dialled}"


def socket_text(address: str, port: int) -> str:
    """An address with its port, if there is one, in the usual notation."""
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _matching(recording: Recording, conditions: Mapping[str, Any]) -> frozenset[FlowGroup]:
    known = recording.groups_with
    found = frozenset(recording.flow_groups)
    for key, wanted in conditions.items():
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        found &= frozenset().union(*(known.get((key, value), frozenset()) for value in values))
    return found


def _words(conditions: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in conditions.items())
