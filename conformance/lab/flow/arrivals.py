"""What arrived where, written down inside the destinations, by flow id."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from conformance.lab.flow import payload
from conformance.lab.flow.payload import Head, Seen
from conformance.lab.flow.reports import KernelReport
from conformance.recording.model import Answer, Socket


class FirstArrival(NamedTuple):
    """The first arrival of a flow: what was seen, the answer that says it, and whether the payload was unchanged."""

    seen: Seen
    answer: bytes
    intact: bool | None


class Waiter(Protocol):
    """A flow that waits for an answer on a socket that it shares with others."""

    def answered(self, message: bytes, source: tuple[str, int]) -> None:
        """The answer came, from this address and port."""

    def reported(self, report: KernelReport) -> None:
        """An ICMP error that quotes this flow came."""


class End(Protocol):
    """One end of a flow that is kept open."""

    name: str

    @property
    def peer(self) -> Socket:
        """The other end, as this one sees it."""

    @property
    def local(self) -> Socket:
        """This end's own address and port."""

    def send(self, message: bytes) -> None:
        """Send to the other end. Raises OSError."""


class ArrivalLog:
    """Arrivals of all flows, the ends kept open, and who waits for an answer on a shared socket."""

    def __init__(self) -> None:
        self.arrivals: dict[int, FirstArrival] = {}
        self.ends: dict[int, End] = {}
        self.waiting: dict[int, Waiter] = {}

    def arrived(self, head: Head, message: bytes, seen: Seen) -> bytes:
        """Write down that a query arrived; returns the answer to it. Only the first arrival of a flow is kept."""
        answer = payload.answer(head.flow, seen)
        if head.flow not in self.arrivals:
            self.arrivals[head.flow] = FirstArrival(seen, answer, payload.intact(head, message))
        return answer

    def arrival(self, flow: int) -> Answer | None:
        """What the destination saw of `flow`, None where nothing arrived."""
        found = self.arrivals.get(flow)
        return payload.told(found.seen) if found is not None else None
