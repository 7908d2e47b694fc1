"""VRRP advertisements: what is built is read back, and is what another decoder says it is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from scapy.layers.l2 import Ether
from scapy.layers.vrrp import VRRPv3

from conformance.protocols import vrrp

FOUR = (IPv4Address("192.0.2.1"), IPv4Address("192.0.2.7"))
SIX = (IPv6Address("2001:db8::1"),)
MAC = "00:00:5e:00:53:01"


@pytest.mark.parametrize(("source", "addresses"), [(IPv4Address("192.0.2.9"), FOUR), (IPv6Address("fe80::9"), SIX)])
def test_what_is_built_is_read_back(source: vrrp.Address, addresses: tuple[vrrp.Address, ...]) -> None:
    frame = vrrp.build(7, 100, addresses, source, MAC)
    assert vrrp.parse(frame) == vrrp.Advertisement(3, 7, 100, 1.0, addresses, MAC, 255)
    shown = Ether(frame)[VRRPv3]
    assert (shown.vrid, shown.priority, shown.adv, shown.ipcount) == (7, 100, 100, len(addresses))
    assert all(vrrp.parse(frame[:size]) is None for size in range(14 + 20 + 8))


def test_version_2_counts_seconds() -> None:
    frame = bytearray(vrrp.build(7, 100, FOUR[:1], FOUR[1], MAC))
    frame[34:40] = bytes((0x21, 7, 100, 1, 0, 3))
    found = vrrp.parse(bytes(frame))
    assert found is not None
    assert (found.version, found.interval) == (2, 3.0)


def test_a_virtual_router_has_an_address_of_each_family() -> None:
    assert [vrrp.virtual_mac(9, version) for version in (4, 6)] == ["00:00:5e:00:01:09", "00:00:5e:00:02:09"]
