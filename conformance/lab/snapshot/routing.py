"""Routes, neighbours and forwarding entries of a namespace as flat tables of JSON values."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from socket import AF_BRIDGE, AF_INET, AF_INET6
from typing import Any, Final

from conformance.lab.kernel.netlink import DUMP, attributes, message, sequence
from conformance.lab.kernel.netlink.rtnetlink import GET_NEIGHBOUR, GET_ROUTE, LINK, NEIGHBOUR, ROUTE
from conformance.lab.snapshot.links import SCOPES, number
from conformance.protocols.mac import mac_text

Flat = dict[str, Any]

ROUTES: Final = tuple(
    message(GET_ROUTE, DUMP, ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)) for family in (AF_INET, AF_INET6)
)
NEIGHBOURS: Final = tuple(
    message(GET_NEIGHBOUR, DUMP, NEIGHBOUR.pack(family, 0, 0, 0, 0)) for family in (AF_INET, AF_INET6)
)
FORWARDING: Final = message(GET_NEIGHBOUR, DUMP, LINK.pack(AF_BRIDGE, 0, 0, 0, 0))

_TABLES: Final = {253: "default", 254: "main", 255: "local"}
_PROTOCOLS: Final = {1: "redirect", 2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp", 186: "bgp", 188: "ospf"}
_TYPES: Final = {
    1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole", 7: "unreachable",
    8: "prohibit", 9: "throw", 10: "nat",
}  # fmt: skip
_FAMILIES: Final = {AF_INET: "ipv4", AF_INET6: "ipv6"}
_NEXT_HOP: Final = struct.Struct("=HBBi")
_ONLINK: Final = 4
_STATES: Final = {
    0x01: "incomplete", 0x02: "reachable", 0x04: "stale", 0x08: "delay", 0x10: "probe", 0x20: "failed", 0x40: "noarp",
    0x80: "permanent",
}  # fmt: skip
_NOARP: Final = 0x40
_NEIGHBOUR_FLAGS: Final = {0x01: "use", 0x02: "self", 0x04: "master", 0x08: "proxy", 0x10: "learned", 0x80: "router"}


def routes(bodies: list[bytes], names: dict[int, str]) -> tuple[Flat, ...]:
    """Routes of every table, sorted by family, table and destination."""
    found = [_route(body, names) for body in bodies]
    return tuple(sorted(found, key=lambda one: (one["family"], one["table"], one["destination"], repr(one))))


def _route(body: bytes, names: dict[int, str]) -> Flat:
    family, length, _, _, table, protocol, scope, kind, flags = ROUTE.unpack_from(body)
    parts = attributes(body, ROUTE.size)
    table = number(parts[15]) if 15 in parts else table
    target = ip_address(parts[1] if 1 in parts else bytes(4 if family == AF_INET else 16))
    route: Flat = {
        "family": _FAMILIES[family],
        "table": _TABLES.get(table, str(table)),
        "destination": f"{target}/{length}",
        "type": _TYPES.get(kind, str(kind)),
        "protocol": _PROTOCOLS.get(protocol, str(protocol)),
        "scope": SCOPES.get(scope, str(scope)),
    }
    if 4 in parts:
        route["interface"] = names.get(number(parts[4]), str(number(parts[4])))
    route |= {key: str(ip_address(parts[kind])) for key, kind in (("gateway", 5), ("source", 7)) if kind in parts}
    if 18 in parts:
        via = int.from_bytes(parts[18][:2], "little")
        route["gateway"] = str(ip_address(parts[18][2:])) if via in _FAMILIES else parts[18].hex()
    if 6 in parts:
        route["metric"] = number(parts[6])
    if flags & _ONLINK:
        route["onlink"] = True
    if 9 in parts:
        route["next_hops"] = list(_next_hops(parts[9], names))
    return route


def _next_hops(payload: bytes, names: dict[int, str]) -> Iterator[str]:
    offset = 0
    while offset + _NEXT_HOP.size <= len(payload):
        length, _, _, index = _NEXT_HOP.unpack_from(payload, offset)
        inner = dict(sequence(payload[offset : offset + length], _NEXT_HOP.size))
        gateway = f"{ip_address(inner[5])} " if 5 in inner else ""
        yield f"{gateway}dev {names.get(index, index)}"
        offset += (length + 3) & ~3


def neighbours(bodies: list[bytes], names: dict[int, str]) -> tuple[Flat, ...]:
    """Neighbour entries, without the kernel's own mappings of multicast groups."""
    found = []
    for body in bodies:
        family, index, state, flags, _ = NEIGHBOUR.unpack_from(body)
        if state & _NOARP:
            continue
        parts = attributes(body, NEIGHBOUR.size)
        found.append(
            {
                "family": _FAMILIES[family],
                "address": str(ip_address(parts[1])),
                "mac": mac_text(parts[2]) if 2 in parts else "",
                "interface": names.get(index, str(index)),
                "state": _STATES.get(state, str(state)),
                "flags": _flags(flags),
            }
        )
    return tuple(sorted(found, key=lambda one: (one["family"], one["interface"], one["address"])))


def forwarding(bodies: list[bytes], names: dict[int, str]) -> tuple[Flat, ...]:
    """Forwarding entries of bridges and vxlan devices: where frames to a MAC address go."""
    found = []
    for body in bodies:
        _, index, state, flags, _ = NEIGHBOUR.unpack_from(body)
        parts = attributes(body, NEIGHBOUR.size)
        entry: Flat = {
            "mac": mac_text(parts[2]) if 2 in parts else "",
            "interface": names.get(index, str(index)),
            "state": "learned" if state & 0x06 else _STATES.get(state, str(state)),
            "flags": _flags(flags),
        }
        if 9 in parts:
            entry["master"] = names.get(number(parts[9]), "")
        if 5 in parts:
            entry["vlan"] = number(parts[5])
        if 1 in parts:
            entry["destination"] = str(ip_address(parts[1]))
        if 7 in parts:
            entry["vni"] = number(parts[7])
        found.append(entry)
    return tuple(sorted(found, key=lambda one: (one["interface"], one["mac"], repr(one))))


def _flags(bits: int) -> list[str]:
    return [word for bit, word in _NEIGHBOUR_FLAGS.items() if bits & bit]
