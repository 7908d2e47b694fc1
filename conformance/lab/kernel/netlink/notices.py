"""What the kernel announces by rtnetlink: a socket that joins groups, and what it has received."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Final

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import ROUTE

LINKS: Final = 0x001
NEIGHBOURS: Final = 0x004
IPV4_ADDRESSES: Final = 0x010
IPV6_ADDRESSES: Final = 0x100
"""RTMGRP_LINK, RTMGRP_NEIGH (neighbours, and forwarding entries of bridges), RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."""

_SO_RCVBUFFORCE: Final = 33


def listener(namespace: Namespace, groups: int, *, buffer: int = 0) -> socket.socket:
    """A socket that never blocks and receives what is announced to `groups` (a mask) from now on. Raises OSError.

    `buffer` is how many bytes may wait in it, where that is more than usual.
    """
    opened = namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, ROUTE)
    try:
        if buffer:
            _widen(opened, buffer)
        opened.bind((0, groups))
    except BaseException:
        opened.close()
        raise
    return opened


def _widen(opened: socket.socket, size: int) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def received(opened: socket.socket) -> Iterator[bytes | None]:
    """Every datagram that is there, None where the kernel had to drop some. Never waits."""
    while True:
        try:
            data = opened.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as problem:
            if problem.errno != errno.ENOBUFS:
                raise
            yield None
        else:
            yield data


def drain(opened: socket.socket) -> None:
    """Pass over everything that is there, where only that there was something counts."""
    for _ in received(opened):
        continue
