"""Management Address TLVs of LLDP: an address, and the interface that has it (IEEE 802.1AB-2016 §8.5.9)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import pack, unpack_from
from typing import Final

IPV4, IPV6, ALL_802 = 1, 2, 6
"""Address Family Numbers of the IANA, which are the address subtypes (§8.5.9.3)."""
UNKNOWN, IF_INDEX, SYSTEM_PORT = 1, 2, 3
"""Interface numbering subtypes (§8.5.9.5)."""
LENGTHS: Final = {IPV4: 4, IPV6: 16, ALL_802: 6}
"""Octets of an address of each family."""


@dataclass(frozen=True, slots=True)
class Management:
    """A management address: its family by the IANA's number, the address in words (hexadecimal where the family is not
    known here), and the interface's number, of a kind."""

    family: int
    address: str
    numbering: int
    number: int


def build(address: IPv4Address | IPv6Address, index: int) -> bytes:
    """The value of a TLV that tells `address`, of the interface with that ifIndex; it names no object."""
    family = IPV4 if address.version == 4 else IPV6
    return bytes((1 + len(address.packed), family)) + address.packed + pack("!BIB", IF_INDEX, index, 0)


def read(value: bytes) -> Management | None:
    """What the value of such a TLV says; None where it is cut short, or its address has not its family's length."""
    size = value[0] if value else 0
    if size < 2 or len(value) < 1 + size + 6:
        return None
    family, packed = value[1], value[2 : 1 + size]
    if LENGTHS.get(family, len(packed)) != len(packed):
        return None
    numbering, number = unpack_from("!BI", value, 1 + size)
    text = str(ip_address(packed)) if family in (IPV4, IPV6) else packed.hex(":")
    return Management(family, text, numbering, number)
