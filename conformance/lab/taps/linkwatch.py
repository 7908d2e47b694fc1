"""The names of a namespace's interfaces, from the kernel's own notifications, kept also after an interface is gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import DUMP, attributes, message, messages, notices, rtnetlink, string

_ADDRESS, _NAME = 1, 3
"""IFLA_ADDRESS, IFLA_IFNAME."""
_ALL: Final = message(rtnetlink.GET_LINK, DUMP, rtnetlink.LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
_BUFFER: Final = 1 << 20


@dataclass(slots=True)
class NamedLink:
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
        self.links: dict[int, NamedLink] = {}
        self.socket = notices.listener(namespace, notices.LINKS, buffer=_BUFFER)
        try:
            self.socket.send(_ALL)
        except BaseException:
            self.socket.close()
            raise

    def read(self) -> None:
        """Take in everything that the kernel has said so far; never waits."""
        for data in notices.received(self.socket):
            if data is None:
                self.socket.send(_ALL)
                continue
            for link in links_of(data):
                known = self.links.get(link.index)
                if link.was_up or known is None or not known.was_up:
                    self.links[link.index] = link

    def close(self) -> None:
        """Stop listening; what is known stays."""
        self.socket.close()


def links_of(data: bytes) -> Iterator[NamedLink]:
    """The links in one datagram of rtnetlink messages; anything else in it is passed over."""
    for kind, _, _, body in messages(data):
        if kind == rtnetlink.NEW_LINK:
            _, _, index, flags, _ = rtnetlink.LINK.unpack_from(body)
            parts = attributes(body, rtnetlink.LINK.size)
            yield NamedLink(index, string(parts.get(_NAME, b"")), parts.get(_ADDRESS, b""), bool(flags & rtnetlink.UP))
