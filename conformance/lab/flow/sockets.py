"""Socket options of probes and servers, and the kernel's words for what went wrong locally."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Final

from conformance.lab.flow.probe import FAMILY, Probe
from conformance.lab.kernel.access import here
from conformance.recording.model import AddressFamily, Status

IP_PKTINFO: Final = 8
IP_MTU_DISCOVER: Final = 10
IP_RECVERR: Final = 11
IP_BIND_ADDRESS_NO_PORT: Final = 24
IPV6_MTU_DISCOVER: Final = 23
IPV6_RECVERR: Final = 25
IPV6_RECVPKTINFO: Final = 49
IPV6_PKTINFO: Final = 50
PMTUDISC_DONT: Final = 0
PMTUDISC_PROBE: Final = 3

IN_PKTINFO: Final = Struct("=i4s4s")
"""Interface, local address, destination address of the header (ip(7))."""
IN6_PKTINFO: Final = Struct("=16si")
"""Address, interface (ipv6(7))."""
PKTINFO_ROOM: Final = socket.CMSG_SPACE(IN6_PKTINFO.size)

Kind = tuple[int, int, int]
"""Address family, socket type, protocol."""

SOFT: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL})
"""Local failures that another try may not meet: a route or an address can still come."""


def open_sockets(kinds: Sequence[Kind]) -> list[socket.socket]:
    """Non-blocking sockets of the calling thread's namespace. Raises OSError and then leaves none open."""
    opened: list[socket.socket] = []
    try:
        for family, kind, protocol in kinds:
            opened.append(here().socket(family, kind | socket.SOCK_NONBLOCK, protocol))
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def report_errors(opened: socket.SocketType, family: AddressFamily) -> None:
    """Queue every ICMP error of this socket with its offender (IP_RECVERR)."""
    if family == "ipv4":
        opened.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)


def report_destinations(opened: socket.socket, family: AddressFamily) -> None:
    """Tell with every datagram which address it was sent to."""
    if family == "ipv4":
        opened.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)


def allow_fragments(opened: socket.socket, family: AddressFamily, *, dont_fragment: bool = False) -> None:
    """Fragment what is larger than the path's MTU; with `dont_fragment` send it whole, heeding the interface alone."""
    discovery = PMTUDISC_PROBE if dont_fragment else PMTUDISC_DONT
    if family == "ipv4":
        opened.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, discovery)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, discovery)


def set_header(opened: socket.socket, probe: Probe) -> None:
    """Set the TTL or hop limit, and the traffic class, that the probe asks for, if it does."""
    level, hops, marks = (
        (socket.IPPROTO_IP, socket.IP_TTL, socket.IP_TOS)
        if probe.family == "ipv4"
        else (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, socket.IPV6_TCLASS)
    )
    if probe.ttl:
        opened.setsockopt(level, hops, probe.ttl)
    if probe.traffic_class:
        opened.setsockopt(level, marks, probe.traffic_class)


def bind_source(opened: socket.socket, probe: Probe, port: int) -> None:
    """Bind to the source address and port that the probe asks for, if it does; many sockets may have the same."""
    if not port and probe.source_address is None:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if probe.protocol == "tcp" and not port:
        opened.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    if probe.protocol == "tcp" and port:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    opened.bind((probe.source_address or wildcard(probe.family), port))


def wildcard(family: AddressFamily) -> str:
    """The unspecified address."""
    return "0.0.0.0" if family == "ipv4" else "::"  # noqa: S104 - a lab's namespace


@lru_cache(maxsize=4096)
def sender(address: bytes, family: AddressFamily) -> tuple[int, int, bytes]:
    """Ancillary data that has a datagram sent from the local `address` (packed), by the route of its destination."""
    if family == "ipv4":
        return (socket.IPPROTO_IP, IP_PKTINFO, IN_PKTINFO.pack(0, address, b""))
    return (socket.IPPROTO_IPV6, IPV6_PKTINFO, IN6_PKTINFO.pack(address, 0))


def destination(ancillary: Sequence[tuple[int, int, bytes]], family: AddressFamily) -> bytes | None:
    """The packed address that a datagram was sent to, from its ancillary data."""
    wanted = (socket.IPPROTO_IP, IP_PKTINFO) if family == "ipv4" else (socket.IPPROTO_IPV6, IPV6_PKTINFO)
    for level, kind, data in ancillary:
        if (level, kind) == wanted:
            return bytes(data[8:12]) if family == "ipv4" else bytes(data[:16])
    return None


def local_address(asker: socket.socket, destination_address: str) -> str:
    """The address that an application would send from to `destination_address`; `asker` is a UDP socket for asking.

    Raises OSError where there is no route. Nothing is sent.
    """
    asker.connect((destination_address, 9))
    return str(asker.getsockname()[0]).partition("%")[0]


def udp_kind(family: AddressFamily) -> Kind:
    """A UDP socket."""
    return (FAMILY[family], socket.SOCK_DGRAM, 0)


def local_failure(problem: OSError) -> tuple[Status, str]:
    """How a flow ends by an error that the source's own system gave, and the text that says it."""
    number = problem.errno or 0
    text = os.strerror(number)
    if number == errno.EMSGSIZE:
        return "error", "larger than the interface's MTU"
    if number in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN}:
        return "unreachable", text
    if number in {errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE}:
        return "refused", text
    if number == errno.ETIMEDOUT:
        return "timeout", text
    return "error", text
