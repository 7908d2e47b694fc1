"""Links, addresses and routes through rtnetlink: thin, typed calls of pyroute2, one kernel object each.

Names are interface names in the given namespace. Every call raises pyroute2's NetlinkError when the kernel refuses.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address, ip_network
from typing import Any

from conformance.lab.namespace import Namespace

IFA_F_NODAD = 0x02
NO_LINK_LOCAL = 1
"""IN6_ADDR_GEN_MODE_NONE: the kernel makes no link-local address of its own."""

Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network


def index(namespace: Namespace, name: str) -> int:
    """The interface index of `name`. Raises LookupError."""
    found = namespace.netlink("link_lookup", ifname=name)
    if not found:
        raise LookupError(f"{namespace.name}: no interface {name}")
    return int(found[0])


def add(namespace: Namespace, name: str, kind: str, **attributes: Any) -> int:
    """Create a link of `kind` (bridge, macvlan, vxlan, ...) and return its index."""
    namespace.netlink("link", "add", ifname=name, kind=kind, **attributes)
    return index(namespace, name)


def veth(
    near: Namespace,
    near_name: str,
    far: Namespace,
    far_name: str,
    *,
    mtu: int = 1500,
    near_mac: str | None = None,
    far_mac: str | None = None,
    near_attributes: Mapping[str, Any] | None = None,
) -> None:
    """A cable from `near` to `far`; both ends are down. MTU in bytes."""
    peer: dict[str, Any] = {"ifname": far_name, "net_ns_fd": far.descriptor, "mtu": mtu}
    if far_mac:
        peer["address"] = far_mac
    own: dict[str, Any] = {"mtu": mtu, **(near_attributes or {})}
    if near_mac:
        own["address"] = near_mac
    near.netlink("link", "add", ifname=near_name, kind="veth", peer=peer, **own)


def change(namespace: Namespace, name: str, **attributes: Any) -> None:
    """Set attributes of a link: ``state="up"``, ``master=INDEX``, ``mtu=BYTES``, ``address=MAC``."""
    namespace.netlink("link", "set", index=index(namespace, name), **attributes)


def delete(namespace: Namespace, name: str) -> None:
    """Remove a link; costs a grace period of the kernel (about 20 ms)."""
    namespace.netlink("link", "del", index=index(namespace, name))


def quiet(namespace: Namespace, name: str) -> None:
    """No link-local address on this link, before it goes up: the lab's own bridge ports stay silent."""
    attributes = {"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", NO_LINK_LOCAL]]}]]}
    namespace.netlink("link", "set", index=index(namespace, name), IFLA_AF_SPEC=attributes)


def address(namespace: Namespace, name: str, interface: Interface, *, dad: bool = True) -> None:
    """Add an address; `dad` false marks an IPv6 one as already checked (for the lab's own addresses)."""
    flags = {} if dad or interface.version == 4 else {"flags": IFA_F_NODAD}
    namespace.netlink(
        "addr",
        "add",
        index=index(namespace, name),
        address=str(interface.ip),
        prefixlen=interface.network.prefixlen,
        **flags,
    )


def route(
    namespace: Namespace, destination: Network, *, via: str | None = None, link: str | None = None, **attributes: Any
) -> None:
    """Add a route to `destination` through the gateway `via` and/or the link `link`."""
    target: dict[str, Any] = dict(attributes)
    if via is not None:
        target["gateway"] = str(ip_address(via))
    if link is not None:
        target["oif"] = index(namespace, link)
    family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
    namespace.netlink("route", "add", dst=str(destination), family=family, **target)


def default_route(namespace: Namespace, gateway: str, *, link: str | None = None) -> None:
    """Add the default route of the gateway's family."""
    everything = ip_network("0.0.0.0/0" if ip_address(gateway).version == 4 else "::/0")
    route(namespace, everything, via=gateway, link=link)


def await_link(namespace: Namespace, name: str, deadline: float) -> None:
    """Wait until `name` has carrier and is operationally up; `deadline` in seconds. Raises TimeoutError.

    The kernel's own notifications are waited for (RTMGRP_LINK), nothing is polled.
    """
    from socket import AF_NETLINK, SOCK_RAW

    listener = namespace.socket(AF_NETLINK, SOCK_RAW, 0)
    try:
        listener.bind((0, 1))
        until = time.monotonic() + deadline
        while not _is_up(namespace, name):
            left = until - time.monotonic()
            if left <= 0 or not select.select([listener], [], [], left)[0]:
                raise TimeoutError(f"{namespace.name}: {name} has not come up within {deadline} s")
            try:
                listener.recv(65536)
            except OSError as problem:
                if problem.errno != errno.ENOBUFS:
                    raise
    finally:
        listener.close()


def _is_up(namespace: Namespace, name: str) -> bool:
    found = namespace.netlink("link", "get", ifname=name)
    return bool(found) and found[0].get_attr("IFLA_OPERSTATE") == "UP"
