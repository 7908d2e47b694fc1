"""The far end of UDP flows: answers from the very address that was dialled, with what it saw."""

from __future__ import annotations

import socket

from conformance.lab.flow import payload, reports, sockets
from conformance.lab.flow.arrivals import ArrivalLog
from conformance.lab.flow.loop import ERROR, Loop
from conformance.lab.flow.payload import ANSWER, HOLD, QUERY, Seen
from conformance.protocols.marker import flow_of
from conformance.recording.model import AddressFamily


def receive(opened: socket.socket, family: AddressFamily, scratch: memoryview) -> tuple[bytes, bytes | None, str, int]:
    """One datagram: its bytes, the packed address it was sent to, its source's address and port. Raises OSError."""
    length, ancillary, _, source = opened.recvmsg_into((scratch,), sockets.PKTINFO_ROOM)
    return bytes(scratch[:length]), sockets.destination(ancillary, family), source[0].partition("%")[0], source[1]


class DatagramEnd:
    """A UDP socket on every address that answers queries from the address that they were sent to.

    Answers and errors that reach it go to the flow that waits for them, so that it serves as the near end too; only
    there are errors asked for, since a pending one makes the next answer fail. `turn` datagrams are read at once.
    """

    def __init__(
        self,
        name: str,
        opened: socket.socket,
        family: AddressFamily,
        loop: Loop,
        arrivals: ArrivalLog,
        *,
        turn: int = 1,
    ) -> None:
        self.name = name
        self.socket = opened
        self.family: AddressFamily = family
        self._loop = loop
        self._arrivals = arrivals
        self._turn = turn
        sockets.report_destinations(opened, family)
        sockets.allow_fragments(opened, family)
        self.port = int(opened.getsockname()[1])
        loop.watch(opened, self._ready)

    def _ready(self, events: int) -> None:
        if events & ERROR:
            self.take_errors()
        for _ in range(self._turn):
            try:
                message, address, peer, port = receive(self.socket, self.family, self._loop.scratch)
            except OSError:
                return
            head = payload.head(message)
            if head is None:
                continue
            if head.kind == ANSWER:
                waiter = self._arrivals.waiting.get(head.flow)
                if waiter is not None:
                    waiter.answered(message, (peer, port))
            elif head.kind == QUERY and address is not None:
                self._answer(head, message, address, peer, port)

    def take_errors(self) -> int:
        """Hand pending ICMP errors to the flows that they quote; returns how many there were."""
        taken = list(reports.take(self.socket))
        for report in taken:
            waiter = self._arrivals.waiting.get(flow_of(report.quote))
            if waiter is not None:
                waiter.reported(report)
        return len(taken)

    def _answer(self, head: payload.Head, message: bytes, address: bytes, peer: str, port: int) -> None:
        local = payload.unpacked(address, 4 if self.family == "ipv4" else 6)
        answer = self._arrivals.arrived(head, message, Seen(self.name, peer, port, local, self.port))
        if head.flags & HOLD:
            self._arrivals.ends.setdefault(head.flow, DatagramPeer(self, peer, port, address))
        self.send(answer, peer, port, address)

    def send(self, message: bytes, peer: str, port: int, address: bytes) -> None:
        """Send from the local `address`; an answer that cannot be sent is lost, as the far end's verdict shows."""
        try:
            self.socket.sendmsg((message,), (sockets.sender(address, self.family),), 0, (peer, port))
        except OSError:
            return


class DatagramPeer:
    """One peer of a `DatagramEnd`, with the local address that it is spoken to from."""

    def __init__(self, owner: DatagramEnd, peer: str, port: int, address: bytes) -> None:
        self.name = owner.name
        self._owner = owner
        self._address = address
        self.peer = payload.end(peer, port)
        self.local = payload.end(payload.unpacked(address, 4 if owner.family == "ipv4" else 6), owner.port)

    def send(self, message: bytes) -> None:
        """Send one datagram to the peer. Raises OSError."""
        ancillary = sockets.sender(self._address, self._owner.family)
        self._owner.socket.sendmsg((message,), (ancillary,), 0, (self.peer.address, self.peer.port))
