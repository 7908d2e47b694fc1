"""UDP, ICMP echo and bare IP: a connected socket for each probe, tried until answered."""

from __future__ import annotations

import socket
import time

from conformance.lab.flow import payload, reports, sockets
from conformance.lab.flow.exchange import Course, Exchange
from conformance.lab.flow.forms import DISCARD, ECHO_REPLY, SOURCE_PORT, Bare, Datagram, Echo, Form
from conformance.lab.flow.loop import ERROR, READ
from conformance.lab.flow.payload import ANSWER
from conformance.lab.flow.probe import Probe
from conformance.lab.flow.raw_end import filter_icmp

_PATTERN = 40
"""Bytes of pattern behind the head of a raw probe of no particular size."""
_TURN = 16


def form_of(probe: Probe) -> Form:
    """The form of a probe's packets."""
    if probe.protocol == "udp":
        return Datagram(probe.family)
    if probe.protocol == "icmp":
        return Echo(probe.family, probe.source_port or probe.id & 0xFFFF, probe.id & 0xFFFF)
    return Bare(probe.family, probe.number, probe.source_port or SOURCE_PORT, probe.port or DISCARD)


class DatagramExchange(Exchange):
    """One query, repeated until it is answered or refused."""

    __slots__ = ("_form", "_packet", "kind")

    def __init__(self, probe: Probe, course: Course) -> None:
        super().__init__(probe, course)
        self._form = form_of(probe)
        self.kind = self._form.kind
        self._packet = b""

    def begin(self, opened: socket.socket | None) -> None:
        """Connect, so that errors and answers of this flow come to this socket, and send."""
        assert opened is not None
        self.socket = opened
        self.sent_ns = time.time_ns()
        probe = self.probe
        try:
            sockets.report_errors(opened, probe.family)
            sockets.set_header(opened, probe)
            sockets.allow_fragments(opened, probe.family, dont_fragment=probe.dont_fragment)
            sockets.bind_source(opened, probe, probe.source_port if probe.protocol == "udp" else 0)
            if probe.protocol == "icmp":
                filter_icmp(opened, probe.family, ECHO_REPLY[probe.family])
        except OSError as problem:
            self.finish(*sockets.local_failure(problem))
            return
        self.course.loop.watch(opened, self._ready)
        self.again()

    def _connect(self, opened: socket.socket) -> None:
        probe = self.probe
        opened.connect((probe.destination, probe.port if probe.protocol == "udp" else 0))
        address, port = opened.getsockname()[:2]
        if isinstance(self._form, Echo):
            port = self._form.identifier
        self.local = (address, port if probe.protocol != "ip" else 0)
        length = probe.size - self._form.overhead if probe.size else 0
        if not probe.size and probe.protocol != "udp":
            length = payload.HEAD.size + _PATTERN
        message = payload.query(probe.id, length)
        self._packet = self._form.dress(message, payload.packed(address), payload.packed(probe.destination))

    def again(self) -> None:
        """Send (once more)."""
        opened = self.socket
        if opened is None:
            return
        self.tries += 1
        try:
            if self.local is None:
                self._connect(opened)
            self._send(opened)
        except OSError as problem:
            self.failed(problem)
        if self.status is None and self.tries < self.probe.tries:
            self.course.later(self)

    def _send(self, opened: socket.socket) -> None:
        try:
            opened.send(self._packet)
        except OSError:
            if not self._errors(opened):
                raise
            if self.status is None:  # it was an earlier try's error that send returned
                opened.send(self._packet)

    def _errors(self, opened: socket.socket) -> int:
        """Take the errors of the queue; returns how many were this flow's."""
        own = 0
        for report in reports.take(opened):
            if self.status is None and self._form.quotes(report.quote, self.probe.id):
                own += 1
                self.reported(report)
        return own

    def _ready(self, events: int) -> None:
        opened = self.socket
        if opened is None:
            return
        if events & ERROR:
            self._errors(opened)
        if events & READ and self.status is None:
            self._receive(opened)

    def _receive(self, opened: socket.socket) -> None:
        for _ in range(_TURN):
            try:
                length = opened.recv_into(self.course.loop.scratch)
            except OSError:
                return
            message = self._form.undress(bytes(self.course.loop.scratch[:length]))
            head = payload.head(message)
            if head is None or head.flow != self.probe.id:
                continue
            if head.kind == ANSWER:
                self.answer = message
            elif self.probe.protocol == "icmp":
                self.unchanged = payload.intact(head, message)
            else:
                continue
            self.finish("answered", self.detail)
            return

    @property
    def dialled_port(self) -> int:
        """For ICMP the echo identifier, as on the record's other ends; 0 for bare IP."""
        if isinstance(self._form, Echo):
            return self._form.identifier
        return self.probe.port if self.probe.protocol == "udp" else 0
