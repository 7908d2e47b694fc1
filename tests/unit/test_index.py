"""The frame index against frames built by scapy, an independent witness of the header formats."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from conformance.protocols import ethertypes
from conformance.protocols.marker import mark
from conformance.recording.capture import FLAG_CHECKSUM_NOT_READY, FLAG_INBOUND, FLAG_OUTBOUND, LINK_RAW
from conformance.recording.index import FrameIndex
from conformance.recording.pcapng import Writer

A, B = "00:00:5e:00:53:01", "00:00:5e:00:53:02"
ETHERNET = Ether(src=A, dst=B)
V4 = IP(src="192.0.2.1", dst="198.51.100.2", ttl=9, flags="DF", id=77)
V6 = IPv6(src="2001:db8::1", dst="2001:db8:ffff::2", hlim=10)


def index_of(*packets: Any, link_type: int = 1) -> FrameIndex:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.interface("host1:eth0", link_type=link_type)
    writer.interface("client:eth0", link_type=link_type)
    for number, packet in enumerate(packets):
        writer.frame(number % 2, 1000 + number, bytes(packet), flags=FLAG_OUTBOUND if number % 2 else FLAG_INBOUND)
    return FrameIndex(stream.getvalue())


def facts(packet: Any, *names: str, link_type: int = 1) -> tuple[int, ...]:
    index = index_of(packet, link_type=link_type)
    return tuple(int(getattr(index, name)[0]) for name in names)


def test_ethernet_and_tags() -> None:
    names = ("ethertype", "vlan", "source_mac", "destination_mac", "l3_offset")
    source, destination = 0x00005E005301, 0x00005E005302
    assert facts(ETHERNET / V4, *names) == (ethertypes.IPV4, -1, source, destination, 14)
    assert facts(ETHERNET / Dot1Q(vlan=5, prio=7) / V4, *names) == (ethertypes.IPV4, 5, source, destination, 18)
    assert facts(ETHERNET / Dot1AD(vlan=6) / Dot1Q(vlan=7) / V6, *names) == (
        ethertypes.IPV6,
        6,
        source,
        destination,
        22,
    )
    assert facts(ETHERNET / Dot1Q(vlan=0) / ARP(), *names)[:2] == (ethertypes.ARP, 0)
    assert facts(Ether(src=A, dst=B, type=ethertypes.RARP) / Raw(bytes(28)), *names)[0] == ethertypes.RARP


def test_ipv4() -> None:
    names = ("ip_version", "protocol", "ttl", "ip_length", "ip_id", "dont_fragment", "more_fragments")
    assert facts(ETHERNET / V4 / UDP() / b"data", *names) == (4, 17, 9, 32, 77, 1, 0)
    index = index_of(ETHERNET / V4 / UDP(), ETHERNET / V6 / UDP(), ETHERNET / ARP())
    assert [str(index.address(row, "source")) for row in range(3)] == ["192.0.2.1", "2001:db8::1", "None"]
    assert [str(index.address(row, "destination")) for row in range(2)] == ["198.51.100.2", "2001:db8:ffff::2"]


def test_ipv4_options_and_fragments() -> None:
    from scapy.layers.inet import IPOption_NOP

    names = ("l4_offset", "source_port", "destination_port", "fragment_offset", "more_fragments")
    padded = IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_NOP()] * 4)
    assert facts(ETHERNET / padded / UDP(sport=5, dport=6), *names) == (38, 5, 6, 0, 0)
    later = IP(src="192.0.2.1", dst="192.0.2.2", frag=185, flags="MF", proto=17)
    assert facts(ETHERNET / later / bytes(40), *names) == (0, 0, 0, 1480, 1)


def test_transport() -> None:
    names = ("protocol", "source_port", "destination_port", "tcp_flags", "icmp_type", "icmp_code", "icmp_id")
    assert facts(ETHERNET / V4 / TCP(sport=1, dport=2, flags="SAE"), *names) == (6, 1, 2, 0x52, -1, -1, 0)
    assert facts(ETHERNET / V6 / UDP(sport=3, dport=4), *names) == (17, 3, 4, 0, -1, -1, 0)
    assert facts(ETHERNET / V4 / ICMP(type=8, id=9), *names) == (1, 0, 0, 0, 8, 0, 9)
    assert facts(ETHERNET / V4 / ICMP(type=3, code=4) / V4 / UDP(), *names) == (1, 0, 0, 0, 3, 4, 0)
    assert facts(ETHERNET / V6 / ICMPv6EchoRequest(id=11), *names) == (58, 0, 0, 0, 128, 0, 11)
    assert facts(ETHERNET / V6 / ICMPv6PacketTooBig() / V6 / UDP(), *names) == (58, 0, 0, 0, 2, 0, 0)


@pytest.mark.parametrize(
    "headers",
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(addresses=["2001:db8::9"]),
        IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=0, m=1, id=5),
        AH(nh=17, payloadlen=4, spi=1, seq=1, icv=bytes(12)),
    ],
)
def test_behind_extension_headers(headers: Any) -> None:
    packet = ETHERNET / V6 / headers / UDP(sport=1000, dport=53) / mark(99)
    names = ("protocol", "source_port", "destination_port", "flow")
    assert facts(packet, *names) == (17, 1000, 53, 99)


def test_later_fragment_of_ipv6_has_no_ports() -> None:
    packet = ETHERNET / V6 / IPv6ExtHdrFragment(nh=17, offset=100, id=0x12345678) / bytes(64)
    names = ("protocol", "source_port", "fragment_offset", "ip_id", "l4_offset", "more_fragments")
    assert facts(packet, *names) == (17, 0, 800, 0x12345678, 0, 0)


@pytest.mark.parametrize(
    "packet",
    [
        *(network / UDP() / mark(42) for network in (V4, V6)),
        *(network / TCP(options=[("Timestamp", (1, 2)), ("NOP", None)]) / mark(42) for network in (V4, V6)),
        *(network / GRE(proto=ethertypes.EXPERIMENT) / mark(42) for network in (V4, V6)),
        V4 / ICMP(type=8) / mark(42),
        V6 / ICMPv6EchoRequest(data=mark(42)),
    ],
)
def test_flow_marker_of_every_protocol(packet: Any) -> None:
    frame = bytes(ETHERNET / packet) + b"more"
    assert facts(frame, "flow") == (42,)
    assert facts(frame.replace(b"PLUGFEST", b"PLUGFESS"), "flow") == (0,)


@pytest.mark.parametrize(("number", "offset"), [(253, 0), (132, 28), (136, 8), (47, 4)])
def test_flow_marker_of_bare_protocols(number: int, offset: int) -> None:
    for network in (IP(src="192.0.2.1", dst="192.0.2.2", proto=number), IPv6(nh=number)):
        assert facts(ETHERNET / network / Raw(bytes(offset) + mark(2**64 - 1)), "flow", "protocol") == (
            2**64 - 1,
            number,
        )


def test_marker_that_was_cut_off_is_none() -> None:
    whole = bytes(ETHERNET / V4 / UDP() / mark(7))
    assert facts(whole, "flow") == (7,)
    assert facts(whole[:-1], "flow") == (0,)


@pytest.mark.parametrize("port", [4789, 8472])
def test_vxlan_keeps_outer_headers_and_tells_the_inner_flow(port: int) -> None:
    inner = Ether(src=B, dst=A) / Dot1Q(vlan=3) / V6 / TCP() / mark(5)
    packet = ETHERNET / V4 / UDP(sport=50000, dport=port) / VXLAN(vni=0xABCDEF) / inner
    names = ("ip_version", "destination_port", "flow", "inner_flow", "vni", "vlan")
    assert facts(packet, *names) == (4, port, 0, 5, 0xABCDEF, -1)
    assert facts(ETHERNET / V4 / UDP(dport=port) / bytes(20), *names) == (4, port, 0, 0, -1, -1)
    assert index_of(packet).rows_of_flow(5).tolist() == [0]


def test_bare_ip_packets() -> None:
    names = ("ethertype", "ip_version", "source_port", "flow", "l3_offset", "l4_offset")
    assert facts(V4 / UDP(sport=8) / mark(3), *names, link_type=LINK_RAW) == (ethertypes.IPV4, 4, 8, 3, 0, 20)
    assert facts(V6 / UDP(sport=8) / mark(3), *names, link_type=LINK_RAW) == (ethertypes.IPV6, 6, 8, 3, 0, 40)


def test_select() -> None:
    index = index_of(
        ETHERNET / V4 / UDP(dport=53) / mark(1),
        ETHERNET / V6 / TCP(dport=53) / mark(2),
        Ether(src=B, dst="ff:ff:ff:ff:ff:ff") / ARP(),
        ETHERNET / V4 / ICMP(type=8) / mark(1),
    )
    assert index.select(tap="host1:eth0").tolist() == [0, 2]
    assert index.select(tap=("host1:eth0", 1)).tolist() == [0, 1, 2, 3]
    assert index.select(tap="nowhere").tolist() == []
    assert index.select(source="192.0.2.1").tolist() == [0, 3]
    assert index.select(destination=["2001:db8:ffff::2", "198.51.100.2"], protocol=(6, 17)).tolist() == [0, 1]
    assert index.select(source_mac=B).tolist() == [2]
    assert index.select(destination_mac=["ff:ff:ff:ff:ff:ff", 0x00005E005302], outbound=True).tolist() == [1, 3]
    assert index.select(between=(1001, 1003)).tolist() == [1, 2]
    assert index.select(flow=1, icmp_type=8).tolist() == [3]
    assert index.select(flow=[]).tolist() == []
    assert index.rows_of_flow(1).tolist() == [0, 3]
    assert index.rows_of_flow(3).tolist() == []
    assert index.number.tolist() == [1, 2, 3, 4]
    assert [row for row, _ in index.frames(index.select(flow=1))] == [0, 3]
    with pytest.raises(AttributeError):
        index.select(colour="red")


def test_marks_and_lengths() -> None:
    stream = io.BytesIO()
    writer = Writer(stream)
    writer.interface("a:eth0")
    writer.frame(0, 1, bytes(60), original=2000, flags=FLAG_OUTBOUND | FLAG_CHECKSUM_NOT_READY)
    index = FrameIndex(stream.getvalue())
    assert (index.outbound[0], index.checksum_not_ready[0]) == (True, True)
    assert (index.length[0], index.captured[0]) == (2000, 60)


def test_find() -> None:
    nonce = b"CANARY0123456789"
    index = index_of(ETHERNET / V4 / UDP() / nonce, ETHERNET / ARP(), ETHERNET / Raw(nonce + nonce))
    assert index.find(nonce).tolist() == [0, 2]
    assert index.find(b"absent").tolist() == []


def test_a_needle_across_two_frames_is_not_found() -> None:
    index = index_of(bytes(20) + b"half", b"more" + bytes(20))
    data = index.capture.data
    across = data[data.index(b"half") : data.index(b"more") + 4]
    assert index.find(across).tolist() == []


def test_nothing_recorded() -> None:
    index = index_of()
    assert (len(index), index.select(protocol=6).tolist(), index.rows_of_flow(1).tolist()) == (0, [], [])


V4_TYPE, V6_TYPE = map(ethertypes.octets, (ethertypes.IPV4, ethertypes.IPV6))
ETHERTYPES = [
    b"",
    V4_TYPE,
    V6_TYPE,
    ethertypes.tag(5) + V4_TYPE,
    ethertypes.tag(1, ethertypes.SERVICE_TAG) + ethertypes.tag(2) + V6_TYPE,
]
IP_STARTS = [b"", b"\x45", b"\x46", b"\x4f", b"\x60" + bytes(5), bytes(V6 / IPv6ExtHdrHopByHop())[:42]]
FRAGMENTS = [bytes(V4 / UDP(dport=4789)), bytes(V4 / TCP()), bytes(V6 / UDP(dport=4789) / VXLAN()), mark(1)]
PIECES = st.one_of(st.binary(max_size=60), st.sampled_from(ETHERTYPES + IP_STARTS + FRAGMENTS))


@given(st.lists(st.lists(PIECES, max_size=5), max_size=6), st.sampled_from((1, LINK_RAW, 147)))
def test_arbitrary_frames_never_break_the_index(pieces: list[list[bytes]], link_type: int) -> None:
    frames = [bytes(12) + b"".join(piece) if piece else b"" for piece in pieces]
    index = index_of(*frames, link_type=link_type)
    assert len(index) == len(frames)
    assert all(index.frame(row) == frame for row, frame in enumerate(frames))
    assert np.all(index.l4_offset <= index.captured)
    alone = [index_of(frame, link_type=link_type) for frame in frames]
    for name in ("flow", "inner_flow", "protocol", "source_port", "vlan", "l4_offset", "vni"):
        assert getattr(index, name).tolist() == [getattr(one, name)[0] for one in alone]
