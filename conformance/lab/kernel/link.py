"""Links, addresses and routes: thin, typed calls, one kernel object each.

Names are interface names in the given namespace. Every call raises pyroute2's NetlinkError when the kernel refuses.
`add`, `change` and `delete` go by pyroute2. What every lab and every endpoint needs, and what is waited for in other
kernels as well, goes by `conformance.lab.kernel.netlink`, which says why.
"""

from __future__ import annotations

import ctypes
import fcntl
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_address, ip_network
from typing import Any, Final

from conformance import limits
from conformance.lab.kernel import netlink
from conformance.lab.kernel.access import elsewhere
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import notices, rtnetlink

TENTATIVE, DAD_FAILED = 0x40, 0x08
OPERATIONAL: Final = 6
"""IF_OPER_UP."""
CARRIER: Final = 0x1_0000
"""IFF_LOWER_UP."""
GET_FLAGS, ETHTOOL, SET_TX_CHECKSUM = 0x8913, 0x8946, 0x17
"""SIOCGIFFLAGS and SIOCETHTOOL of linux/sockios.h, ETHTOOL_STXCSUM of linux/ethtool.h."""
MASTER: Final = 10
"""IFLA_MASTER."""
GLOBAL: Final = 0
"""RT_SCOPE_UNIVERSE."""

Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network


def index(namespace: Namespace, name: str) -> int:
    """The interface index of `name`. Raises LookupError."""
    return namespace.call(netlink.index, name)


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
) -> None:
    """A cable from `near` to `far`; both ends are down. MTU in bytes."""
    cable = rtnetlink.veth(near_name, far_name, far.descriptor, mtu=mtu, near_mac=near_mac, far_mac=far_mac)
    netlink.transact(near, [cable])


def change(namespace: Namespace, name: str, **attributes: Any) -> None:
    """Set attributes of a link: ``state="up"``, ``master=INDEX``, ``mtu=BYTES``, ``address=MAC``."""
    namespace.netlink("link", "set", index=index(namespace, name), **attributes)


def delete(namespace: Namespace, name: str) -> None:
    """Remove a link; costs a grace period of the kernel (about 20 ms)."""
    namespace.netlink("link", "del", index=index(namespace, name))


def quiet(namespace: Namespace, name: str) -> None:
    """No link-local address on this link, before it goes up: the lab's own bridge ports stay silent."""
    netlink.transact(namespace, [rtnetlink.quiet(name)])


def address(namespace: Namespace, name: str, interface: Interface, *, dad: bool = True) -> None:
    """Add an address; `dad` false marks an IPv6 one as already checked (for the lab's own addresses)."""
    netlink.transact(namespace, [rtnetlink.address(name, interface, dad=dad)])


def route(namespace: Namespace, destination: Network, *, via: str | None = None, link: str | None = None) -> None:
    """Add a route to `destination` through the gateway `via` and/or the link `link`."""
    netlink.transact(namespace, [rtnetlink.route(destination, via=via, link=link)])


def default_route(namespace: Namespace, gateway: str, *, link: str | None = None) -> None:
    """Add the default route of the gateway's family."""
    route(namespace, everything(gateway), via=gateway, link=link)


def everything(gateway: str) -> Network:
    """The destination of a default route through `gateway`."""
    return ip_network("0.0.0.0/0" if ip_address(gateway).version == 4 else "::/0")


def await_link(namespace: Namespace, name: str, deadline: float = limits.LINK_UP) -> None:
    """Wait until `name` has carrier and is operationally up; `deadline` in seconds. Raises TimeoutError.

    An interface that was set up a moment ago drops what is sent until the kernel has activated its queue. The kernel's
    own notifications are waited for, nothing is polled.
    """
    if _is_up(namespace, name):
        return
    with announcements(namespace, notices.LINKS) as wait:
        until = time.monotonic() + deadline
        while not _is_up(namespace, name):
            if not wait(until - time.monotonic()):
                raise TimeoutError(f"{namespace.name}: {name} has not come up within {deadline} s")


@contextmanager
def announcements(namespace: Namespace, groups: int) -> Iterator[Callable[[float], bool]]:
    """Listen to what rtnetlink announces to `groups` (a mask, see `netlink.notices`) from now on.

    Yields a function that waits at most so many seconds and returns whether there was anything; what it was is for the
    caller to look up.
    """
    listener = notices.listener(namespace, groups)
    try:

        def wait(seconds: float) -> bool:
            if seconds <= 0 or not _readable(listener, seconds):
                return False
            notices.drain(listener)
            return True

        yield wait
    finally:
        listener.close()


def _readable(listener: socket.socket, seconds: float) -> bool:
    remote = elsewhere(listener)
    if remote is not None:
        return remote.readable(seconds)
    return bool(select.select([listener], [], [], seconds)[0])


def _is_up(namespace: Namespace, name: str) -> bool:
    """Whether the operational state (RFC 2863) is up."""
    place = netlink.text(3, name)
    request = netlink.message(rtnetlink.GET_LINK, 0, rtnetlink.LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0), place)
    state = netlink.attributes(netlink.ask(namespace, request), rtnetlink.LINK.size)[16]
    return state[0] == OPERATIONAL


def await_groups(namespace: Namespace, name: str, deadline: float = limits.LINK_UP) -> None:
    """Wait until `name` hears solicitations for each of its IPv6 addresses; `deadline` in seconds. Raises TimeoutError.

    The kernel joins the solicited-node group (RFC 4291 §2.7.1) of a new address a little after it has taken the
    address, even where it detects no duplicates; a solicitation in between is lost, and costs its sender a second.
    """
    if _hears_solicitations(namespace, name):
        return
    with announcements(namespace, notices.IPV6_ADDRESSES) as wait:
        until = time.monotonic() + deadline
        while not _hears_solicitations(namespace, name):
            if not wait(until - time.monotonic()):
                raise TimeoutError(f"{namespace.name}: {name} has not joined its IPv6 groups within {deadline} s")


def _hears_solicitations(namespace: Namespace, name: str) -> bool:
    number = index(namespace, name)
    header = rtnetlink.ADDRESS.pack(socket.AF_INET6, 0, 0, 0, 0)
    kinds = (rtnetlink.GET_ADDRESS, rtnetlink.GET_MULTICAST)
    owned, joined = netlink.dump(namespace, [netlink.message(kind, netlink.DUMP, header) for kind in kinds])

    def tails(bodies: list[bytes], attribute: int) -> set[bytes]:
        own = [body for body in bodies if rtnetlink.ADDRESS.unpack_from(body)[4] == number]
        return {netlink.attributes(body, rtnetlink.ADDRESS.size)[attribute][-3:] for body in own}

    return tails(owned, 1) <= tails(joined, 7)


def await_dad(namespace: Namespace, name: str, deadline: float) -> list[IPv6Address]:
    """Wait until duplicate address detection of every IPv6 address of `name` is over; `deadline` in seconds.

    Returns the addresses that failed it: somebody else has them. Raises TimeoutError where one is still tentative.
    """
    with announcements(namespace, notices.IPV6_ADDRESSES) as wait:
        until = time.monotonic() + deadline
        while True:
            states = _ipv6_flags(namespace, name)
            if not any(flags & TENTATIVE and not flags & DAD_FAILED for flags in states.values()):
                return [found for found, flags in states.items() if flags & DAD_FAILED]
            if not wait(until - time.monotonic()):
                raise TimeoutError(f"{namespace.name}: {name} has a tentative address after {deadline} s")


def await_addresses(namespaces: Iterable[Namespace], deadline: float) -> list[str]:
    """Wait until no global IPv6 address in these namespaces is tentative any more; `deadline` in seconds, for all.

    Interfaces without carrier are left out, since no detection runs there, but not a bridge that is about to get it
    from a port. Returns the names of the namespaces in which an address is tentative still.
    """
    until = time.monotonic() + deadline
    late = []
    for namespace in namespaces:
        with announcements(namespace, notices.IPV6_ADDRESSES | notices.LINKS) as wait:
            while _detects(namespace):
                if not wait(until - time.monotonic()):
                    late.append(namespace.name)
                    break
    return late


def _detects(namespace: Namespace) -> bool:
    """Whether detection of a duplicate global address is under way, or will be as soon as carrier is noticed."""
    get_links = netlink.message(rtnetlink.GET_LINK, netlink.DUMP, rtnetlink.LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
    get_addresses = netlink.message(
        rtnetlink.GET_ADDRESS, netlink.DUMP, rtnetlink.ADDRESS.pack(socket.AF_INET6, 0, 0, 0, 0)
    )
    links, addresses = netlink.dump(namespace, [get_links, get_addresses])
    carried = set()
    for body in links:
        _, _, number, flags, _ = rtnetlink.LINK.unpack_from(body)
        if flags & CARRIER:
            master = netlink.attributes(body, rtnetlink.LINK.size).get(MASTER, b"")
            carried |= {number, int.from_bytes(master, sys.byteorder)}
    return any(
        flags & TENTATIVE and not flags & DAD_FAILED and scope == GLOBAL and number in carried
        for _, _, flags, scope, number in map(rtnetlink.ADDRESS.unpack_from, addresses)
    )


def _ipv6_flags(namespace: Namespace, name: str) -> dict[IPv6Address, int]:
    """Flags (IFA_F) of every IPv6 address of an interface."""
    number = index(namespace, name)
    request = netlink.message(rtnetlink.GET_ADDRESS, netlink.DUMP, rtnetlink.ADDRESS.pack(socket.AF_INET6, 0, 0, 0, 0))
    found = {}
    for body in netlink.dump(namespace, [request])[0]:
        if rtnetlink.ADDRESS.unpack_from(body)[4] == number:
            parts = netlink.attributes(body, rtnetlink.ADDRESS.size)
            found[IPv6Address(parts[1])] = int.from_bytes(parts[8], sys.byteorder)
    return found


def flags_of(any_socket: socket.socket, name: str) -> int:
    """The flags (IFF_*) of an interface in the namespace of a socket. Raises OSError."""
    answer = fcntl.ioctl(any_socket, GET_FLAGS, struct.pack("16s24x", name.encode()))
    return int.from_bytes(answer[16:18], sys.byteorder)


def compute_checksums(namespace: Namespace, name: str) -> None:
    """Have the kernel compute checksums before it hands packets to this link, as for a card that offloads nothing: who
    reads them off a virtual cable gets them whole. Raises OSError."""
    namespace.call(_no_offload, name)


def _no_offload(name: str) -> None:
    wanted = ctypes.create_string_buffer(struct.pack("=II", SET_TX_CHECKSUM, 0))
    request = struct.pack("16sP16x", name.encode(), ctypes.addressof(wanted))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asked:
        fcntl.ioctl(asked, ETHTOOL, request)
