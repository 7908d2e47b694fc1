"""Packets as they left and as they arrived: each field that is changed on the way is named, and nothing else is."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from ipaddress import ip_address

import pytest

from conformance.families.route import checks, checks_packets
from conformance.judging.case import Case
from conformance.judging.packets import Crossing, crossings
from conformance.judging.quotes import quotes
from conformance.protocols import crafted, ethertypes
from conformance.protocols.marker import mark
from conformance.protocols.ndp import checksum
from conformance.recording.capture import (
    FLAG_CHECKSUM_NOT_READY,
    FLAG_INBOUND,
    FLAG_OUTBOUND,
    FLAG_SEGMENTATION_OFFLOADED,
)
from conformance.recording.model import AddressFamily, FlowProtocol, Snapshot
from conformance.recording.store import Recording
from conformance.testing import Frame, endpoint, flow, judged, recording
from conformance.testing.recordings import BEGAN
from conformance.verdict import Verdict

NEAR, FAR = (
    {4: ip_address("192.0.2.1"), 6: ip_address("2001:db8::1")},
    {
        4: ip_address("192.0.2.2"),
        6: ip_address("2001:db8::2"),
    },
)
ENDS = [endpoint("h1a"), endpoint("h1b", addresses=["192.0.2.2/24", "2001:db8::2/64"])]
DATA = mark(1) + bytes(range(48))
PORTS = (40_000, 8080)
IP = 14
UDP = {4: IP + 20, 6: IP + 40}


def ethernet(packet: bytes) -> bytes:
    kind = ethertypes.IPV4 if packet[0] >> 4 == 4 else ethertypes.IPV6
    return bytes.fromhex("00005e005302 00005e005301") + ethertypes.octets(kind) + packet


def datagram(version: int = 4, data: bytes = DATA, ports: tuple[int, int] = PORTS) -> bytes:
    near, far = NEAR[version], FAR[version]
    return ethernet(crafted.ip(near, far, crafted.UDP, crafted.udp(near, far, ports, data), fragment=0x4000))


def segment(data: bytes, sequence: int = 1000, flags: int = 0x18) -> bytes:
    made = crafted.tcp(NEAR[4], FAR[4], PORTS, flags, data)
    made = made[:4] + struct.pack("!I", sequence) + made[8:16] + bytes(2) + made[18:]
    pseudo = NEAR[4].packed + FAR[4].packed + struct.pack("!II", len(made), crafted.TCP)
    made = made[:16] + struct.pack("!H", checksum(pseudo + made)) + made[18:]
    return ethernet(crafted.ip(NEAR[4], FAR[4], crafted.TCP, made, fragment=0x4000))


def changed(frame: bytes, at: int, octets: bytes, *, repair: bool = True) -> bytes:
    """The frame with other octets at `at`; the checksum of an IPv4 header follows."""
    made = frame[:at] + octets + frame[at + len(octets) :]
    if repair and made[IP] >> 4 == 4:
        head = made[IP : IP + 10] + bytes(2) + made[IP + 12 : IP + 20]
        made = made[: IP + 10] + struct.pack("!H", checksum(head)) + made[IP + 12 :]
    return made


def sent(*frames: bytes, flags: int = 0) -> list[Frame]:
    return [Frame("h1a:eth0", one, 0.001 * place, FLAG_OUTBOUND | flags) for place, one in enumerate(frames)]


def arrived(*frames: bytes, flags: int = 0) -> list[Frame]:
    return [Frame("h1b:eth0", one, 0.1 + 0.001 * place, FLAG_INBOUND | flags) for place, one in enumerate(frames)]


def made(frames: Iterable[Frame], protocol: FlowProtocol = "udp", version: int = 4) -> Recording:
    family: AddressFamily = "ipv4" if version == 4 else "ipv6"
    return recording(endpoints=ENDS, flows=[flow("h1a", "h1b", protocol=protocol, family=family)], frames=frames)


def crossing(frames: Iterable[Frame], protocol: FlowProtocol = "udp", version: int = 4) -> Crossing:
    return crossings(made(frames, protocol, version)).get(1, Crossing())


def fields(found: Crossing) -> list[str]:
    return sorted({one.field for one in found.differences})


@pytest.mark.parametrize("version", [4, 6])
def test_what_arrives_as_it_was_sent_differs_in_nothing(version: int) -> None:
    whole = datagram(version)
    at = IP + 8 if version == 4 else IP + 7
    found = crossing([*sent(whole), *arrived(changed(whole, at, b"\x3f"))], version=version)
    assert (len(found.sent), found.differences, found.lost, found.again, found.unsent) == (1, (), (), (), ())


@pytest.mark.parametrize(
    ("version", "at", "octets", "field"),
    [
        (4, IP + 1, b"\x01", "ECN"),
        (4, IP + 1, b"\xb8", "DSCP"),
        (6, IP, b"\x6b\x80", "DSCP"),
        (6, IP, b"\x60\x20", "ECN"),
        (6, IP + 2, b"\x12\x34", "flow label"),
        (4, IP + 12, b"\xc0\x00\x02\x07", "source address"),
        (4, IP + 16, b"\xc0\x00\x02\x07", "destination address"),
        (6, IP + 8 + 15, b"\x07", "source address"),
        (4, UDP[4], b"\x00\x35", "source port"),
        (4, UDP[4] + 2, b"\x00\x35", "destination port"),
        (4, UDP[4] + 30, b"\xff", "payload"),
        (6, UDP[6] + 30, b"\xff", "payload"),
        (4, UDP[4] + 6, b"\x00\x01", "checksum"),
        (4, UDP[4] + 6, b"\x00\x00", "checksum"),
    ],
)
def test_each_changed_field_is_named(version: int, at: int, octets: bytes, field: str) -> None:
    whole = datagram(version)
    found = crossing([*sent(whole), *arrived(changed(whole, at, octets))], version=version)
    assert field in fields(found)
    assert set(fields(found)) <= {field, "checksum"}
    assert {(one.sent, one.arrived) for one in found.differences} == {(1, 2)}


def test_a_lost_df_bit_and_a_wrong_header_checksum_are_named() -> None:
    whole = datagram()
    assert "don't fragment" in fields(crossing([*sent(whole), *arrived(changed(whole, IP + 6, bytes(2)))]))
    wrong = changed(whole, IP + 10, b"\x12\x34", repair=False)
    assert fields(crossing([*sent(whole), *arrived(wrong)])) == ["IPv4 header checksum"]


def test_a_checksum_that_hardware_computes_is_not_judged() -> None:
    whole = datagram()
    open_one = changed(whole, UDP[4] + 6, b"\x12\x34")
    flags = FLAG_CHECKSUM_NOT_READY
    assert fields(crossing([*sent(open_one, flags=flags), *arrived(open_one, flags=flags)])) == []
    assert fields(crossing([*sent(open_one, flags=flags), *arrived(whole)])) == []
    assert fields(crossing([*sent(open_one, flags=flags), *arrived(open_one)])) == ["checksum"]


def test_what_was_sent_twice_may_arrive_once_or_twice_and_not_more_often() -> None:
    whole = datagram()
    for times, again in ((1, 0), (2, 0), (3, 1)):
        found = crossing([*sent(whole, whole), *arrived(*[whole] * times)])
        assert (len(found.again), found.lost, found.unsent) == (again, (), ())


def test_what_was_never_sent_is_found() -> None:
    whole, other = datagram(), datagram(data=mark(1) + b"another")
    found = crossing([*sent(whole), *arrived(whole, other)])
    assert [row + 1 for row in found.unsent] == [3]
    found = crossing([*sent(whole, other), *arrived(whole)])
    assert [row + 1 for row in found.lost] == [2]


@pytest.mark.parametrize(
    ("at", "octets", "field"),
    [
        (4, b"\x00\x00\x00\x07", "TCP sequence number"),
        (8, b"\x00\x00\x00\x07", "TCP acknowledgement number"),
        (12, b"\x52", "TCP reserved bits"),
        (13, b"\x10", "TCP flags"),
        (14, b"\x00\x07", "TCP window"),
        (18, b"\x00\x07", "TCP urgent pointer"),
    ],
)
def test_each_changed_field_of_tcp_is_named(at: int, octets: bytes, field: str) -> None:
    whole = segment(DATA)
    found = crossing([*sent(whole), *arrived(changed(whole, UDP[4] + at, octets))], "tcp")
    assert [one for one in fields(found) if one != "checksum"] == [field]


def test_a_handshake_belongs_to_the_connection_that_carries_the_marker() -> None:
    opening, whole = segment(b"", 999, 0x02), segment(DATA)
    found = crossing([*sent(opening, whole), *arrived(changed(opening, UDP[4] + 14, b"\0\7"), whole)], "tcp")
    assert fields(found) == ["TCP window", "checksum"]


def test_segments_that_a_nic_cut_or_joined_are_the_same_octets() -> None:
    data = DATA * 40
    whole, cut = segment(data), [segment(data[at : at + 1000], 1000 + at) for at in range(0, len(data), 1000)]
    one = crossing([*sent(whole, flags=FLAG_SEGMENTATION_OFFLOADED), *arrived(*cut)], "tcp")
    assert (fields(one), one.lost, one.unsent) == ([], (), ())
    other = crossing([*sent(*cut), *arrived(whole)], "tcp")
    assert (fields(other), other.lost, other.unsent) == ([], (), ())
    broken = changed(cut[1], UDP[4] + 20 + 500, b"\xff\xff\xff")
    assert crossing([*sent(whole), *arrived(cut[0], broken, *cut[2:])], "tcp").differences


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_are_one_datagram(version: int) -> None:
    near, far = NEAR[version], FAR[version]
    content = crafted.udp(near, far, PORTS, mark(1) + bytes(200))
    pieces = [ethernet(one) for one in crafted.fragments(near, far, crafted.UDP, content, (64, 128), identifier=7)]
    others = [ethernet(one) for one in crafted.fragments(near, far, crafted.UDP, content, (96,), identifier=7)]
    found = crossing([*sent(*pieces), *arrived(*others)], version=version)
    assert (len(found.sent), fields(found), found.lost, found.unsent) == (1, [], (), ())
    wrong = others[1][:-1] + b"\xff"
    assert fields(crossing([*sent(*pieces), *arrived(others[0], wrong)], version=version)) == ["payload"]


def test_a_tap_that_lost_frames_compares_nothing() -> None:
    found = made([*sent(datagram()), *arrived(datagram())])
    taps = tuple(one.model_copy(update={"dropped": 1}) for one in found.record.taps)
    lossy = Recording(found.folder, found.record.model_copy(update={"taps": taps}), found.capture)
    assert judged(checks_packets.test_payload_is_untouched, lossy, family="ipv4", path="same-host").verdict is (
        Verdict.INCONCLUSIVE
    )


def expiry(packet: bytes) -> bytes:
    router = ip_address("192.0.2.254")
    message = crafted.icmp(router, NEAR[4], (11, 0), 0, packet)
    return ethernet(crafted.ip(router, NEAR[4], 1, message))


@pytest.mark.parametrize(
    ("at", "octets", "field"),
    [
        (None, b"", None),
        (8, b"\x01", None),
        (1, b"\x04", None),
        (2, b"\x00\x20", "quoted length"),
        (12, b"\xc0\x00\x02\x07", "source address"),
        (22, b"\x00\x35", "destination port"),
        (40, b"\xff", "quoted data"),
    ],
)
def test_a_quote_is_the_packet_as_it_was_sent(at: int | None, octets: bytes, field: str | None) -> None:
    whole = datagram()
    packet = whole[IP:]
    quoted = packet if at is None else packet[:at] + octets + packet[at + len(octets) :]
    frames = [*sent(whole), *arrived(whole), Frame("h1a:eth0", expiry(quoted), 0.2, FLAG_INBOUND)]
    ((error, differences),) = quotes(made(frames))[1]
    assert error == 3
    assert [one.field for one in differences if one.field in (field, "quoted data", "quoted length")][:1] == (
        [field] if field else []
    )


@pytest.mark.parametrize(("router", "quoting"), [("203.0.113.1", 0), ("192.0.2.11", 1)])
def test_what_the_testbeds_router_reports_to_the_client_is_not_judged(router: str, quoting: int) -> None:
    """Neither the packet nor the error has passed the subject; what a host reports to the client has."""
    whole = datagram()
    message = crafted.icmp(ip_address(router), NEAR[4], (3, 0), 0, whole[IP:])
    report = ethernet(crafted.ip(ip_address(router), NEAR[4], 1, message))
    frames = [Frame("client:eth0", whole, 0.0, FLAG_OUTBOUND), Frame("client:eth0", report, 0.1, FLAG_INBOUND)]
    found = recording(testbed="routed", endpoints=ENDS, flows=[flow("client", "h1b", path="inbound")], frames=frames)
    assert len(quotes(found).get(1, ())) == quoting


@pytest.mark.parametrize(
    ("check", "at", "octets"),
    [
        (checks_packets.test_payload_is_untouched, UDP[4] + 30, b"\xff"),
        (checks_packets.test_header_is_untouched, IP + 6, bytes(2)),
        (checks_packets.test_ecn_is_kept, IP + 1, b"\x02"),
        (checks_packets.test_dscp_is_kept, IP + 1, b"\x04"),
    ],
)
def test_checks_fail_what_they_are_about(check: Callable[[Case], None], at: int, octets: bytes) -> None:
    whole = datagram()
    sound = judged(check, made([*sent(whole), *arrived(whole)]), family="ipv4", path="same-host")
    wrong = made([*sent(whole), *arrived(changed(whole, at, octets))])
    assert sound.verdict is Verdict.PASS, sound.seen
    assert judged(check, wrong, family="ipv4", path="same-host").verdict is Verdict.FAIL


def test_handed_over_an_endpoint_with_two_interfaces_has_one_way_in_and_another_out() -> None:
    """Equal-cost paths: what arrives by the second interface is the flow's as well."""
    whole = datagram()
    lower = changed(whole, IP + 8, b"\x3f")
    paths = [*sent(whole), Frame("h1b:eth1", lower, 0.1, FLAG_INBOUND)]
    assert [row + 1 for row in crossing(paths).arrived] == [2]
    routed = recording(
        profile="routed-64",
        endpoints=ENDS,
        flows=[flow("h1a", "h1b"), flow("h1a", "h1b", number=2, purpose="hop-limit").model_copy(update={"ttl": 2})],
        frames=paths,
    )
    said = judged(checks.test_hop_limit, routed, family="ipv4", path="same-host")
    assert said.verdict is Verdict.PASS, said.seen


@pytest.mark.parametrize(("protocol", "verdict"), [("udp", Verdict.PASS), ("tcp", Verdict.FAIL)])
def test_handed_over_only_a_listener_takes_a_port(protocol: FlowProtocol, verdict: Verdict) -> None:
    """A client of the host's own has a UDP socket that is not connected; a TCP listener is one from the start on."""
    found = [{"protocol": protocol, "family": "ipv4", "address": "0.0.0.0", "port": 80}]
    hosts = ("h1", "h2")
    shown = [
        Snapshot(time_ns=BEGAN + place, moment=moment, where=host, listeners=tuple(found if there else ()))
        for place, (moment, there) in enumerate((("start", False), ("before", True), ("after", True)))
        for host in hosts
    ]
    made_here = recording(endpoints=ENDS, flows=[flow("h1a", "h1b", purpose="ports", protocol="udp")], snapshots=shown)
    said = judged(checks.test_well_known_ports, made_here, family="ipv4", protocol="udp")
    assert said.verdict is verdict, said.seen


def test_congestion_marks_only_what_is_capable_of_it() -> None:
    plain = datagram()
    capable, marked = (changed(plain, IP + 1, bytes((ecn,))) for ecn in (2, 3))
    for left, verdict in ((capable, Verdict.PASS), (plain, Verdict.FAIL)):
        one = made([*sent(left), *arrived(marked)])
        assert judged(checks_packets.test_ecn_is_kept, one, family="ipv4", path="same-host").verdict is verdict
