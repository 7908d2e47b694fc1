"""Packets built octet by octet, against what scapy makes of them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from conformance.protocols import crafted
from conformance.protocols.marker import mark

ENDS = {4: (ip_address("10.1.0.1"), ip_address("10.2.0.2")), 6: (ip_address("2001:db8::1"), ip_address("2001:db8::2"))}
DATA = mark(7) + bytes(range(40))


def dissected(packet: bytes) -> object:
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    return IP(packet) if packet[0] >> 4 == 4 else IPv6(packet)


def rebuilt(packet: bytes) -> bytes:
    """The packet with every checksum and length computed anew."""
    from scapy.layers.inet import TCP, UDP

    shown = dissected(packet)
    for layer in (shown, shown.getlayer(UDP), shown.getlayer(TCP)):  # type: ignore[attr-defined]
        if layer is not None and "chksum" in layer.fields:  # type: ignore[union-attr]
            del layer.chksum  # type: ignore[union-attr]
    return bytes(shown)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("version", [4, 6])
def test_checksums_are_right(version: int) -> None:
    near, far = ENDS[version]
    udp = crafted.ip(near, far, crafted.UDP, crafted.udp(near, far, (5, 80), DATA))
    tcp = crafted.ip(near, far, crafted.TCP, crafted.tcp(near, far, (5, 80), 0x10, DATA))
    assert rebuilt(udp) == udp
    assert rebuilt(tcp) == tcp


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_are_put_together_again(version: int) -> None:
    from scapy.layers.inet import defragment
    from scapy.layers.inet6 import IPv6ExtHdrFragment, defragment6

    near, far = ENDS[version]
    datagram = crafted.udp(near, far, (5, 80), DATA)
    pieces = [dissected(one) for one in crafted.fragments(near, far, crafted.UDP, datagram, (8, 24), identifier=7)]
    assert len(pieces) == 3
    if version == 4:
        whole = defragment(pieces)[0]  # type: ignore[no-untyped-call]
    else:
        assert all(IPv6ExtHdrFragment in one for one in pieces)  # type: ignore[operator]
        whole = defragment6(pieces)  # type: ignore[no-untyped-call]
    assert bytes(whole.payload) == datagram


def test_extension_headers_are_a_chain() -> None:
    near, far = ENDS[6]
    wanted = [crafted.HOP_BY_HOP, crafted.DESTINATION_OPTIONS, crafted.ROUTING, crafted.FRAGMENT]
    following, payload = crafted.extended(wanted, crafted.UDP, crafted.udp(near, far, (5, 80), DATA))
    shown = dissected(crafted.ip(near, far, following, payload))
    numbers = []
    while "nh" in shown.fields:  # type: ignore[attr-defined]
        numbers.append(shown.nh)  # type: ignore[attr-defined]
        shown = shown.payload  # type: ignore[attr-defined]
    assert numbers == [*wanted, crafted.UDP]
    assert shown.dport == 80  # type: ignore[attr-defined]
