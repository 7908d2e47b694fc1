"""The names of a namespace's interfaces, from the kernel's own notifications, kept also after an interface is gone."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, error
from typing import Final

from conformance.lab.kernel.namespace import Namespace

_RTM_NEWLINK: Final = 16
_RTM_GETLINK: Final = 18
_DUMP_REQUEST: Final = 0x301
_RTMGRP_LINK: Final = 1
_IFLA_ADDRESS: Final = 1
_IFLA_IFNAME: Final = 3
_IFF_UP: Final = 1
_MESSAGE: Final = Struct("=IHHII")
_LINK: Final = Struct("=BxHiII")
_ATTRIBUTE: Final = Struct("=HH")


@dataclass(slots=True)
class Link:
    """What is known of one interface: whether it has ever been up, its name and MAC address when it last was.

    A container engine takes an interface down and renames it before it takes it away: that name counts no more.
    """

    index: int
    name: str
    mac: bytes
    was_up: bool


class LinkWatch:
    """Listens to one namespace from its making on. `links` maps an interface index to what is known of it."""

    def __init__(self, namespace: Namespace) -> None:
        self.links: dict[int, Link] = {}
        self.socket = namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.socket.bind((0, _RTMGRP_LINK))
            self._ask()
        except BaseException:
            self.socket.close()
            raise

    def _ask(self) -> None:
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        self.socket.send(_MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETLINK, _DUMP_REQUEST, 1, 0) + body)

    def read(self) -> None:
        """Take in everything that the kernel has said so far; never waits."""
        while True:
            try:
                data = self.socket.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError as problem:
                if problem.errno != errno.ENOBUFS:
                    raise
                self._ask()
                continue
            for link in links_of(data):
                known = self.links.get(link.index)
                if link.was_up or known is None or not known.was_up:
                    self.links[link.index] = link

    def close(self) -> None:
        """Stop listening; what is known stays."""
        self.socket.close()


def links_of(data: bytes) -> Iterator[Link]:
    """The links in one datagram of rtnetlink messages; anything else in it is passed over."""
    position = 0
    while position + _MESSAGE.size <= len(data):
        size, kind, _, _, _ = _MESSAGE.unpack_from(data, position)
        if size < _MESSAGE.size:
            return
        if kind == _RTM_NEWLINK:
            try:
                yield _link(data, position + _MESSAGE.size, min(position + size, len(data)))
            except error:
                return
        position += size + 3 & ~3


def _link(data: bytes, start: int, end: int) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(data, start)
    link = Link(index, "", b"", bool(flags & _IFF_UP))
    position = start + _LINK.size
    while position + _ATTRIBUTE.size <= end:
        size, kind = _ATTRIBUTE.unpack_from(data, position)
        if size < _ATTRIBUTE.size:
            break
        value = data[position + _ATTRIBUTE.size : position + size]
        if kind == _IFLA_IFNAME:
            link.name = value.rstrip(b"\0").decode(errors="replace")
        elif kind == _IFLA_ADDRESS:
            link.mac = value
        position += size + 3 & ~3
    return link
