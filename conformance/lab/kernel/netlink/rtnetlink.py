"""Requests of rtnetlink as messages for `netlink.transact`: links, addresses, routes, forwarding entries.

Each function returns a request that is evaluated inside the namespace; interfaces are named, not numbered.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_address
from socket import AF_BRIDGE, AF_INET, AF_INET6
from typing import Final

from conformance.lab.kernel.netlink import (
    ACK,
    APPEND,
    CREATE,
    EXCLUSIVE,
    REPLACE,
    Request,
    attribute,
    index,
    message,
    nested,
    text,
)
from conformance.protocols.mac import mac_bytes

Network = IPv4Network | IPv6Network
Interface = IPv4Interface | IPv6Interface

NEW_LINK, DELETE_LINK, GET_LINK, SET_LINK = 16, 17, 18, 19
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE, DELETE_ROUTE, GET_ROUTE = 24, 25, 26
NEW_NEIGHBOUR, DELETE_NEIGHBOUR, GET_NEIGHBOUR = 28, 29, 30

GET_MULTICAST: Final = 58

UP: Final = 1
NO_DAD: Final = 0x02
NO_LINK_LOCAL: Final = 1
"""IN6_ADDR_GEN_MODE_NONE: the kernel makes no link-local address of its own."""
MAIN_TABLE: Final = 254

LINK: Final = struct.Struct("=BxHiII")
ADDRESS: Final = struct.Struct("=BBBBI")
ROUTE: Final = struct.Struct("=BBBBBBBBI")
BRIDGE_PORT, PORT_STATE, PORT_ISOLATED = 12, 1, 33
"""IFLA_PROTINFO and, in it, IFLA_BRPORT_STATE and IFLA_BRPORT_ISOLATED of linux/if_link.h."""
NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")

_IFLA_ADDRESS, _IFLA_NAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10
_IFLA_INFO, _IFLA_AF_SPEC, _IFLA_NAMESPACE = 18, 26, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_NUD_PERMANENT, _NTF_SELF, _NTF_PROXY = 0x80, 0x02, 0x08


GLOBAL_SCOPE, LINK_SCOPE = 0, 253
"""RT_SCOPE_UNIVERSE, RT_SCOPE_LINK."""


def single(address: IPv4Address | IPv6Address) -> Interface:
    """An address as a prefix of its own: /32 or /128."""
    return IPv4Interface(address) if isinstance(address, IPv4Address) else IPv6Interface(address)


def u32(kind: int, value: int) -> bytes:
    """An attribute that holds a 32-bit number in the machine's order."""
    return attribute(kind, struct.pack("=I", value))


def _identity(name: str, mtu: int | None, mac: str | None, descriptor: int | None) -> bytes:
    parts = [text(_IFLA_NAME, name)]
    if mtu is not None:
        parts.append(u32(_IFLA_MTU, mtu))
    if mac is not None:
        parts.append(attribute(_IFLA_ADDRESS, mac_bytes(mac)))
    if descriptor is not None:
        parts.append(u32(_IFLA_NAMESPACE, descriptor))
    return b"".join(parts)


def veth(
    near: str,
    far: str,
    descriptor: int,
    *,
    mtu: int,
    near_mac: str | None = None,
    far_mac: str | None = None,
    master: str | None = None,
    up: bool = False,
) -> Request:
    """A cable from `near` here to `far` in the namespace of `descriptor`; `up` and `master` are the near end's."""

    def build() -> bytes:
        peer = nested(_VETH_PEER, LINK.pack(0, 0, 0, 0, 0), _identity(far, mtu, far_mac, descriptor))
        enslaved = u32(_IFLA_MASTER, index(master)) if master else b""
        return message(
            NEW_LINK,
            ACK | CREATE | EXCLUSIVE,
            LINK.pack(0, 0, 0, UP if up else 0, UP if up else 0),
            _identity(near, mtu, near_mac, None),
            enslaved,
            nested(_IFLA_INFO, text(_INFO_KIND, "veth"), nested(_INFO_DATA, peer)),
        )

    return build


def link(
    name: str,
    kind: str,
    *,
    data: Mapping[int, bytes] | None = None,
    mtu: int | None = None,
    mac: str | None = None,
    parent: str | None = None,
    descriptor: int | None = None,
    up: bool = False,
) -> Request:
    """A link of `kind`, in the namespace of `descriptor` if given.

    `data` are attributes of the kind, `parent` is its lower link here.
    """

    def build() -> bytes:
        lower = u32(_IFLA_LINK, index(parent)) if parent else b""
        info = b"".join(attribute(number, payload) for number, payload in (data or {}).items())
        return message(
            NEW_LINK,
            ACK | CREATE | EXCLUSIVE,
            LINK.pack(0, 0, 0, UP if up else 0, UP if up else 0),
            _identity(name, mtu, mac, descriptor),
            lower,
            nested(_IFLA_INFO, text(_INFO_KIND, kind), nested(_INFO_DATA, info)),
        )

    return build


def up(name: str, *, master: str | None = None) -> Request:
    """Set a link up, as a port of `master` if given."""

    def build() -> bytes:
        enslaved = u32(_IFLA_MASTER, index(master)) if master else b""
        return message(SET_LINK, ACK, LINK.pack(0, 0, 0, UP, UP), text(_IFLA_NAME, name), enslaved)

    return build


def enslave(name: str, master: str) -> Request:
    """Make a link a port of `master`, and leave it as it is otherwise."""

    def build() -> bytes:
        port = u32(_IFLA_MASTER, index(master))
        return message(SET_LINK, ACK, LINK.pack(0, 0, 0, 0, 0), text(_IFLA_NAME, name), port)

    return build


def bridge_port(name: str, setting: int, value: int) -> Request:
    """Set a port of a bridge: `PORT_STATE`, or `PORT_ISOLATED`, which exchanges frames with ports that are not isolated
    alone (bridge(8)). The value is one octet."""

    def build() -> bytes:
        port = LINK.pack(AF_BRIDGE, 0, index(name), 0, 0)
        return message(SET_LINK, ACK, port, nested(BRIDGE_PORT, attribute(setting, bytes((value,)))))

    return build


def hardware_address(name: str, mac: str) -> Request:
    """Set a link's MAC address; the kernel tells everybody who listens that it changed, also where it is the same."""
    return lambda: message(
        SET_LINK, ACK, LINK.pack(0, 0, 0, 0, 0), text(_IFLA_NAME, name), attribute(_IFLA_ADDRESS, mac_bytes(mac))
    )


def quiet(name: str) -> Request:
    """No link-local address on this link, before it goes up."""
    mode = nested(_IFLA_AF_SPEC, nested(AF_INET6, attribute(8, bytes((NO_LINK_LOCAL,)))))
    return partial(message, SET_LINK, ACK, LINK.pack(0, 0, 0, 0, 0), text(_IFLA_NAME, name), mode)


def down(name: str) -> Request:
    """Set a link down."""
    return partial(message, SET_LINK, ACK, LINK.pack(0, 0, 0, 0, UP), text(_IFLA_NAME, name))


def move(name: str, descriptor: int, renamed: str) -> Request:
    """Move a link to the namespace of `descriptor`, where it is called `renamed`; it is down there. The other end of a
    cable stays where it is."""

    def build() -> bytes:
        header = LINK.pack(0, 0, index(name), 0, UP)
        return message(SET_LINK, ACK, header, u32(_IFLA_NAMESPACE, descriptor), text(_IFLA_NAME, renamed))

    return build


def mtu(name: str, size: int) -> Request:
    """Set a link's MTU in bytes."""
    return partial(message, SET_LINK, ACK, LINK.pack(0, 0, 0, 0, 0), text(_IFLA_NAME, name), u32(_IFLA_MTU, size))


def renamed(name: str, new: str) -> Request:
    """Give a link that is down another name."""

    def build() -> bytes:
        return message(SET_LINK, ACK, LINK.pack(0, 0, index(name), 0, 0), text(_IFLA_NAME, new))

    return build


def delete_link(name: str) -> Request:
    """Remove a link; costs a grace period of the kernel (about 20 ms)."""
    return partial(message, DELETE_LINK, ACK, LINK.pack(0, 0, 0, 0, 0), text(_IFLA_NAME, name))


def address(
    name: str, interface: Interface, *, dad: bool = True, remove: bool = False, scope: int = GLOBAL_SCOPE
) -> Request:
    """Add (or remove) an address; `dad` false marks an IPv6 one as already checked."""
    family = AF_INET if interface.version == 4 else AF_INET6
    flags = 0 if dad or interface.version == 4 else NO_DAD

    def build() -> bytes:
        header = ADDRESS.pack(family, interface.network.prefixlen, flags, scope, index(name))
        local = attribute(2, interface.ip.packed) + attribute(1, interface.ip.packed)
        return message(
            DELETE_ADDRESS if remove else NEW_ADDRESS, ACK | (0 if remove else CREATE | EXCLUSIVE), header, local
        )

    return build


def route(
    destination: Network,
    *,
    via: str | None = None,
    link: str | None = None,
    source: str | None = None,
    remove: bool = False,
) -> Request:
    """A static route of the main table: through the gateway `via` and/or the link `link`, with a preferred `source`.

    With `link` alone the destination is on that link.
    """
    family = AF_INET if destination.version == 4 else AF_INET6
    scope = 253 if via is None and family == AF_INET else 0

    def build() -> bytes:
        parts = [attribute(1, destination.network_address.packed)]
        if via is not None:
            parts.append(attribute(5, ip_address(via).packed))
        if link is not None:
            parts.append(u32(4, index(link)))
        if source is not None:
            parts.append(attribute(7, ip_address(source).packed))
        header = ROUTE.pack(family, destination.prefixlen, 0, 0, MAIN_TABLE, 4, scope, 1, 0)
        return message(
            DELETE_ROUTE if remove else NEW_ROUTE, ACK | (0 if remove else CREATE | EXCLUSIVE), header, *parts
        )

    return build


def forwarding_entry(name: str, mac: str, remote: str, *, append: bool = False, remove: bool = False) -> Request:
    """A permanent FDB entry of a vxlan device: frames to `mac` go to the tunnel end `remote`.

    With `append` several ends may stand behind one MAC (all zero: where to send copies of flooded frames).
    """

    def build() -> bytes:
        header = NEIGHBOUR.pack(AF_BRIDGE, index(name), _NUD_PERMANENT, _NTF_SELF, 0)
        parts = attribute(2, mac_bytes(mac)) + attribute(1, ip_address(remote).packed)
        flags = ACK if remove else ACK | CREATE | (APPEND if append else EXCLUSIVE)
        return message(DELETE_NEIGHBOUR if remove else NEW_NEIGHBOUR, flags, header, parts)

    return build


def neighbour(name: str, address: str, mac: str) -> Request:
    """A permanent neighbour: the MAC address of `address` on a link, never asked for."""

    def build() -> bytes:
        wanted = ip_address(address)
        header = NEIGHBOUR.pack(AF_INET if wanted.version == 4 else AF_INET6, index(name), _NUD_PERMANENT, 0, 0)
        parts = attribute(1, wanted.packed) + attribute(2, mac_bytes(mac))
        return message(NEW_NEIGHBOUR, ACK | CREATE | REPLACE, header, parts)

    return build


def proxy(name: str, address: IPv6Address) -> Request:
    """This station answers on a link for the neighbour `address` (RFC 4861 §7.2.8), where proxy_ndp is on."""

    def build() -> bytes:
        header = NEIGHBOUR.pack(AF_INET6, index(name), 0, _NTF_PROXY, 0)
        return message(NEW_NEIGHBOUR, ACK | CREATE, header, attribute(1, address.packed))

    return build
