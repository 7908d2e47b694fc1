"""The MTU of a path as its sender learns it, and what a tunnel adds to a packet."""

from __future__ import annotations

from struct import pack

import pytest

from conformance import profile, testbed
from conformance.families.mtu import scenario as mtu
from conformance.families.mtu.evidence import by_way, path_mtu, told_truly, vxlan_overhead
from conformance.judging.hops import reporters_of_path
from conformance.protocols import ethertypes
from conformance.recording.model import (
    AddressState,
    Answer,
    EndpointState,
    Flow,
    IcmpReport,
    IdentityState,
    InterfaceState,
    Record,
    Snapshot,
    Socket,
)

OFFENDER = "203.0.113.1"
ENDPOINT = EndpointState(
    name="h1a",
    host="h1",
    interface="eth0",
    attached_ns=0,
    kernel=InterfaceState(name="eth0", index=2, mtu=1400),
    tap="h1a:eth0",
)


@pytest.fixture
def record() -> Record:
    """A recording of the scenario on the routed testbed, whose outside is narrower than the rest."""
    address = AddressState(address="192.0.2.11", prefix_length=24, scope="global")
    uplink = InterfaceState(name="eth0", index=2, addresses=(address,))
    return Record(
        suite="0",
        scenario="mtu",
        profile=profile.load("routed-64"),
        identity=IdentityState(product="p", version="1"),
        testbed=mtu.shape(testbed.load("routed")),
        kernel="k",
        processors=1,
        load=(0, 0, 0),
        rootless=False,
        started_ns=0,
        finished_ns=1,
        endpoints=(ENDPOINT,),
        snapshots=(Snapshot(time_ns=0, moment="before", where="h1", interfaces=(uplink,)),),
    )


def flow(size: int, *, told: int | None = None, arrived: bool = False) -> Flow:
    """An outbound datagram of `size` bytes."""
    end = Socket(address="203.0.113.200", port=8080)
    return Flow(
        id=size,
        purpose="sized",
        path="outbound",
        protocol="udp",
        family="ipv4",
        source="h1a",
        target="client",
        dialled=end,
        size=size,
        status="timeout" if told is None else "too-big",
        report=None if told is None else IcmpReport(offender=OFFENDER, type=3, code=4, mtu=told),
        arrival=Answer(server="client", peer=end, local=end) if arrived else None,
    )


def test_a_path_is_as_wide_as_its_narrowest_link(record: Record) -> None:
    assert path_mtu(record, flow(1400)) == mtu.OUTSIDE


@pytest.mark.parametrize(("told", "true"), [(1360, True), (1400, False), (1280, False), (0, False), (None, False)])
def test_the_mtu_of_a_link_is_told(record: Record, told: int | None, true: bool) -> None:
    refused = flow(1400, told=told)
    assert told_truly(record, refused, [flow(1360, arrived=True), flow(1361, told=1360), refused]) is true


@pytest.mark.parametrize(("told", "true"), [(1300, True), (1310, True), (1299, False), (1320, False)])
def test_a_link_that_nobody_declared_is_known_by_what_arrives(record: Record, told: int, true: bool) -> None:
    refused = flow(1320, told=told)
    assert told_truly(record, refused, [flow(1300, arrived=True), flow(1311), refused]) is true


def test_only_what_is_on_the_path_reports(record: Record) -> None:
    reporters = reporters_of_path(record, flow(1400))
    assert {"192.0.2.11", OFFENDER, "203.0.113.200"} <= reporters
    assert "192.0.2.253" not in reporters


def test_flows_are_grouped_by_their_way() -> None:
    other = flow(5).model_copy(update={"family": "ipv6"})
    assert by_way([flow(1), other, flow(2)]) == [[flow(1), flow(2)], [other]]


def packet(version: int, payload: bytes) -> bytes:
    """An IP packet, of whose header nothing but version and length is right."""
    if version == 4:
        return pack("!BxH16x", 0x45, 20 + len(payload)) + payload
    return pack("!B3xH34x", 0x60, len(payload)) + payload


@pytest.mark.parametrize(("outer", "tag", "overhead"), [(4, b"", 50), (6, b"", 70), (4, b"\x81\0\0\1", 54)])
@pytest.mark.parametrize("inner", [4, 6])
def test_the_overhead_of_a_tunnel_is_measured(outer: int, inner: int, tag: bytes, overhead: int) -> None:
    kind = ethertypes.octets(ethertypes.IPV4 if inner == 4 else ethertypes.IPV6)
    inside = bytes(12) + tag + kind + packet(inner, bytes(100))
    frame = bytes(14) + packet(outer, bytes(16) + inside)
    assert vxlan_overhead(frame, 14, 14 + (20 if outer == 4 else 40)) == overhead


def test_a_tunnelled_frame_without_ip_has_no_overhead() -> None:
    assert vxlan_overhead(bytes(14) + packet(4, bytes(16) + bytes(60)), 14, 34) == 0
