"""A session: which outcome a recording gives, which one the plain wire allows, and what needs no recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from conformance import profile as profiles
from conformance.judging.case import Case
from conformance.judging.plan import Instance, RecordingKey, Selection, recordings, with_control
from conformance.judging.register import Check
from conformance.judging.session import Session, ipv6_of_endpoints
from conformance.profile import CONTROL, Profile
from conformance.recording.model import PortState, Status
from conformance.recording.source import Missing
from conformance.recording.store import Recording
from conformance.requirement import find
from conformance.testing.recordings import Frame, endpoint, flow, recording
from conformance.verdict import Outcome, Verdict

WIRE = profiles.load(CONTROL)
BRIDGE = profiles.load("flat-bridge")
AXES: dict[str, tuple[str, ...]] = {"family": ("ipv4", "ipv6"), "protocol": ("udp",), "path": ("same-host",)}
V4 = {"family": "ipv4", "protocol": "udp", "path": "same-host"}
V6 = {**V4, "family": "ipv6"}


def reached(case: Case) -> None:
    for one in case.flows(purpose="reach"):
        case.expect(one.status == "answered", expected="an answer", seen=one.status)


def check(requirement: str = "route.same-host", function: Callable[[Case], None] = reached, **axes: Any) -> Check:
    return Check(find(requirement), "reachability", axes or AXES, function)


class Recorded:
    """A source that has these recordings, by profile and attempt, and counts what it is asked for."""

    def __init__(self, made: Mapping[tuple[str, int], Recording]) -> None:
        self.made = made
        self.asked: list[tuple[str, str, str, int]] = []

    def get(self, profile: str, testbed: str, scenario: str, attempt: int) -> Recording:
        self.asked.append((profile, testbed, scenario, attempt))
        if (profile, attempt) not in self.made:
            raise Missing("there is none")
        return self.made[profile, attempt]


def made(profile: Profile, status: Status = "answered", **changes: Any) -> Recording:
    flows = [flow("a1", "a2", status=status), flow("a1", "a2", number=2, family="ipv6", status=status)]
    return recording(profile=profile, flows=flows, **changes)


def session(*of_bridge: Recording, wire: Recording | None = None, control: bool = True) -> Session:
    found = {(BRIDGE.name, number): one for number, one in enumerate(of_bridge, 1)}
    if wire is not None:
        found |= {(CONTROL, number): wire for number in range(1, 1 + max(1, len(of_bridge)))}
    selection = Selection((BRIDGE,), ("same-subnet",), attempts=max(1, len(of_bridge)))
    return Session(selection, Recorded(found), WIRE if control else None)


def outcome(
    made: Session, what: Check | None = None, parameters: Mapping[str, str] = V4, profile: Profile = BRIDGE
) -> Outcome:
    return made.outcome(Instance(what or check(), profile, "same-subnet", parameters))


@pytest.mark.parametrize(
    ("status", "wire", "verdict"),
    [
        ("answered", "answered", Verdict.PASS),
        ("timeout", "answered", Verdict.FAIL),
        ("timeout", "timeout", Verdict.INCONCLUSIVE),
        ("answered", "timeout", Verdict.INCONCLUSIVE),
    ],
)
def test_nobody_fails_what_the_plain_wire_does_not_pass(status: Status, wire: Status, verdict: Verdict) -> None:
    found = outcome(session(made(BRIDGE, status), wire=made(WIRE, wire)))
    assert found.verdict is verdict
    assert ("the plain wire does not pass this" in found.deciding.seen) is (wire == "timeout")


def test_the_plain_wire_is_not_judged_against_itself() -> None:
    assert outcome(session(wire=made(WIRE, "timeout")), profile=WIRE).verdict is Verdict.FAIL
    assert outcome(session(made(BRIDGE, "timeout"), control=False)).verdict is Verdict.FAIL


def test_a_wire_that_was_not_recorded_is_no_control() -> None:
    assert outcome(session(made(BRIDGE))).verdict is Verdict.INCONCLUSIVE


def test_a_recording_that_is_missing_is_an_error_of_ours() -> None:
    found = outcome(session(wire=made(WIRE)))
    assert (found.verdict, found.deciding.seen) == (Verdict.ERROR, "there is none")


def test_every_attempt_is_judged_and_the_worst_decides() -> None:
    found = outcome(session(made(BRIDGE), made(BRIDGE, "timeout"), made(BRIDGE), wire=made(WIRE)))
    assert [one.number for one in found.attempts] == [1, 2, 3]
    assert [one.judgement.verdict for one in found.attempts] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert (found.verdict, found.flaky, found.deciding.seen) == (Verdict.FAIL, True, "timeout")


def test_an_outcome_is_judged_once_and_listed() -> None:
    one = session(made(BRIDGE), wire=made(WIRE))
    first = outcome(one)
    assert outcome(one) is first
    assert one.listed(BRIDGE.name) == [first]
    assert one.listed("another") == []
    assert (first.requirement, first.level) == ("route.same-host", find("route.same-host").level.value)
    assert dict(first.parameters) == {**V4, "testbed": "same-subnet"}


def without(*features: str) -> Profile:
    return BRIDGE.model_copy(update={"features": [one for one in BRIDGE.features if one not in features]})


def test_what_a_profile_does_not_claim_is_unsupported() -> None:
    claims_no = without("ipv6")
    found = outcome(session(made(BRIDGE), wire=made(WIRE)), parameters=V6, profile=claims_no)
    assert found.verdict is Verdict.UNSUPPORTED
    assert "no endpoint has a global IPv6 address" in found.deciding.seen
    assert outcome(session(made(BRIDGE), wire=made(WIRE)), profile=claims_no).verdict is Verdict.PASS


def test_a_profile_that_claims_no_ipv6_and_has_it_is_wrong() -> None:
    shown = made(without("ipv6"), endpoints=[endpoint("a1")])
    found = outcome(session(shown, wire=made(WIRE)), parameters=V6, profile=without("ipv6"))
    assert (found.verdict, "2001:db8::1" in found.deciding.seen) == (Verdict.INCONCLUSIVE, True)
    only_v4 = made(without("ipv6"), endpoints=[endpoint("a1", addresses=["192.0.2.1/24"])])
    assert outcome(session(only_v4), parameters=V6, profile=without("ipv6")).verdict is Verdict.UNSUPPORTED
    assert ipv6_of_endpoints(shown) == ["2001:db8::1"]


def test_what_binds_others_is_not_applicable_without_a_recording() -> None:
    one = session()
    found = outcome(one, check("acl.exact"))
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert isinstance(one.source, Recorded)
    assert one.source.asked == []


# The plan


def instances(selection: Selection, what: Check) -> list[str]:
    return [one.id for one in selection.instances(what)]


def test_a_selection_owes_every_combination_of_profile_testbed_and_parameters() -> None:
    selection = Selection((BRIDGE, WIRE), ("same-subnet", "routed"))
    assert instances(selection, check()) == [
        f"{profile}-{testbed}-{family}-udp-same-host"
        for profile in (BRIDGE.name, WIRE.name)
        for testbed in ("same-subnet", "routed")
        for family in ("ipv4", "ipv6")
    ]


@pytest.mark.parametrize(
    ("only", "wanted"), [((), True), (("route",), True), (("route.same-host",), True), (("nat",), False)]
)
def test_a_selection_may_be_of_families_or_requirements(only: tuple[str, ...], wanted: bool) -> None:
    selection = Selection((BRIDGE,), ("same-subnet",), only=only)
    assert bool(instances(selection, check())) is wanted
    aliases = find("route.same-host").alias
    assert all(Selection((BRIDGE,), ("same-subnet",), only=(one,)).wants(check()) for one in aliases)


def test_profiles_of_ports_are_judged_on_testbeds_of_links_and_all_others_elsewhere() -> None:
    links = profiles.load("lldpd")
    selection = Selection((BRIDGE, links), ("same-subnet", "links"), links=frozenset({"links"}))
    assert (selection.beds(BRIDGE), selection.beds(links)) == (["same-subnet"], ["links"])


def test_the_plain_wire_joins_a_plan_for_what_it_controls() -> None:
    planned = list(Selection((BRIDGE,), ("same-subnet",)).instances(check()))
    both = with_control(planned, WIRE)
    assert [(one.profile.name, one.parameters["family"]) for one in both] == [
        (CONTROL, "ipv4"),
        (CONTROL, "ipv6"),
        (BRIDGE.name, "ipv4"),
        (BRIDGE.name, "ipv6"),
    ]
    assert with_control(both, WIRE) == both
    assert with_control(planned, None) == planned


def test_recordings_are_made_once_the_wires_first() -> None:
    planned = with_control(list(Selection((BRIDGE,), ("same-subnet",)).instances(check())), WIRE)
    assert recordings(reversed(planned), 2) == [
        RecordingKey(name, "same-subnet", "reachability", attempt)
        for name in (CONTROL, BRIDGE.name)
        for attempt in (1, 2)
    ]
    assert recordings([Instance(check(), without("ipv6"), "same-subnet", V6)], 1) == []


# What a profile does not claim, looked for in the recording of something else

LACPDU = bytes.fromhex("0180c200000200005e00530188090101").ljust(128, b"\0")
"""A frame of LACP's EtherType (IEEE 802.1AX-2014 §6.4.2.2)."""


PORT = PortState(name="1", host="h1", tap="h1:p1", partner="partners:w1", partner_mac="00:00:5e:00:53:02")


def heard(frame: bytes) -> Recording:
    """A recording in which a partner's end of a cable saw a frame."""
    return made(BRIDGE, ports=[PORT], frames=[Frame(PORT.partner, frame)])


def test_what_is_not_claimed_is_unsupported_where_nothing_of_it_was_sent() -> None:
    unprobed = outcome(session(), check("lacp.active-speaks"))
    assert (unprobed.verdict, "not probed" in unprobed.deciding.seen) == (Verdict.UNSUPPORTED, True)
    silent = outcome(session(made(BRIDGE)), check("lacp.active-speaks"))
    assert (silent.verdict, "nothing of it was sent" in silent.deciding.seen) == (Verdict.UNSUPPORTED, True)


def test_what_is_not_claimed_and_was_sent_makes_the_profile_wrong() -> None:
    sent = outcome(session(heard(LACPDU)), check("lacp.active-speaks"))
    assert (sent.verdict, "(frame 1)" in sent.deciding.seen) == (Verdict.INCONCLUSIVE, True)


@pytest.mark.parametrize(
    "frame",
    [
        LACPDU.replace(bytes.fromhex("00005e005301"), bytes.fromhex("00005e005302")),  # the partner's own
        LACPDU.replace(bytes.fromhex("8809"), bytes.fromhex("88cc")),  # of LLDP
    ],
)
def test_what_a_partner_or_another_protocol_sent_shows_nothing(frame: bytes) -> None:
    assert outcome(session(heard(frame)), check("lacp.active-speaks")).verdict is Verdict.UNSUPPORTED
