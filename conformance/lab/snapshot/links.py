"""Interfaces of a namespace with their addresses, as the kernel shows them."""

from __future__ import annotations

import sys
from collections import defaultdict
from ipaddress import ip_address
from socket import AF_UNSPEC
from typing import Final

from conformance.lab.kernel.netlink import DUMP, attributes, message, string
from conformance.lab.kernel.netlink.rtnetlink import ADDRESS, GET_ADDRESS, GET_LINK, LINK, UP, u32
from conformance.protocols.mac import mac_text
from conformance.recording.model import AddressState, InterfaceState

_NO_STATISTICS: Final = 8
LINKS: Final = message(GET_LINK, DUMP, LINK.pack(AF_UNSPEC, 0, 0, 0, 0), u32(29, _NO_STATISTICS))
ADDRESSES: Final = message(GET_ADDRESS, DUMP, ADDRESS.pack(AF_UNSPEC, 0, 0, 0, 0))

SCOPES: Final = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
FLAGS: Final = {
    0x01: "temporary", 0x02: "nodad", 0x04: "optimistic", 0x08: "dadfailed", 0x10: "home", 0x20: "deprecated",
    0x40: "tentative", 0x80: "permanent", 0x100: "managetempaddr", 0x200: "noprefixroute", 0x400: "mcautojoin",
    0x800: "stable-privacy",
}  # fmt: skip
"""IFA_F; bit 0x01 of an IPv4 address means secondary."""


def number(payload: bytes) -> int:
    """A number in the machine's order."""
    return int.from_bytes(payload, sys.byteorder)


def names(links: list[bytes]) -> dict[int, str]:
    """Interface names by index."""
    return {LINK.unpack_from(body)[2]: string(attributes(body, LINK.size)[3]) for body in links}


def decode(links: list[bytes], addresses: list[bytes]) -> tuple[InterfaceState, ...]:
    """Interfaces in the order of their indices."""
    known = names(links)
    owned = defaultdict(list)
    for body in addresses:
        owned[ADDRESS.unpack_from(body)[4]].append(_address(body))
    return tuple(sorted((_link(body, known, owned) for body in links), key=lambda one: one.index))


def _link(body: bytes, known: dict[int, str], owned: dict[int, list[AddressState]]) -> InterfaceState:
    _, _, index, flags, _ = LINK.unpack_from(body)
    parts = attributes(body, LINK.size)
    info = attributes(parts.get(18, b""))
    found = owned.get(index, [])
    return InterfaceState(
        name=known[index],
        index=index,
        kind=string(info[1]) if 1 in info else "",
        mac=mac_text(parts[1]) if len(parts.get(1, b"")) == 6 else "",
        mtu=number(parts[4]),
        up=bool(flags & UP),
        master=known.get(number(parts[10]), "") if 10 in parts else "",
        addresses=tuple(sorted(found, key=lambda one: (":" in one.address, ip_address(one.address)))),
    )


def _address(body: bytes) -> AddressState:
    _, length, short_flags, scope, _ = ADDRESS.unpack_from(body)
    parts = attributes(body, ADDRESS.size)
    flags = number(parts[8]) if 8 in parts else short_flags
    local = ip_address(parts.get(2) or parts[1])
    words = dict(FLAGS)
    if local.version == 4:
        words[0x01] = "secondary"
    return AddressState(
        address=str(local),
        prefix_length=length,
        scope=SCOPES.get(scope, str(scope)),
        flags=tuple(word for bit, word in words.items() if flags & bit),
    )
