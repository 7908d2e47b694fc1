"""One probe on its way: what all protocols have in common, up to the record of it."""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from typing import Protocol

from conformance.lab.flow import payload
from conformance.lab.flow.arrivals import ArrivalLog
from conformance.lab.flow.loop import Loop
from conformance.lab.flow.probe import Probe
from conformance.lab.flow.reports import KernelReport
from conformance.lab.flow.sockets import SOFT, Kind, local_failure
from conformance.recording.model import Flow, IcmpReport, Status


class Course(Protocol):
    """The run that an exchange belongs to."""

    loop: Loop
    arrivals: ArrivalLog

    def later(self, exchange: Exchange) -> None:
        """Have `exchange.again` called `limits.RETRY` from now, unless it has finished by then."""

    def finished(self) -> None:
        """One exchange has finished."""


class Exchange(ABC):
    """A probe from its first try to its record.

    `begin` sends, `again` repeats; `finish` is called exactly once, by whatever decides the probe.
    """

    __slots__ = (
        "answer",
        "course",
        "detail",
        "done_ns",
        "local",
        "probe",
        "report",
        "reported_status",
        "sent_ns",
        "socket",
        "status",
        "tries",
        "unchanged",
    )
    kind: Kind | None
    """The socket to open for it, None if it shares one."""

    def __init__(self, probe: Probe, course: Course) -> None:
        self.probe = probe
        self.course = course
        self.socket: socket.socket | None = None
        self.status: Status | None = None
        self.detail = ""
        self.report: IcmpReport | None = None
        self.reported_status: Status = "unreachable"
        self.local: tuple[str, int] | None = None
        self.answer: bytes | None = None
        self.unchanged: bool | None = None
        self.tries = 0
        self.sent_ns = 0
        self.done_ns = 0

    @abstractmethod
    def begin(self, opened: socket.socket | None) -> None:
        """Send the first time, from `opened` (None where `kind` is)."""

    @abstractmethod
    def again(self) -> None:
        """Send another time."""

    def finish(self, status: Status, detail: str = "") -> None:
        """Decide the flow and close its socket."""
        if self.status is not None:
            return
        self.status = status
        self.detail = detail
        self.done_ns = time.time_ns()
        self.release()
        self.course.finished()

    def release(self) -> None:
        """Close what the exchange has open."""
        if self.socket is not None:
            self.course.loop.drop(self.socket)

    def expire(self) -> None:
        """The deadline has passed: what is known by now decides."""
        if self.report is not None:
            self.finish(self.reported_status, self.detail)
        else:
            self.finish("timeout", self.detail)

    def failed(self, problem: OSError) -> None:
        """The source's own system refused; another try may fare better where routes or addresses are lacking."""
        status, detail = local_failure(problem)
        self.detail = detail
        if problem.errno not in SOFT or self.tries >= self.probe.tries:
            self.finish(status, detail)

    def reported(self, report: KernelReport) -> None:
        """An ICMP error came back for this flow."""
        if report.icmp is None:
            self.failed(OSError(report.number, ""))
            return
        self.report = report.icmp
        self.reported_status = status = report.status
        soft = report.transient or (status == "too-big" and not self.probe.dont_fragment)
        if self.probe.protocol == "ip" and report.no_listener:
            soft = True  # the kernel beside the raw socket that answers may say so
        if not soft or self.tries >= self.probe.tries:
            self.finish(status)

    def record(self) -> Flow:
        """The flow as the recording keeps it."""
        probe = self.probe
        arrival = self.course.arrivals.arrivals.get(probe.id)
        arrived = answered = None
        if arrival is not None:
            arrived = payload.told(arrival.seen)
        if self.answer is not None:
            if arrival is not None and arrival.answer == self.answer:
                answered = arrived
            elif (seen := payload.decode_answer(self.answer)) is not None:
                answered = payload.told(seen)
        return Flow(
            id=probe.id,
            purpose=probe.purpose,
            path=probe.path,
            protocol=probe.protocol,
            family=probe.family,
            source=probe.source,
            target=probe.target,
            dialled=payload.end(probe.destination, self.dialled_port),
            local=payload.end(*self.local) if self.local else None,
            number=probe.number,
            ttl=probe.ttl,
            size=probe.size,
            dont_fragment=probe.dont_fragment,
            status=self.status or "error",
            detail=self.detail,
            report=self.report,
            arrival=arrived,
            answer=answered,
            intact=arrival.intact if arrival is not None else self.unchanged,
            tries=max(self.tries, 1),
            sent_ns=self.sent_ns,
            done_ns=self.done_ns,
        )

    @property
    def dialled_port(self) -> int:
        """The port of the record's `dialled`."""
        return self.probe.port
