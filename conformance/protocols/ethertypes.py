"""EtherTypes and LLC headers, each value once, and the VLAN tags in front of them.

Each EtherType is assigned by the standard named beside it, and listed by the IEEE Registration Authority.
"""

from __future__ import annotations

from typing import Final

IPV4: Final = 0x0800
"""RFC 894; it is the protocol type of ARP for IPv4, too (RFC 826)."""
ARP: Final = 0x0806
"""RFC 826."""
RARP: Final = 0x8035
"""RFC 903."""
CUSTOMER_TAG: Final = 0x8100
"""IEEE 802.1Q-2018 Table 9-1: a customer VLAN tag."""
IPV6: Final = 0x86DD
"""RFC 2464 §3."""
SLOW_PROTOCOLS: Final = 0x8809
"""IEEE 802.3-2018 Annex 57A: LACP and the Marker protocol (IEEE 802.1AX) among others."""
EAPOL: Final = 0x888E
"""IEEE 802.1X-2010 §11.1.4."""
SERVICE_TAG: Final = 0x88A8
"""IEEE 802.1Q-2018 Table 9-1: a service VLAN tag."""
EXPERIMENT: Final = 0x88B5
SECOND_EXPERIMENT: Final = 0x88B6
"""IEEE 802-2014 §9.2.3: local experiments."""
LLDP: Final = 0x88CC
"""IEEE 802.1AB-2016 §7.4."""
OLD_TAG: Final = 0x9100
"""A service VLAN tag of devices from before IEEE 802.1ad; assigned by nobody."""

TAGS: Final = (CUSTOMER_TAG, SERVICE_TAG)
LONGEST_LENGTH: Final = 1500
"""A value up to this in an EtherType's place is a length, and an LLC header follows (IEEE 802.3-2018 §3.2.6)."""
LLC_BRIDGE: Final = b"\x42\x42\x03"
"""The LLC header of BPDUs (IEEE 802.1D-2004 §7.12.3): both service access points, unnumbered information."""
LLC_SNAP: Final = b"\xaa\xaa\x03"
"""The LLC header of SNAP (IEEE 802-2014 §9.2.2)."""

_AT: Final = 12


def octets(ethertype: int) -> bytes:
    """An EtherType as it stands in a frame."""
    return ethertype.to_bytes(2, "big")


def ethertype_of(frame: bytes) -> int:
    """The EtherType of an Ethernet frame, or the length that stands in its place; 0 where the frame is cut before."""
    return int.from_bytes(frame[_AT : _AT + 2], "big") if len(frame) >= _AT + 2 else 0


def behind_tags(frame: bytes) -> tuple[int, int]:
    """The EtherType behind all VLAN tags, and the offset of what follows it; 0 where the frame is cut before."""
    at = _AT
    while (kind := int.from_bytes(frame[at : at + 2], "big")) in TAGS:
        at += 4
    return (kind if len(frame) >= at + 2 else 0), at + 2


def tag(vlan: int, kind: int = CUSTOMER_TAG) -> bytes:
    """A VLAN tag of four octets, to stand behind the addresses. `vlan` is its whole tag control information."""
    return octets(kind) + vlan.to_bytes(2, "big")


def tagged(frame: bytes, vlan: int, kind: int = CUSTOMER_TAG) -> bytes:
    """The frame with a VLAN tag put in in front of all others."""
    return frame[:_AT] + tag(vlan, kind) + frame[_AT:]
