"""Sockets that wait for somebody: listening TCP sockets and bound, unconnected UDP sockets."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP
from typing import Any, Final

from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import DUMP, message

SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20
_LISTEN, _UNCONNECTED = 10, 7
_REQUEST: Final = struct.Struct("=BBBxI48s")
_ANSWER: Final = struct.Struct(">4xHH16s16s")
_KINDS: Final = tuple(
    (name, family, message(_BY_FAMILY, DUMP, _REQUEST.pack(family, number, 0, 1 << state, b"")))
    for name, number, state in (("tcp", IPPROTO_TCP, _LISTEN), ("udp", IPPROTO_UDP, _UNCONNECTED))
    for family in (AF_INET, AF_INET6)
)


def listeners(namespace: Namespace) -> tuple[dict[str, Any], ...]:
    """Each listening socket: `protocol`, `family`, `address` (``::`` and ``0.0.0.0`` mean any) and `port`.

    Asked of the kernel by sock_diag; empty where it lacks that.
    """
    try:
        answers = netlink.dump(namespace, [request for _, _, request in _KINDS], SOCK_DIAG)
    except OSError:
        return ()
    found = {
        (name, "ipv4" if family == AF_INET else "ipv6", *_place(body, family))
        for (name, family, _), bodies in zip(_KINDS, answers, strict=True)
        for body in bodies
    }
    keys = ("protocol", "family", "address", "port")
    return tuple(dict(zip(keys, one, strict=True)) for one in sorted(found))


def _place(body: bytes, family: int) -> tuple[str, int]:
    port, _, raw, _ = _ANSWER.unpack_from(body)
    return str(ip_address(raw[:4] if family == AF_INET else raw)), port
