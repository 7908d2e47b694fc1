"""One view of frames: the same PDU is read behind tags, SNAP, an FCS, padding and a cooked header."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from struct import pack
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.protocols import arp, envelope, ethertypes, ndp, vrrp
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import mac_bytes
from conformance.protocols.stp import frames as stp
from conformance.recording.capture import LINK_COOKED, LINK_COOKED_2, LINK_ETHERNET
from conformance.recording.headers import PAD, decode

MAC = "00:00:5e:00:53:01"
LLDP = lldp.frame_of(mac_bytes(MAC), lldp.mandatory(*lldp.local_ids("chassis", "port"), 121))
LACP = lacp.Lacpdu(lacp.Participant(1, MAC, 1, 1, 1), lacp.Participant()).build(MAC)
MARKER = lacp.Marker(lacp.MARKER_INFORMATION, 1, MAC, 7).build(MAC)
ROOT = stp.bridge_id(0x8000, MAC)
RST = stp.Bpdu(stp.RAPID, stp.RSTP, 0x3C, ROOT, 0, ROOT, 0x8001).build(MAC)
ARP = arp.request(MAC, IPv4Address("192.0.2.1"), IPv4Address("192.0.2.1"))
NA = ndp.advertisement(IPv6Address("2001:db8::1"), MAC)
VRRP = vrrp.build(1, 100, [IPv4Address("192.0.2.1")], IPv4Address("192.0.2.2"), MAC)


def with_fcs(frame: bytes) -> bytes:
    return frame + crc32(frame).to_bytes(4, "little")


def cooked(frame: bytes) -> bytes:
    kind = frame[12:14] if frame[12:14] > b"\x05\xdc" else b"\0\4"
    return pack("!HHH", 1, 1, 6) + frame[6:12] + b"\0\0" + kind + frame[14:]


def cooked_2(frame: bytes) -> bytes:
    kind = frame[12:14] if frame[12:14] > b"\x05\xdc" else b"\0\4"
    return kind + b"\0\0" + pack("!IHBB", 3, 1, 1, 6) + frame[6:12] + b"\0\0" + frame[14:]


def snapped(frame: bytes) -> bytes:
    return frame[:12] + pack("!H", len(frame) - 14 + 8) + ethertypes.LLC_SNAP + b"\0\0\0" + frame[12:]


def stacked(frame: bytes) -> bytes:
    return ethertypes.tagged(ethertypes.tagged(frame, 7), 5, ethertypes.SERVICE_TAG)


def said(frame: bytes, link: int) -> list[object]:
    """What every decoder says, without the frame around it."""
    pdu = lldp.parse(frame, link)
    packet, message = arp.parse(frame, link), ndp.parse(frame, link)
    return [
        None if pdu is None else pdu.tlvs,
        lacp.lacpdu(frame, link),
        lacp.marker(frame, link),
        stp.parse(frame, link),
        None if packet is None else (packet.sender, packet.sender_mac, packet.ethernet_source),
        None if message is None else (message.target, message.options, ndp.checksum_holds(frame, link)),
        vrrp.parse(frame, link),
    ]


FRAMES = pytest.mark.parametrize("frame", [LLDP, LACP, MARKER, RST, ARP, NA, VRRP])


@FRAMES
@pytest.mark.parametrize(
    ("around", "link"),
    [
        (with_fcs, envelope.ETHERNET), (stacked, envelope.ETHERNET), (cooked, envelope.COOKED),
        (cooked_2, envelope.COOKED_2), (lambda frame: ethertypes.tagged(frame, 0xE000), envelope.ETHERNET),
    ],
)  # fmt: skip
def test_what_is_around_a_pdu_does_not_change_it(frame: bytes, around: object, link: int) -> None:
    assert callable(around)
    plain = said(frame, envelope.ETHERNET)
    assert sum(one is not None for one in plain) == 1
    assert said(around(frame), link) == plain


@pytest.mark.parametrize("frame", [LLDP, LACP, ARP, NA])
def test_an_ethertype_behind_snap_is_one(frame: bytes) -> None:
    assert said(snapped(frame), envelope.ETHERNET) == said(frame, envelope.ETHERNET)
    assert envelope.read(snapped(frame)).snap


def test_what_the_view_says() -> None:
    seen = envelope.read(stacked(RST))
    assert (seen.vlans, seen.length, seen.llc, seen.destination) == ((5, 7), 39, ethertypes.LLC_BRIDGE, RST[:6])
    assert envelope.tag_words(seen.tags) == "tagged with VLAN 5 and VLAN 7"
    priority = envelope.read(ethertypes.tagged(LLDP, 0xE000))
    assert priority.vlans == ()
    assert priority.unlike([lldp.NEAREST_BRIDGE]) == ["tagged with a priority tag"]
    assert envelope.read(cooked(LLDP), envelope.COOKED).destination is None
    assert envelope.read(cooked(LLDP), envelope.COOKED).unlike([lldp.NEAREST_BRIDGE]) == []
    assert envelope.read(with_fcs(LACP)).checked
    assert lacp.defects(with_fcs(LACP)) == []
    assert lacp.defects(LACP + b"\0\0\0\1") == ["114 octets of payload, not 110"]


@given(st.binary(max_size=80), st.sampled_from([envelope.ETHERNET, envelope.COOKED, envelope.COOKED_2]))
def test_anything_is_survived(data: bytes, link: int) -> None:
    said(data, link)
    stp.defects(data, link)
    stp.is_meant(data, link)
    lacp.defects(data, link)
    lacp.marker_defects(data, link)


@FRAMES
@pytest.mark.parametrize(
    ("around", "link"),
    [(cooked, LINK_COOKED), (cooked_2, LINK_COOKED_2), (stacked, LINK_ETHERNET), (snapped, LINK_ETHERNET)],
)
def test_the_index_agrees_with_the_view(frame: bytes, around: object, link: int) -> None:
    assert callable(around)
    data = around(frame)
    start, end = np.array([0]), np.array([len(data)])
    columns = decode(data + bytes(PAD), start, end, np.array([link]))
    seen = envelope.read(data, link)
    kind = int(columns["ethertype"][0])
    if seen.ethertype:
        assert kind == seen.ethertype
        assert data[int(columns["l3_offset"][0]) :] == seen.payload
    else:
        assert kind <= ethertypes.LONGEST_LENGTH
    assert int(columns["source_mac"][0]) == int.from_bytes(seen.source, "big")


BAD_BPDUS = [
    (RST[:12] + b"\x00\x79" + RST[14:], "length field 121, and 46 octets"),
    (RST[:12] + b"\x00\x28" + RST[14:], "37 octets, more than the 36"),
    (RST[:17] + b"\xaa\x00" + RST[19:], "protocol identifier 0xaa00"),
    (RST[:20] + b"\x07" + RST[21:], "BPDU type 0x07"),
    (RST[:21] + b"\xbc" + RST[22:], "acknowledges no topology change"),
    (RST[:21] + b"\x30" + RST[22:], "no role"),
    (RST[:52] + b"\x01" + RST[53:], "version 1 length 1"),
    (RST[:14] + b"\x42\x42\x13" + RST[17:], "42 42 13 in place of"),
    (RST[:12] + b"\x27\x00" + RST[14:], "EtherType 0x2700 in place of"),
    (ethertypes.tagged(RST, 0xE000), "tagged with a priority tag"),
    (stp.Bpdu(flags=0x12, root=ROOT, bridge=ROOT, port=1).build(MAC), "flags 0x12"),
    (stp.Bpdu(root=ROOT, bridge=ROOT, port=1, message_age=20).build(MAC), "not below max age"),
    (stp.Bpdu(stp.TOPOLOGY_CHANGE_NOTIFICATION, 2).build(MAC), "type 0x80 with version 2"),
]


@pytest.mark.parametrize(("frame", "words"), BAD_BPDUS)
def test_a_malformed_bpdu_is_meant_as_one_and_says_what_is_wrong(frame: bytes, words: str) -> None:
    assert stp.is_meant(frame)
    assert words in "; ".join(stp.defects(frame))


def test_sound_bpdus_have_no_defect() -> None:
    old = stp.Bpdu(flags=stp.TC | stp.TCA, root=ROOT, bridge=ROOT, port=1)
    far = stp.Bpdu(stp.RAPID, stp.RSTP, 0x3C, ROOT, 9, bytes(8), 0x8001, message_age=20)
    mst = stp.Bpdu(stp.RAPID, stp.MSTP, 0x7C, ROOT, 0, ROOT, 0x8001).build(MAC)[:53] + pack("!H", 80) + bytes(80)
    mst = mst[:12] + pack("!H", len(mst) - 14) + mst[14:]
    for frame in (RST, old.build(MAC), far.build(MAC), mst, stp.Bpdu(stp.TOPOLOGY_CHANGE_NOTIFICATION).build(MAC)):
        assert stp.defects(frame) == []
    garp = bytes.fromhex("0180c2000021") + RST[6:]
    assert not stp.is_meant(garp)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (LACP[:33] + b"\x05" + LACP[34:], "reserved octets behind the actor"),
        (LACP[:60] + b"\x05" + LACP[61:], "reserved octets behind the collector"),
        (LACP[:120] + b"\x05" + LACP[121:], "reserved octets behind the terminator"),
        (LACP[:17] + b"\x12" + LACP[18:], "actor TLV has type 1 and length 18"),
        (LACP[:14] + b"\x00" + LACP[15:], "subtype 0"),
        (ethertypes.tagged(LACP, 0), "tagged with a priority tag"),
        (LACP[:15] + b"\x02" + LACP[16:72] + b"\x04\x01" + LACP[74:], "TLV of type 4 has length 1"),
    ],
)
def test_a_malformed_lacpdu_says_what_is_wrong(frame: bytes, words: str) -> None:
    assert words in "; ".join(lacp.defects(frame))


def test_a_lacpdu_of_version_2_has_further_tlvs() -> None:
    further = LACP[:15] + b"\x02" + LACP[16:72] + b"\x04\x06\x01\x02\x03\x04" + bytes(60)
    assert lacp.defects(further) == []
    assert lacp.marker_defects(MARKER) == []
    assert lacp.marker_defects(MARKER[:17] + b"\x0f" + MARKER[18:])
