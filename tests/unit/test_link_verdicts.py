"""Links and moves judged on recordings made by hand: healthy oddities that pass, and faults that were once missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from conformance.families.lacp.checks import test_pdu_format as lacp_format
from conformance.families.lldp import checks as lldp_checks
from conformance.families.move.checks import test_announced_v4 as announced_v4
from conformance.families.move.checks import test_announced_v6 as announced_v6
from conformance.families.move.checks import test_form_v4 as form_v4
from conformance.families.move.checks_vrrp import test_takeover_time as takeover_time
from conformance.families.stp.checks import test_bpdu_format as bpdu_format
from conformance.families.stp.checks import test_message_age_grows as message_age
from conformance.families.stp.checks_edge import test_endpoints_are_at_the_edge as edge_ports
from conformance.protocols import arp, ethertypes, ndp, vrrp
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import mac_bytes
from conformance.protocols.stp import frames as stp
from conformance.recording.capture import FLAG_OUTBOUND
from conformance.recording.events import Event
from conformance.recording.events.attaching import AttachAsked, Attached, RootClaimed
from conformance.recording.events.bridging import TreesReady
from conformance.recording.events.discovery import Advertised, AgentEndAsked, AgentEnded, AgentTimersKnown
from conformance.recording.events.links import GroupMade
from conformance.recording.model import MoveState, PortState, Window
from conformance.recording.store import Recording
from conformance.testing import Frame, endpoint, flow, judged, recording
from conformance.testing.recordings import BEGAN
from conformance.verdict import Verdict

MAC, PARTNER, OTHER = "00:00:5e:00:53:01", "00:00:5e:00:53:02", "00:00:5e:00:53:03"
PORT = PortState(name="port1", host="h1", mac=MAC, partner="partners:p1", partner_mac=PARTNER)
WINDOW = {"start_ns": BEGAN, "end_ns": BEGAN + 11 * 10**9, "canaries": ()}
TOLD = AgentTimersKnown(interval=5.0, hold=4, fast_count=4)
IDS = lldp.mandatory(*lldp.local_ids("chassis", "port"), 21)


def moment(after: float) -> int:
    return BEGAN + round(after * 1e9)


def lldpdu(*extra: bytes, to: bytes = lldp.NEAREST_BRIDGE, ids: list[bytes] = IDS) -> bytes:
    return lldp.frame_of(mac_bytes(MAC), [*ids, *extra], destination=to)


def agent(frames: Sequence[tuple[float, bytes]], *events: Event) -> Recording:
    """A recording of an LLDP agent with one port."""
    windows = [Window(name=name, **WINDOW) for name in ("steady", "leaving")]
    shown = [Frame("partners:p1", data, after) for after, data in frames]
    return recording(
        profile="reference-lldp", testbed="links", scenario="lldp", ports=[PORT], frames=shown,
        events=[TOLD, *events], windows=windows,
    )  # fmt: skip


def three(times: Sequence[float], *extra: bytes, ids: list[bytes] = IDS) -> list[tuple[float, bytes]]:
    """To each of the three groups, by agents whose timers are apart."""
    return [
        (after + shift, lldpdu(*extra, to=to, ids=ids))
        for after in times
        for shift, to in zip((0.0, 0.3, 0.6), lldp.GROUPS, strict=True)
    ]


NAMED = lldp.tlv(lldp.SYSTEM_NAME, b"other")
SHUTDOWN = lldp.mandatory(*lldp.local_ids("chassis", "port"), 0)
MET = Advertised(time_ns=moment(1), where="port1", chassis="mortal", ttl=6)
LEFT = (AgentEndAsked(time_ns=moment(5)), AgentEnded(time_ns=moment(5.1)))
FAST = (1.1, 2.1, 3.1, 4.1)
KEEPS_ITS_SCHEDULE = [(0, lldpdu()), *((after, lldpdu(NAMED)) for after in (3, 5, 10))]
CHANGES_MEANWHILE = [*((after, lldpdu()) for after in FAST[:2]), *((after, lldpdu(NAMED)) for after in (2.4, 3.4))]
ALWAYS_ANOTHER = [(n / 2, lldpdu(lldp.tlv(lldp.SYSTEM_NAME, bytes([65 + n])))) for n in range(20)]


@pytest.mark.parametrize(
    ("check", "made"),
    [
        (lldp_checks.test_interval, agent(three((0, 5, 10)))),
        (lldp_checks.test_interval, agent([(0, lldpdu()), (3, lldpdu(NAMED)), (8, lldpdu(NAMED))])),
        (lldp_checks.test_interval, agent(KEEPS_ITS_SCHEDULE)),
        (lldp_checks.test_fast_start, agent(three(FAST), MET)),
        (lldp_checks.test_fast_start, agent(CHANGES_MEANWHILE, MET)),
        (lldp_checks.test_shutdown, agent([*three((0,)), *three((5.05,), ids=SHUTDOWN)], *LEFT)),
        (lldp_checks.test_destination, agent(three((0, 5, 10)))),
        (lldp_checks.test_mandatory_tlvs, agent([(0, lldpdu().rstrip(b"\0")[:-1] + b"\x15\0\0" + b"\xa5" * 20)])),
    ],
)  # fmt: skip
def test_a_healthy_agent_passes(check: object, made: Recording) -> None:
    assert callable(check)
    assert judged(check, made).verdict is Verdict.PASS, judged(check, made).seen


@pytest.mark.parametrize(
    ("check", "made"),
    [
        (lldp_checks.test_interval, agent([*three((0, 5, 10)), (2.6, lldpdu(to=lldp.NEAREST_CUSTOMER_BRIDGE))])),
        (lldp_checks.test_interval, agent(ALWAYS_ANOTHER)),
        (lldp_checks.test_fast_start, agent([*three(FAST[:1]), *[(t, lldpdu()) for t in FAST[1:]]], MET)),
        (lldp_checks.test_shutdown, agent([*three((0,)), (5.05, lldpdu(ids=SHUTDOWN))], *LEFT)),
        (lldp_checks.test_destination, agent([(0, ethertypes.tagged(lldpdu(), 0))])),
        (lldp_checks.test_mandatory_tlvs, agent([(0, lldpdu(lldp.tlv(5, b"x" * 30)) + b"more behind its end")])),
    ],
)  # fmt: skip
def test_an_agent_that_is_not_fails(check: object, made: Recording) -> None:
    assert callable(check)
    assert judged(check, made).verdict is Verdict.FAIL, judged(check, made).seen


# --- LACP and spanning trees ----------------------------------------------------------------------
ROOT, OWN = stp.bridge_id(0, PARTNER), stp.bridge_id(0x8000, MAC)
GROUPS = ("sound", "hushed", "stepwise", "mixed", "itself", "asked", "slow", "changing", "abused", "mute")


def lacp_port(*frames: bytes) -> Recording:
    made = [GroupMade(where=group, ports=("port1",)) for group in GROUPS]
    shown = [Frame("partners:p1", data, number) for number, data in enumerate(frames)]
    return recording(
        profile="reference-lacp", testbed="links", scenario="lacp", ports=[PORT], frames=shown, events=made
    )


LACPDU = lacp.Lacpdu(lacp.Participant(1, MAC, 1, 1, 1), lacp.Participant()).build(MAC)


@pytest.mark.parametrize(("leak", "verdict"), [(b"\0\0", Verdict.PASS), (b"\xbe\xef", Verdict.FAIL)])
def test_handed_over_lacp_reserved_octets(leak: bytes, verdict: Verdict) -> None:
    made = lacp_port(LACPDU, LACPDU[:100] + leak + LACPDU[102:])
    assert judged(lacp_format, made).verdict is verdict


def bridge(*frames: Frame) -> Recording:
    """A bridge of three ports that hears of a better root on the first."""
    ports = [replace_port(number) for number in (1, 2, 3)]
    made = [GroupMade(where=group, ports=("port1", "port2", "port3")) for group in ("better", "loop", "worse", "hello")]
    ready = TreesReady(version=stp.RSTP, hello=2.0, forward_delay=4.0)
    return recording(
        profile="ovs-bridge", testbed="links", scenario="stp", ports=ports, frames=frames, events=[*made, ready]
    )


def replace_port(number: int) -> PortState:
    return PORT.model_copy(update={"name": f"port{number}", "partner": f"partners:p{number}"})


def relayed(age: float) -> bytes:
    return stp.Bpdu(stp.RAPID, stp.RSTP, 0x3C, ROOT, 20000, OWN, 0x8002, age).build(MAC)


HEARD = stp.Bpdu(stp.RAPID, stp.RSTP, 0x3C, ROOT, 0, ROOT, 0x8001).build(PARTNER)


@pytest.mark.parametrize(("age", "verdict"), [(1, Verdict.PASS), (0, Verdict.FAIL)])
def test_handed_over_stp_message_age_stays_at_0(age: float, verdict: Verdict) -> None:
    made = bridge(Frame("partners:p1", HEARD, 1, flags=FLAG_OUTBOUND), Frame("partners:p2", relayed(age), 2))
    assert judged(message_age, made).verdict is verdict


def test_handed_over_a_malformed_bpdu_beside_a_good_one() -> None:
    good = Frame("partners:p1", relayed(1), 1)
    assert judged(bpdu_format, bridge(good)).verdict is Verdict.PASS
    bad = Frame("partners:p1", relayed(1)[:17] + b"\xaa\0" + relayed(1)[19:], 2)
    assert judged(bpdu_format, bridge(good, bad)).verdict is Verdict.FAIL


def attached(*changes: float) -> Recording:
    """An endpoint that comes late, 2 s after the recording began, and the moments at which a topology change is told
    of on the uplink."""
    notice = stp.Bpdu(stp.TOPOLOGY_CHANGE_NOTIFICATION).build(OTHER)
    claim = stp.Bpdu(root=ROOT, bridge=ROOT, port=0x8001).build(PARTNER)
    late = endpoint("h1e", addresses=["192.0.2.5/24"], mac=PARTNER)
    flows = [
        flow(name, "h2a", number=number, purpose="at-once", path="cross-host")
        for number, name in enumerate(("h1a", "h1e"), 1)
    ]
    return recording(
        scenario="idle",
        endpoints=[endpoint("h1a"), late],
        flows=flows,
        events=[
            AttachAsked(time_ns=moment(2), where="h1e", host="h1"),
            Attached(time_ns=moment(3), where="h1e", host="h1"),
            RootClaimed(time_ns=moment(5), where="h1e", root=ROOT.hex(), source=PARTNER),
        ],
        windows=[Window(name="claims", start_ns=moment(5), end_ns=moment(6), canaries=())],
        frames=[Frame("h1e:eth0", claim, 5.1), *(Frame("h1:eth0", notice, after) for after in changes)],
    )


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [((), Verdict.PASS), ((2.5,), Verdict.FAIL), ((1.0,), Verdict.PASS), ((1.0, 2.5), Verdict.INCONCLUSIVE)],
)
def test_handed_over_a_topology_change_at_each_attach(changes: tuple[float, ...], verdict: Verdict) -> None:
    made = attached(*changes)
    assert judged(edge_ports, made).verdict is verdict, judged(edge_ports, made).seen


# --- moves ----------------------------------------------------------------------------------------
ADDRESS, ADDRESS_6 = IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")


def moved(
    frames: Sequence[Frame], kind: str = "failover", addresses: Sequence[str] = ("192.0.2.1/24", "2001:db8::1/64")
) -> Recording:
    """An endpoint that moves from the first host to the second, 2 s after the recording began."""
    kernel = endpoint("h1a", addresses=addresses).kernel
    state = MoveState(
        endpoint="h1a", kind="failover", style="silent", source="h1", target="h2", started_ns=moment(2),
        done_ns=moment(2.1), ended_ns=moment(8), before=kernel, after=kernel, tap_before="h1a:eth0",
        tap_after="h1a-there:eth0", place_before="h1a", place_after="h1a-there",
    ).model_copy(update={"kind": kind})  # fmt: skip
    made = recording(profile="keepalived", scenario="move", endpoints=[endpoint("h1a")], frames=frames)
    return replace(made, record=made.record.model_copy(update={"moves": (state,)}))


def there(data: bytes, after: float = 2.3) -> Frame:
    return Frame("h1a-there:eth0", data, after, flags=FLAG_OUTBOUND)


ANNOUNCED = arp.request(MAC, ADDRESS, ADDRESS)
ADVERTISED = ndp.advertisement(ADDRESS_6, MAC)


@pytest.mark.parametrize("tci", [0, 0xE000])
def test_announcements_behind_a_priority_tag_count(tci: int) -> None:
    made = moved([there(ethertypes.tagged(ANNOUNCED, tci)), there(ethertypes.tagged(ADVERTISED, tci))])
    for check in (announced_v4, announced_v6, form_v4):
        assert judged(check, made).verdict is Verdict.PASS


def test_handed_over_announcements_leak_to_a_foreign_vlan() -> None:
    made = moved([there(ethertypes.tagged(ANNOUNCED, 7)), there(ethertypes.tagged(ADVERTISED, 7))])
    for check in (announced_v4, announced_v6, form_v4):
        assert judged(check, made).verdict is Verdict.FAIL
    besides = moved([there(ANNOUNCED), there(ethertypes.tagged(ANNOUNCED, 7))])
    assert judged(announced_v4, besides).verdict is Verdict.PASS
    assert judged(form_v4, besides).verdict is Verdict.FAIL


def advertised(priority: int, mac: str = MAC) -> bytes:
    return vrrp.build(1, priority, [ADDRESS], IPv4Address("192.0.2.9"), mac)


@pytest.mark.parametrize(
    ("last", "following", "after", "kind", "verdict"),
    [
        (0, 100, 2.7, "failover", Verdict.PASS),
        (150, 100, 5.6, "failover", Verdict.FAIL),
        (150, 100, 5.6, "crash", Verdict.PASS),
        (150, 200, 2.7, "failover", Verdict.INCONCLUSIVE),
    ],
)
def test_handed_over_a_master_leaves_without_resigning(
    last: int, following: int, after: float, kind: str, verdict: Verdict
) -> None:
    old = [
        Frame("h1a:eth0", advertised(150), 1, flags=FLAG_OUTBOUND),
        Frame("h1a:eth0", advertised(last), 2.1, flags=FLAG_OUTBOUND),
    ]
    made = moved([*old, there(advertised(following), after)], kind, ["192.0.2.1/24"])
    assert judged(takeover_time, made).verdict is verdict, judged(takeover_time, made).seen
