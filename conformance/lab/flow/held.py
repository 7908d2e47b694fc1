"""Flows that are kept open, and used again from either side."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Final

from conformance.lab.flow import payload
from conformance.lab.flow.arrivals import End
from conformance.lab.flow.exchange import Course, Exchange
from conformance.lab.flow.probe import Probe
from conformance.recording.model import Flow, Path

_OTHER_WAY: Final[dict[Path, Path]] = {"inbound": "outbound", "outbound": "inbound"}


@dataclass(frozen=True, slots=True)
class Held:
    """A flow that was opened and stays open: the record of its opening, and both ends (None where not established)."""

    probe: Probe
    flow: Flow
    near: End | None
    far: End | None


class Resumed(Exchange):
    """One query through a held flow, from the end `sender`; one try."""

    __slots__ = ("_sender",)
    kind = None

    def __init__(self, probe: Probe, course: Course, sender: End) -> None:
        super().__init__(probe, course)
        self._sender = sender

    def begin(self, opened: socket.socket | None) -> None:  # noqa: ARG002
        """Send the query."""
        self.course.arrivals.waiting[self.probe.id] = self
        self.sent_ns = time.time_ns()
        self.tries = 1
        self.local = (self._sender.local.address, self._sender.local.port)
        try:
            self._sender.send(payload.query(self.probe.id))
        except OSError as problem:
            self.failed(problem)

    def again(self) -> None:
        """There is no second try: the first packet after the silence is what counts."""

    def answered(self, message: bytes, source: tuple[str, int]) -> None:  # noqa: ARG002
        """The answer came; where from is told by the arrival."""
        self.answer = message
        self.finish("answered")

    def release(self) -> None:
        """Wait no more."""
        self.course.arrivals.waiting.pop(self.probe.id, None)


def resumption(held: Held, flow: int, *, from_server: bool) -> tuple[Probe, End] | None:
    """The probe `flow` through a held flow and the end that sends it; None where the flow was never established."""
    sender, receiver = (held.far, held.near) if from_server else (held.near, held.far)
    if sender is None or receiver is None or held.flow.status != "answered":
        return None
    old = held.probe
    probe = Probe(
        id=flow,
        purpose=old.purpose,
        path=_OTHER_WAY.get(old.path, old.path) if from_server else old.path,
        protocol=old.protocol,
        family=old.family,
        source=sender.name,
        namespace=old.namespace,
        target=receiver.name,
        destination=sender.peer.address,
        port=sender.peer.port,
        tries=1,
    )
    return probe, sender
