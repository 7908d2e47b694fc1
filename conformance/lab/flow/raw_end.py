"""The far end of bare IP protocols, and a witness of ICMP echo requests."""

from __future__ import annotations

import socket
from struct import Struct
from typing import Final

from conformance.lab.flow import payload, sockets
from conformance.lab.flow.arrivals import ArrivalLog
from conformance.lab.flow.datagram_end import receive
from conformance.lab.flow.forms import ECHO_REQUEST, ICMP, Bare, behind_ip
from conformance.lab.flow.loop import Loop
from conformance.lab.flow.payload import QUERY, Seen
from conformance.recording.model import AddressFamily

_TURN: Final = 64
"""Packets read from one socket before the others have their turn."""
_ICMP_FILTER: Final = 1
"""Option of both SOL_RAW and IPPROTO_ICMPV6 (linux/icmp.h; RFC 3542 §3.2)."""
_SOL_RAW: Final = 255


class BareEnd:
    """A raw socket that answers queries of one IP protocol."""

    def __init__(self, name: str, opened: socket.socket, form: Bare, loop: Loop, arrivals: ArrivalLog) -> None:
        self.name = name
        self.socket = opened
        self._form = form
        self._loop = loop
        self._arrivals = arrivals
        sockets.report_destinations(opened, form.family)
        sockets.allow_fragments(opened, form.family)
        loop.watch(opened, self._ready)

    def _ready(self, _events: int) -> None:
        for _ in range(_TURN):
            try:
                data, address, peer, _ = receive(self.socket, self._form.family, self._loop.scratch)
            except OSError:
                return
            message = self._form.undress(data)
            head = payload.head(message)
            if head is None or head.kind != QUERY or address is None:
                continue
            local = payload.unpacked(address, 4 if self._form.family == "ipv4" else 6)
            answer = self._arrivals.arrived(head, message, Seen(self.name, peer, 0, local, 0))
            form = self._form.reversed(behind_ip(data, self._form.family))
            try:
                ancillary = sockets.sender(address, form.family)
                self.socket.sendmsg((form.dress(answer, address, payload.packed(peer)),), (ancillary,), 0, (peer, 0))
            except OSError:
                continue


class EchoWitness:
    """A raw socket that notes the echo requests of flows; the kernel answers them."""

    def __init__(
        self, name: str, opened: socket.socket, family: AddressFamily, loop: Loop, arrivals: ArrivalLog
    ) -> None:
        self.name = name
        self.socket = opened
        self._family: AddressFamily = family
        self._loop = loop
        self._arrivals = arrivals
        filter_icmp(opened, family, ECHO_REQUEST[family])
        sockets.report_destinations(opened, family)
        loop.watch(opened, self._ready)

    def _ready(self, _events: int) -> None:
        for _ in range(_TURN):
            try:
                data, address, peer, _ = receive(self.socket, self._family, self._loop.scratch)
            except OSError:
                return
            packet = behind_ip(data, self._family)
            head = payload.head(packet[ICMP.size :])
            if head is None or address is None:
                continue
            identifier = ICMP.unpack_from(packet)[3]
            local = payload.unpacked(address, 4 if self._family == "ipv4" else 6)
            self._arrivals.arrived(head, packet[ICMP.size :], Seen(self.name, peer, identifier, local, identifier))


def filter_icmp(opened: socket.socket, family: AddressFamily, kind: int) -> None:
    """Let a raw ICMP socket receive messages of type `kind` alone."""
    if family == "ipv4":
        opened.setsockopt(_SOL_RAW, _ICMP_FILTER, (~(1 << kind) & 0xFFFF_FFFF).to_bytes(4, "little"))
        return
    blocked = [0xFFFF_FFFF] * 8
    blocked[kind >> 5] &= ~(1 << (kind & 31))
    opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP_FILTER, Struct("=8I").pack(*blocked))
