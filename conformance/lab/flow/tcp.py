"""TCP: connect, send the query as the first data, take the answer."""

from __future__ import annotations

import errno
import socket
import time
from struct import Struct
from typing import Final

from conformance.lab.flow import payload, reports, sockets
from conformance.lab.flow.arrivals import End
from conformance.lab.flow.exchange import Course, Exchange
from conformance.lab.flow.loop import ERROR, READ, WRITE
from conformance.lab.flow.probe import FAMILY, IP_HEADER, Probe
from conformance.lab.flow.stream_end import NOW, StreamEnd
from conformance.limits import RETRY

_HEADER: Final = 20
_INFO_LENGTH: Final = 104
_TOTAL_RETRANSMITS: Final = 100
"""Offset of tcpi_total_retrans in struct tcp_info (linux/tcp.h)."""
_COUNT: Final = Struct("=I")
_ABORT: Final = Struct("=ii").pack(1, 0)
"""struct linger: close with RST."""
_CONNECTING: Final = frozenset({0, errno.EINPROGRESS})


class TcpExchange(Exchange):
    """One connection.

    A `hasty` one spares packets: the handshake's last ACK goes with the query, and RST instead of FIN ends it. A `held`
    one stays open behind the answer; from then on its `near` end answers like the far one.
    """

    __slots__ = ("_hasty", "_held", "_received", "_rest", "_watching", "kind", "near")

    def __init__(self, probe: Probe, course: Course, *, hasty: bool = False, held: bool = False) -> None:
        super().__init__(probe, course)
        self.near: End | None = None
        self.kind = (FAMILY[probe.family], socket.SOCK_STREAM, 0)
        self._hasty = hasty
        self._held = held
        self._received = b""
        length = probe.size - IP_HEADER[probe.family] - _HEADER if probe.size else 0
        self._rest: bytes | memoryview = payload.query(probe.id, length, flags=payload.HOLD if held else 0)
        self._watching = 0

    def begin(self, opened: socket.socket | None) -> None:
        """Connect, and send at once where the handshake has been completed meanwhile."""
        assert opened is not None
        self.socket = opened
        self._watching = 0
        self.sent_ns = self.sent_ns or time.time_ns()
        self.tries += 1
        try:
            self._prepare(opened)
            number = opened.connect_ex((self.probe.destination, self.probe.port))
            self.local = opened.getsockname()[:2]
        except OSError as problem:
            self._give_up(problem)
            return
        if number not in _CONNECTING:
            self._give_up(OSError(number, ""))
            return
        self._send(opened)

    def _prepare(self, opened: socket.socket) -> None:
        probe = self.probe
        sockets.report_errors(opened, probe.family)
        sockets.set_header(opened, probe)
        if probe.maxseg:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, probe.maxseg)
        if self._hasty:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        sockets.bind_source(opened, probe, probe.source_port)

    def again(self) -> None:
        """Connect anew after a report that need not last."""
        if self.socket is None:
            self.begin(self.probe.namespace.call(sockets.open_sockets, [self.kind])[0])

    def _give_up(self, problem: OSError) -> None:
        """This connection is over; another follows if the probe has a try left and may fare better."""
        self.failed(problem)
        self._abandon()

    def _abandon(self) -> None:
        if self.status is None and self.socket is not None:
            self.course.loop.drop(self.socket)
            self.socket = None
            self.course.later(self)

    def _watch(self, opened: socket.socket, events: int) -> None:
        if not self._watching:
            self.course.loop.watch(opened, self._ready, events)
        elif self._watching != events:
            self.course.loop.change(opened, events)
        self._watching = events

    def _send(self, opened: socket.socket) -> None:
        try:
            sent = opened.send(self._rest, NOW)
        except BlockingIOError:
            self._watch(opened, READ | WRITE)
            return
        except OSError as problem:
            self._broken(opened, problem)
            return
        self._rest = memoryview(self._rest)[sent:] if sent < len(self._rest) else b""
        self._watch(opened, READ | WRITE if self._rest else READ)

    def _ready(self, events: int) -> None:
        opened = self.socket
        if opened is None:
            return
        if events & ERROR:
            self._broken(opened, OSError(opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), ""))
            return
        if events & WRITE and self._rest:
            self._send(opened)
        if events & ~WRITE and self.status is None and self.socket is opened:
            self._receive(opened)

    def _broken(self, opened: socket.socket, problem: OSError) -> None:
        for report in reports.take(opened):
            if self.status is None:
                self.reported(report)
        if self.status is not None:
            return
        if self.report is not None:
            self._abandon()
        elif problem.errno:
            self._give_up(problem)

    def _receive(self, opened: socket.socket) -> None:
        try:
            data = opened.recv(4096)
        except BlockingIOError:
            return
        except OSError as problem:
            self._broken(opened, problem)
            return
        if not data:
            self.finish("refused", "closed without an answer")
            return
        self._received = self._received + data if self._received else data
        head = payload.head(self._received)
        if head is not None and len(self._received) >= head.length:
            self.answer = self._received
            if time.time_ns() - self.sent_ns > RETRY * 0.9e9:
                self._count_tries(opened)
            self.finish("answered", self.detail)

    def release(self) -> None:
        """Close the socket, or keep it where the flow was answered and is held."""
        if not self._held or self.status != "answered" or self.socket is None:
            super().release()
            return
        loop, arrivals = self.course.loop, self.course.arrivals
        loop.forget(self.socket)
        end = StreamEnd(self.probe.source, self.socket, self.socket.getpeername(), loop, arrivals, held=True)
        end.watch()
        self.near = end

    def expire(self) -> None:
        """Count the kernel's retransmissions, then decide."""
        if self.socket is not None and self.socket.fileno() >= 0:
            self._count_tries(self.socket)
        super().expire()

    def _count_tries(self, opened: socket.socket) -> None:
        info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_LENGTH)
        if len(info) >= _INFO_LENGTH:
            self.tries += _COUNT.unpack_from(info, _TOTAL_RETRANSMITS)[0]
