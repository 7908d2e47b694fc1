"""What an implementation sent or delivered, as taps saw it: the only frames that a survey alters.

Stations of the lab (endpoints, partners, observers, the client) send frames of their own; what comes in at one of them
over the implementation was delivered by it, and what leaves a host's uplink was sent by it. A frame is altered on every
tap that lies behind the place where the implementation sent it.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from conformance.protocols.mac import mac_number
from conformance.recording.events import events_in
from conformance.recording.events.links import CablePlain
from conformance.recording.index import FrameIndex
from conformance.recording.model import Flow, Record, Socket
from conformance.recording.store import Recording
from conformance.selftest.survey.layouts import layout

STATIONS: Final = ("endpoint", "partner", "observer", "client")
"""Roles of taps at which only the lab sends, and only the implementation (or the lab's switch) delivers."""
NEAR: Final = 50_000_000
"""Two frames with the same bytes within this time, in ns, are one frame on two taps."""
ECHOES: Final = ("icmp-echo", "icmpv6-echo")


class Sent(NamedTuple):
    """Something that was sent: a frame, or all packets of a flow to one of its ends.

    `packets` has for each packet the rows of the index that show it, the one nearest to the receiver first. `flow` is
    the flow, `answer` whether these are the packets to its source.
    """

    kind: str
    packets: tuple[tuple[int, ...], ...]
    flow: Flow | None = None
    answer: bool = False


@dataclass(frozen=True)
class Trace:
    """The frames of a recording by who sent them."""

    recording: Recording

    @cached_property
    def frames(self) -> FrameIndex:
        """The index of all frames."""
        return self.recording.frames

    @property
    def record(self) -> Record:
        """The record."""
        return self.recording.record

    @cached_property
    def _roles(self) -> list[str]:
        return [tap.role for tap in self.record.taps]

    @cached_property
    def _canaries(self) -> frozenset[int]:
        """Rows of frames that the lab itself sent to prove that a path carries them."""
        nonces = [canary.nonce for window in self.record.windows for canary in window.canaries]
        nonces += [nonce for event in events_in(self.record, CablePlain) for nonce in event.nonces.values()]
        return frozenset(int(row) for nonce in nonces for row in self.frames.find(bytes.fromhex(nonce)))

    @cached_property
    def _alike(self) -> dict[bytes, list[int]]:
        """Rows by their bytes, ascending in time."""
        found: dict[bytes, list[int]] = defaultdict(list)
        plain = np.flatnonzero((self.frames.flow == 0) & (self.frames.protocol != 6))
        for row in plain.tolist():
            found[self.frames.frame(row)].append(row)
        return found

    def _near(self, row: int, before: int = NEAR, behind: int = NEAR) -> list[int]:
        """Rows with the same bytes within that time before and behind, without itself."""
        rows, times = self._alike.get(self.frames.frame(row), []), self.frames.time_ns
        moment = int(times[row])
        first = bisect.bisect_left(rows, moment - before, key=lambda one: int(times[one]))
        last = bisect.bisect_right(rows, moment + behind, key=lambda one: int(times[one]))
        return [one for one in rows[first:last] if one != row]

    def _is(self, row: int, roles: Sequence[str], *, leaves: bool) -> bool:
        return self._roles[int(self.frames.tap[row])] in roles and bool(self.frames.outbound[row]) is leaves

    def frames_sent(self) -> Iterator[Sent]:
        """Every frame that the implementation sent or delivered and that belongs to no flow, in order.

        What left an endpoint is among them: an endpoint's kernel speaks ARP and neighbour discovery as the
        implementation set its interface up.
        """
        linked = bool(self.record.ports)
        if not self.frames.outbound.any():
            yield from self._undirected()
            return
        out, into = (("port",), ("partner",)) if linked else (("uplink", "endpoint"), ("endpoint",))
        taken: set[int] = set()
        plain = np.flatnonzero((self.frames.flow == 0) & (self.frames.protocol != 6))
        for row in plain.tolist():
            leaving, coming = self._is(row, out, leaves=True), self._is(row, into, leaves=False)
            if not (leaving or coming) or row in self._canaries or row in taken:
                continue
            copies = self._copies(row, leaving=leaving)
            if linked:
                taken.update(copies)
            yield Sent(f"{self._origin(row, leaving=leaving)}{layout(self.frames.frame(row)).kind}", (tuple(copies),))

    def _origin(self, row: int, *, leaving: bool) -> str:
        """Who made a frame: the implementation (nothing), an endpoint, or a station whose frame was forwarded."""
        if leaving and self._is(row, ("endpoint",), leaves=True):
            return "endpoint "
        lab = any(self._is(one, STATIONS, leaves=True) for one in self._near(row, behind=0))
        return "forwarded " if lab else ""

    def _undirected(self) -> Iterator[Sent]:
        """Frames of a recording made by hand, in which no frame says its direction: those not of a partner's."""
        ours = [mac_number(port.partner_mac) for port in self.record.ports]
        roles = np.array([role in ("partner", "uplink", "port") for role in self._roles])
        for row in np.flatnonzero(roles[self.frames.tap] & ~np.isin(self.frames.source_mac, ours)).tolist():
            yield Sent(layout(self.frames.frame(row)).kind, ((row,),))

    def _copies(self, row: int, *, leaving: bool) -> list[int]:
        """The frame on every tap behind the implementation: the receiver's first, where one received it."""
        if leaving:
            near = [one for one in self._near(row, before=0) if not self._is(one, STATIONS, leaves=True)]
            made = [one for one in self._near(row, behind=0) if self._is(one, ("inside",), leaves=True)]
            return [row, *near, *made]
        return [row, *(one for one in self._near(row, behind=0) if self._is(one, ("inside", "port"), leaves=True))]

    def flows_delivered(self) -> Iterator[Sent]:
        """The packets of every flow that arrived, as the network delivered them: to its target, and to its source."""
        where = _taps_by_place(self.record)
        hosts = {endpoint.name: endpoint.host for endpoint in self.record.endpoints}
        for flow in self.record.flows:
            if flow.local is None or flow.arrival is None or flow.source == flow.target:
                continue
            ways = [(flow.target, flow.source, flow.arrival.peer, flow.arrival.local, False)]
            if flow.answer is not None:
                ways.append((flow.source, flow.target, flow.dialled, flow.local, True))
            for place, other, source, destination, answer in ways:
                rows = self._conversation(flow, source, destination)
                at = [row for row in rows if self._is_at(row, where.get(place, ()), leaves=False)]
                if at:
                    behind = self._behind(rows, hosts.get(place), hosts.get(other), where)
                    packets = tuple((row, *self._same(row, behind)) for row in at)
                    kind = layout(self.frames.frame(at[0])).kind
                    yield Sent(f"{'answer' if answer else 'flow'} {kind}", packets, flow, answer)

    def _is_at(self, row: int, taps: Sequence[int], *, leaves: bool) -> bool:
        return int(self.frames.tap[row]) in taps and bool(self.frames.outbound[row]) is leaves

    def _conversation(self, flow: Flow, source: Socket, destination: Socket) -> list[int]:
        """Rows of the packets of a flow in one direction, also of those that carry no marker (TCP without data)."""
        if flow.protocol != "tcp":
            rows = self.recording.flow_rows.get(flow.id, np.empty(0, dtype=np.int64))
            same = self.frames.mask(source=source.address, destination=destination.address)[rows]
            return [int(row) for row in rows[same]]
        found = self._segments.get((source.address, source.port, destination.address, destination.port), [])
        times = self.frames.time_ns
        return [row for row in found if flow.sent_ns - NEAR <= times[row] <= flow.done_ns + NEAR]

    @cached_property
    def _segments(self) -> dict[tuple[str, int, str, int], list[int]]:
        """Rows of TCP segments by addresses and ports."""
        found: dict[tuple[str, int, str, int], list[int]] = defaultdict(list)
        index = self.frames
        for row in np.flatnonzero(index.protocol == 6).tolist():
            ports = int(index.source_port[row]), int(index.destination_port[row])
            ends = str(index.address(row, "source")), str(index.address(row, "destination"))
            found[ends[0], ports[0], ends[1], ports[1]].append(row)
        return found

    def _behind(
        self, rows: Sequence[int], host: str | None, other: str | None, where: Mapping[str, list[int]]
    ) -> list[int]:
        """Of a flow's rows those on taps between the implementation and the place that it delivers to."""
        if host is not None:
            return [row for row in rows if self._is_at(row, where.get(host, ()), leaves=True) and self._inside(row)]
        return [
            row
            for row in rows
            if self._roles[self.frames.tap[row]] == "rack"
            or (other is not None and self._is_at(row, where.get(other, ()), leaves=True) and not self._inside(row))
        ]

    def _inside(self, row: int) -> bool:
        return self._roles[int(self.frames.tap[row])] == "inside"

    def _same(self, row: int, rows: Sequence[int]) -> list[int]:
        """Rows that show the same packet, whatever a router between did to its hop limit."""
        return [one for one in rows if self._packet(one) == self._packet(row)]

    def _packet(self, row: int) -> bytes:
        frame, at = self.frames.frame(row), int(self.frames.l3_offset[row])
        if self.frames.ip_version[row] == 4:
            return frame[at : at + 8] + frame[at + 9 : at + 10] + frame[at + 12 :]
        return frame[at : at + 7] + frame[at + 8 :]


def _taps_by_place(record: Record) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for tap in record.taps:
        found[tap.where].append(tap.number)
    return found
