"""Fields of frames lie where the protocols put them, and what is altered is altered alone."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest

from conformance.protocols import arp, ndp, numbered, vrrp
from conformance.protocols.lacp.frames import Lacpdu, Marker, Participant
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.ndp import checksum, checksum_holds
from conformance.protocols.numbered import Numbered
from conformance.protocols.stp.frames import Bpdu, bridge_id
from conformance.selftest.survey.layouts import layout
from conformance.selftest.survey.values import BYTE_ORDER, ONES, PLUS_ONE, STALE, SWAPPED, ZERO, values, written

MAC = "00:00:5e:00:53:01"
LLDPDU = lldp.frame_of(bytes.fromhex("00005e005301"), lldp.mandatory(b"\x07switch", b"\x07port1", 121))
MARKER = Marker(1, 7, MAC, 0x01020304).build(MAC)
LACPDU = Lacpdu(Participant(1, MAC, 2, 3, 4), Participant(), 5).build(MAC)
BPDU = Bpdu(2, 2, 0x3C, bridge_id(4096, MAC), 20, bridge_id(32768, MAC), 0x8001).build(MAC)
REQUEST = arp.request(MAC, IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2"))
ADVERTISEMENT = ndp.advertisement(IPv6Address("2001:db8::1"), MAC)
DATAGRAM = numbered.build(Numbered(1, 2))
VRRP_V4 = vrrp.build(7, 100, [IPv4Address("192.0.2.9")], IPv4Address("192.0.2.1"), MAC)
VRRP_V6 = vrrp.build(7, 100, [IPv6Address("2001:db8::9")], IPv6Address("2001:db8::1"), MAC)
FRAMES = {
    "lldp": LLDPDU, "marker": MARKER, "lacp": LACPDU, "bpdu": BPDU, "arp": REQUEST, "udp": DATAGRAM, "vrrp": VRRP_V4,
    "advertisement": ADVERTISEMENT,
}  # fmt: skip


def read(frame: bytes, name: str) -> int:
    return next(one for one in layout(frame).fields if one.name == name).read(frame)


def altered(frame: bytes, name: str, how: str, earlier: int | None = None) -> bytes:
    made = layout(frame)
    found = next(one for one in made.fields if one.name == name)
    done = written(frame, name, how, dict(values(made, found, earlier))[how])
    assert done is not None
    return done


@pytest.mark.parametrize(("kind", "frame"), FRAMES.items())
def test_every_bit_of_a_frame_belongs_to_one_field(kind: str, frame: bytes) -> None:
    made = layout(frame)
    assert made.kind == kind
    ordered = sorted(made.fields, key=lambda one: one.at)
    assert ordered[0].at == 0
    assert all(one.at + one.width == other.at for one, other in pairwise(ordered))
    assert ordered[-1].at + ordered[-1].width == len(frame) * 8


@pytest.mark.parametrize(("kind", "frame"), FRAMES.items())
def test_a_field_that_is_written_is_read_again(kind: str, frame: bytes) -> None:
    for one in layout(frame).fields:
        value = one.read(frame) ^ 1
        assert one.read(one.write(frame, value)) == value, (kind, one)
        assert one.write(one.write(frame, value), one.read(frame)) == frame


@pytest.mark.parametrize(
    ("frame", "name", "value"),
    [
        (LLDPDU, "lldp.ttl.value", 121),
        (LLDPDU, "lldp.chassis-id.subtype", 7),
        (LACPDU, "lacp.actor.key", 2),
        (LACPDU, "lacp.collector.max-delay", 5),
        (MARKER, "marker.information.transaction", 0x01020304),
        (BPDU, "bpdu.role", 3),
        (BPDU, "bpdu.root-priority", 1),
        (BPDU, "bpdu.hello-time", 512),
        (REQUEST, "arp.target-address", int(IPv4Address("192.0.2.2"))),
        (DATAGRAM, "udp.destination-port", 9),
        (VRRP_V6, "vrrp.priority", 100),
    ],
)
def test_fields_lie_where_the_protocol_puts_them(frame: bytes, name: str, value: int) -> None:
    assert read(frame, name) == value


def test_the_ways_to_alter_a_field() -> None:
    made = layout(DATAGRAM)
    port = next(one for one in made.fields if one.name == "udp.destination-port")
    source = read(DATAGRAM, "udp.source-port")
    found = dict(values(made, port, earlier=53))
    assert found == {ZERO: 0, ONES: 0xFFFF, PLUS_ONE: 10, STALE: 53, BYTE_ORDER: 0x0900, SWAPPED: source}


def test_the_value_that_is_there_already_is_no_alteration() -> None:
    made = layout(LLDPDU)
    end = next(one for one in made.fields if one.name == "lldp.end.length")
    assert ZERO not in dict(values(made, end, earlier=0))


def test_swapped_fields_change_places() -> None:
    done = altered(DATAGRAM, "ipv4.source", SWAPPED)
    assert read(done, "ipv4.source") == read(DATAGRAM, "ipv4.destination")
    assert read(done, "ipv4.destination") == read(DATAGRAM, "ipv4.source")


def test_checksums_are_right_again() -> None:
    done = altered(DATAGRAM, "ipv4.source", PLUS_ONE)
    assert checksum(done[14:34]) == 0
    pseudo = done[26:34] + b"\0\x11" + done[38:40]
    assert checksum(pseudo + done[34 : 34 + int.from_bytes(done[38:40], "big")]) == 0


def test_a_checksum_of_icmpv6_is_right_again() -> None:
    done = altered(ADVERTISEMENT, "advertisement.override", ZERO)
    assert done != ADVERTISEMENT
    assert checksum_holds(done)


def test_an_altered_checksum_stays_as_it_is() -> None:
    done = altered(DATAGRAM, "udp.checksum", PLUS_ONE)
    assert read(done, "udp.checksum") == read(DATAGRAM, "udp.checksum") + 1


def test_a_checksum_that_was_wrong_before_stays_wrong() -> None:
    wrong = altered(DATAGRAM, "udp.checksum", PLUS_ONE)
    assert read(altered(wrong, "udp.source-port", ZERO), "udp.checksum") == read(wrong, "udp.checksum")


def test_a_frame_that_is_cut_is_laid_out_as_far_as_it_goes() -> None:
    for frame in FRAMES.values():
        for size in range(len(frame)):
            assert all(one.at + one.width <= size * 8 for one in layout(frame[:size]).fields)
