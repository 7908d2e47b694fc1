"""What the kernel announces of namespaces over time: neighbour entries, forwarding databases, addresses, links.

One thread listens to rtnetlink in all of them and writes down when it read each notification; they are decoded at the
end. Nothing is asked or polled.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, Self

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import attributes, messages, notices, rtnetlink, string
from conformance.protocols.mac import mac_text
from conformance.recording.model import Change

NEIGHBOURS: Final = notices.NEIGHBOURS
"""Neighbour entries and, of bridges, forwarding entries."""
PRESENCE: Final = notices.LINKS | notices.IPV4_ADDRESSES | notices.IPV6_ADDRESSES
_BUFFER: Final = 4 << 20
_STATES: Final = {
    0x00: "none", 0x01: "incomplete", 0x02: "reachable", 0x04: "stale", 0x08: "delay", 0x10: "probe", 0x20: "failed",
    0x40: "noarp", 0x80: "permanent",
}  # fmt: skip
_TENTATIVE, _DAD_FAILED, _OPTIMISTIC = 0x40, 0x08, 0x04
_LOWER_UP: Final = 0x1_0000
_SELF: Final = 0x02


class Monitor:
    """Listens from `watch` on, until `stop`, which returns every change in the order of its time."""

    def __init__(self) -> None:
        self._sockets: dict[int, tuple[socket.socket, str]] = {}
        self._names: dict[tuple[str, int], str] = {}
        self._heard: list[tuple[int, str, bytes]] = []
        self.overflowed: list[str] = []
        self._poll = select.epoll()
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._thread.start()

    def watch(self, namespace: Namespace, where: str, groups: int) -> None:
        """Listen in a namespace, called `where`, unless its kernel is not `monitorable`. Raises OSError."""
        if not namespace.kernel.monitorable:
            return
        listener = notices.listener(namespace, groups, buffer=_BUFFER)
        names = {(where, number): name for number, name in namespace.call(socket.if_nameindex)}
        with self._lock:
            self._names |= names
            self._sockets[listener.fileno()] = (listener, where)
        self._poll.register(listener, select.EPOLLIN)

    def _run(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._wake:
                    return
                self._read(descriptor)

    def _read(self, descriptor: int) -> None:
        with self._lock:
            listener, where = self._sockets[descriptor]
        for data in notices.received(listener):
            if data is None:
                self.overflowed.append(where)
            else:
                self._heard.append((time.time_ns(), where, data))

    def stop(self) -> tuple[Change, ...]:
        """End listening and return what was heard."""
        if not self._poll.closed:
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            os.close(self._wake)
            for descriptor in list(self._sockets):
                self._read(descriptor)
            self._poll.close()
            for listener, _ in self._sockets.values():
                listener.close()
        found: list[Change] = []
        for moment, where, data in self._heard:
            found += self._decode(moment, where, data)
        return tuple(found)

    def _decode(self, moment: int, where: str, data: bytes) -> Iterator[Change]:
        for kind, _, _, body in messages(data):
            if kind in (rtnetlink.NEW_LINK, rtnetlink.DELETE_LINK) and body[0] == socket.AF_UNSPEC:
                yield self._link(moment, where, body, gone=kind == rtnetlink.DELETE_LINK)
            elif kind in (rtnetlink.NEW_ADDRESS, rtnetlink.DELETE_ADDRESS):
                yield self._address(moment, where, body, gone=kind == rtnetlink.DELETE_ADDRESS)
            elif kind in (rtnetlink.NEW_NEIGHBOUR, rtnetlink.DELETE_NEIGHBOUR):
                yield from self._neighbour(moment, where, body, gone=kind == rtnetlink.DELETE_NEIGHBOUR)

    def _link(self, moment: int, where: str, body: bytes, *, gone: bool) -> Change:
        _, _, index, flags, _ = rtnetlink.LINK.unpack_from(body)
        parts = attributes(body, rtnetlink.LINK.size)
        name = self._names[where, index] = string(parts.get(3, b"")) or self._names.get((where, index), f"if{index}")
        up = flags & rtnetlink.UP and flags & _LOWER_UP
        mac = mac_text(parts.get(1, b""))
        return Change(
            time_ns=moment,
            where=where,
            what="link",
            key=name,
            value=mac,
            state="gone" if gone else "up" if up else "down",
        )

    def _address(self, moment: int, where: str, body: bytes, *, gone: bool) -> Change:
        _, _, flags, _, index = rtnetlink.ADDRESS.unpack_from(body)
        parts = attributes(body, rtnetlink.ADDRESS.size)
        raw = parts.get(2) or parts[1]
        if 8 in parts:
            flags = int.from_bytes(parts[8], sys.byteorder)
        tentative = flags & _TENTATIVE and not flags & _OPTIMISTIC
        state = "duplicate" if flags & _DAD_FAILED else "tentative" if tentative else "usable"
        return Change(
            time_ns=moment,
            where=where,
            what="address",
            key=str(ip_address(raw)),
            value=self._names.get((where, index), f"if{index}"),
            state="gone" if gone else state,
        )

    def _neighbour(self, moment: int, where: str, body: bytes, *, gone: bool) -> Iterator[Change]:
        family, index, state, flags, _ = rtnetlink.NEIGHBOUR.unpack_from(body)
        parts = attributes(body, rtnetlink.NEIGHBOUR.size)
        interface = self._names.get((where, index), f"if{index}")
        mac = mac_text(parts.get(2, b""))
        if family == socket.AF_BRIDGE:
            if not flags & _SELF:
                said = "gone" if gone else "permanent" if state & 0x80 else "learned"
                yield Change(time_ns=moment, where=where, what="forwarding", key=mac, value=interface, state=said)
        elif family in (socket.AF_INET, socket.AF_INET6):
            words = "gone" if gone else _STATES.get(state, str(state))
            address = str(ip_address(parts[1]))
            yield Change(time_ns=moment, where=where, what="neighbour", key=address, value=mac, state=words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
