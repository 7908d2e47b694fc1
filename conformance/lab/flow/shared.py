"""UDP through one socket for many flows: for the mesh of all pairs, and for flows that are kept open."""

from __future__ import annotations

import socket
import time
from typing import Final

from conformance.lab.flow import payload, sockets
from conformance.lab.flow.arrivals import ArrivalLog, End
from conformance.lab.flow.datagram_end import DatagramEnd, DatagramPeer
from conformance.lab.flow.exchange import Course, Exchange
from conformance.lab.flow.loop import Loop
from conformance.lab.flow.probe import Probe

_TURN: Final = 64
"""Answers read at once: as many as are begun at once."""


class SharedSource:
    """An unconnected UDP socket of a source, and what it would be called towards each destination."""

    def __init__(self, probe: Probe, loop: Loop, arrivals: ArrivalLog) -> None:
        kind = sockets.udp_kind(probe.family)
        opened, self._asker = probe.namespace.call(sockets.open_sockets, [kind, kind])
        sockets.report_errors(opened, probe.family)
        try:
            sockets.bind_source(opened, probe, probe.source_port)
        except OSError:
            opened.close()
            self._asker.close()
            raise
        if not opened.getsockname()[1]:
            opened.bind((sockets.wildcard(probe.family), 0))
        self.end = DatagramEnd(probe.source, opened, probe.family, loop, arrivals, turn=_TURN)
        self._addresses: dict[str, str] = {}

    def local(self, destination: str) -> tuple[str, int]:
        """The address and port that flows to `destination` have. Raises OSError where there is no route."""
        address = self._addresses.get(destination)
        if address is None:
            bound = str(self.end.socket.getsockname()[0])
            unspecified = bound in {"0.0.0.0", "::"}  # noqa: S104
            address = sockets.local_address(self._asker, destination) if unspecified else bound
            self._addresses[destination] = address
        return address, self.end.port

    def close(self) -> None:
        """Close the socket that only asks; the loop closes the other."""
        self._asker.close()


class SharedExchange(Exchange):
    """One query through a shared socket. Where the socket is of this flow only, the flow may be `held`: the socket
    stays open, unconnected, and hears whatever comes to its port."""

    __slots__ = ("_message", "source")
    kind = None

    def __init__(self, probe: Probe, course: Course, source: SharedSource, *, held: bool = False) -> None:
        super().__init__(probe, course)
        self.source = source
        self._message = payload.query(probe.id, flags=payload.HOLD if held else 0)

    @property
    def near(self) -> End | None:
        """The near end, None where there is no route."""
        if self.local is None:
            return None
        return DatagramPeer(self.source.end, self.probe.destination, self.probe.port, payload.packed(self.local[0]))

    def begin(self, opened: socket.socket | None) -> None:  # noqa: ARG002
        """Wait for the answer, and send."""
        self.course.arrivals.waiting[self.probe.id] = self
        self.sent_ns = time.time_ns()
        self.again()

    def again(self) -> None:
        """Send (once more)."""
        self.tries += 1
        probe = self.probe
        try:
            self.local = self.source.local(probe.destination)
            self._send((probe.destination, probe.port))
        except OSError as problem:
            self.failed(problem)
        if self.status is None and self.tries < probe.tries:
            self.course.later(self)

    def _send(self, destination: tuple[str, int]) -> None:
        end = self.source.end
        try:
            end.socket.sendto(self._message, destination)
        except OSError:
            if not end.take_errors():  # any flow of this socket may have caused it
                raise
            if self.status is None:
                end.socket.sendto(self._message, destination)

    def answered(self, message: bytes, source: tuple[str, int]) -> None:
        """The answer came; as with a connected socket it counts only from the address and port that were dialled."""
        if source[1] != self.probe.port or payload.packed(source[0]) != payload.packed(self.probe.destination):
            self.detail = f"answered from {source[0]} port {source[1]}"
            return
        self.answer = message
        self.finish("answered", self.detail)

    def release(self) -> None:
        """Wait no more."""
        self.course.arrivals.waiting.pop(self.probe.id, None)
