"""MAC addresses in their three forms: text, the octets of a frame, and the numbers of an index."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

BROADCAST: Final = "ff:ff:ff:ff:ff:ff"
_SEPARATORS: Final = re.compile(r"[.:-]")
_DIGITS: Final = re.compile(r"[0-9a-f]{12}")


def mac_text(octets: bytes) -> str:
    """Octets as ``aa:bb:cc:dd:ee:ff``, however many there are; no octets are an empty text."""
    return octets.hex(":")


def mac_bytes(*macs: str) -> bytes:
    """The octets of MAC addresses, one behind the other. Raises ValueError for a text that is not hexadecimal."""
    return bytes.fromhex("".join(macs).replace(":", ""))


def mac_number(mac: str) -> int:
    """A MAC address as a number, its first octet the highest. Raises ValueError."""
    return int(mac.replace(":", ""), 16)


def mac_of_number(number: int) -> str:
    """The MAC address that is a number. Raises OverflowError for one of more than 48 bits."""
    return mac_text(number.to_bytes(6, "big"))


def mac_from(text: str) -> str | None:
    """A MAC address in any notation of devices (``aabb.ccdd.eeff``, ``AA-BB-...``) as text; None for other text."""
    digits = _SEPARATORS.sub("", text).lower()
    return mac_text(bytes.fromhex(digits)) if _DIGITS.fullmatch(digits) else None


def multicast_mac(group: IPv4Address | IPv6Address) -> str:
    """The MAC address that an IP multicast group is sent to on Ethernet (RFC 1112 §6.4, RFC 2464 §7)."""
    if isinstance(group, IPv4Address):
        return mac_text(b"\x01\x00\x5e" + (int(group) & 0x7F_FFFF).to_bytes(3, "big"))
    return mac_text(b"\x33\x33" + group.packed[12:])
