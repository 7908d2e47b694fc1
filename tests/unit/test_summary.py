"""One line per frame: readable for what a lab carries, harmless for everything else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import ARP, LLC, STP, Dot1Q, Dot3, Ether
from scapy.layers.vxlan import VXLAN

from conformance.protocols import ethertypes
from conformance.protocols.marker import flow_of, mark
from conformance.protocols.quoted import quoted
from conformance.protocols.summary import one_line

A, B = "00:00:5e:00:53:01", "00:00:5e:00:53:02"
ETHERNET = Ether(src=A, dst=B)
V4 = IP(src="192.0.2.1", dst="198.51.100.2", ttl=9)
V6 = IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=10)


def arp(op: int, psrc: str, pdst: str) -> Any:
    return ETHERNET / ARP(op=op, hwsrc=A, hwdst=B, psrc=psrc, pdst=pdst)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (arp(1, "192.0.2.1", "192.0.2.9"), "ARP who-has 192.0.2.9 tell 192.0.2.1"),
        (arp(2, "192.0.2.9", "192.0.2.1"), f"ARP 192.0.2.9 is-at {A}"),
        (arp(1, "192.0.2.1", "192.0.2.1"), f"ARP announcement (request) 192.0.2.1 is-at {A}"),
        (arp(1, "0.0.0.0", "192.0.2.1"), f"ARP probe for 192.0.2.1 by {A}"),
        (arp(3, "0.0.0.0", "0.0.0.0"), f"RARP request for {B} from {A}"),
        (
            Ether(src=A, dst=B, type=ethertypes.RARP) / bytes(ARP(op=3, hwsrc=A, hwdst=A)),
            f"RARP request for {A} from {A}",
        ),
        (ETHERNET / Dot1Q(vlan=5) / V4 / UDP(sport=1, dport=2) / mark(3), "vlan 5 UDP 192.0.2.1:1 > 198.51.100.2:2"),
        (ETHERNET / V4 / UDP(sport=1, dport=2) / mark(3), "data 16 flow 3 ttl 9, 58 bytes"),
        (ETHERNET / V6 / TCP(sport=1, dport=2, flags="SA", seq=7), "TCP [2001:db8::1]:1 > [2001:db8::2]:2 [SA] seq 7"),
        (ETHERNET / V6 / ICMPv6ND_NS(tgt="2001:db8::2"), "neighbor solicitation 2001:db8::2"),
        (
            ETHERNET / V6 / ICMPv6ND_NA(tgt="2001:db8::1", R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=A),
            f"neighbor advertisement 2001:db8::1 [SO] link-layer {A}",
        ),
        (ETHERNET / V6 / ICMPv6EchoReply(id=4, seq=5, data=mark(6)), "echo-reply id 4 seq 5 flow 6"),
        (ETHERNET / V4 / ICMP(id=4, seq=5) / mark(6), "ICMP 192.0.2.1 > 198.51.100.2 echo-request id 4 seq 5 flow 6"),
        (
            ETHERNET / V4 / ICMP(type=3, code=4, nexthopmtu=1400) / V4 / UDP(sport=1, dport=2) / mark(3),
            "mtu 1400, quoting { UDP 192.0.2.1:1 > 198.51.100.2:2 data 16 flow 3 ttl 9 }",
        ),
        (ETHERNET / V4 / ICMP(type=3, code=3) / V4 / TCP(sport=1, dport=2), "dest-unreach port-unreachable, quoting {"),
        (
            ETHERNET / V6 / ICMPv6PacketTooBig(mtu=1280) / V6 / UDP(sport=1, dport=2) / mark(3),
            "mtu 1280, quoting { UDP [2001:db8::1]:1 > [2001:db8::2]:2 data 16 flow 3 hlim 10 }",
        ),
        (
            ETHERNET / V4 / UDP(dport=4789) / VXLAN(vni=42) / ETHERNET / V6 / UDP(sport=1, dport=2),
            f"VXLAN vni 42 {{ {A} > {B} UDP [2001:db8::1]:1",
        ),
        (ETHERNET / IP(frag=10, proto=17) / bytes(20), "IP protocol 17 127.0.0.1 > 127.0.0.1 ttl 64 fragment at 80"),
        (ETHERNET / V6 / IPv6ExtHdrFragment(offset=2, nh=17) / bytes(9), "IP protocol 17 2001:db8::1 > 2001:db8::2"),
        (ETHERNET / IP(proto=253, src="192.0.2.1", dst="192.0.2.2") / mark(8), "IP protocol 253 192.0.2.1"),
        (Ether(src=A, dst=B, type=ethertypes.EXPERIMENT) / b"x", f"{A} > {B} type 0x88b5, 15 bytes"),
        (Dot3(src=A, dst="01:80:c2:00:00:00") / LLC() / STP(), "01:80:c2:00:00:00"),
    ],
)
def test_a_line_says_what_matters(frame: Any, expected: str) -> None:
    line = one_line(bytes(frame))
    assert expected in line
    assert "\n" not in line


def test_a_packet_without_link_header() -> None:
    assert one_line(bytes(V6 / UDP(sport=1, dport=2)), raw=True).startswith("UDP [2001:db8::1]:1 > [2001:db8::2]:2")


def nested() -> bytes:
    packet = V4 / UDP(dport=4789) / VXLAN() / ETHERNET
    for _ in range(40):
        packet = V4 / UDP(dport=4789) / VXLAN() / Ether(src=A, dst=B) / packet
    return bytes(ETHERNET / packet)


STARTS = [
    b"",
    bytes(ETHERNET / V4),
    bytes(ETHERNET / V6),
    bytes(ETHERNET / V6 / ICMPv6ND_NA()),
    bytes(ETHERNET / V4 / ICMP(type=3)),
    bytes(ETHERNET / V4 / UDP(dport=4789) / VXLAN()),
    bytes(ETHERNET / ARP()),
    nested(),
]


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(STARTS), st.binary(max_size=120), st.integers(0, 40), st.booleans())
def test_arbitrary_bytes_never_raise(start: bytes, rest: bytes, cut: int, raw: bool) -> None:
    frame = (start[: len(start) - cut] + rest) if cut < len(start) else rest
    assert one_line(frame, raw=raw).endswith(f", {len(frame)} bytes")


@pytest.mark.parametrize(("network", "far"), [(V4, IPv4Address("198.51.100.2")), (V6, IPv6Address("2001:db8::2"))])
def test_what_an_error_quotes(network: Any, far: Any) -> None:
    inner = network / UDP(sport=1000, dport=53) / mark(77)
    outer: Any
    if network is V4:
        outer = IP(src="192.0.2.254", dst="192.0.2.1") / ICMP(type=3, code=4, nexthopmtu=1400)
    else:
        outer = IPv6(src="2001:db8::fe", dst="2001:db8::1") / ICMPv6PacketTooBig(mtu=1400)
    found = quoted(bytes(outer / inner))
    assert found is not None
    assert (str(found.offender), found.mtu) == (outer.src, 1400)
    assert (found.destination, found.source_port, found.destination_port, found.flow) == (far, 1000, 53, 77)
    assert (found.protocol, found.ttl, found.ip_length) == (17, inner.ttl if network is V4 else 10, len(bytes(inner)))
    short = quoted(bytes(outer / inner)[:-16])
    assert short is not None
    assert (short.flow, short.destination_port) == (0, 53)


def test_quotes_of_other_protocols() -> None:
    error = V4 / ICMP(type=3, code=3)
    tcp, echo = quoted(bytes(error / V4 / TCP(sport=5) / mark(6))), quoted(bytes(error / V4 / ICMP(id=9) / mark(7)))
    bare = quoted(bytes(error / IP(src="192.0.2.1", dst="192.0.2.2", proto=253) / mark(8)))
    assert tcp is not None
    assert echo is not None
    assert bare is not None
    assert (tcp.source_port, tcp.flow, tcp.mtu) == (5, 6, 0)
    assert (echo.source_port, echo.flow) == (9, 7)
    assert (bare.protocol, bare.flow) == (253, 8)
    assert quoted(bytes(V4 / ICMP(type=8) / mark(1))) is None
    assert quoted(bytes(V4 / UDP())) is None


@given(st.sampled_from([b"", bytes(V4 / ICMP(type=3)), bytes(V6 / ICMPv6PacketTooBig())]), st.binary(max_size=100))
def test_arbitrary_bytes_quote_nothing_or_something(start: bytes, rest: bytes) -> None:
    for cut in range(len(start) + 1):
        quoted(start[:cut] + rest)


def test_marker() -> None:
    assert flow_of(mark(5) + b"more") == 5
    assert flow_of(mark(5)[:-1]) == 0
    assert flow_of(bytes(16)) == 0
