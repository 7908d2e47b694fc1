"""Every packet of every flow, as it left its source and as it arrived at its target.

The taps at both ends of a flow saw its packets. Each one that arrived is paired with the one that was sent; what
differs is named by its field, with both frames. Nothing is judged here: a check says which difference is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.judging.matching import Matches, match
from conformance.judging.packet_differences import Difference, differences
from conformance.judging.packet_fields import TCP, Numbers, Packets, datagrams, mixed, packets
from conformance.recording.index import FrameIndex, Rows
from conformance.recording.model import Flow, Record
from conformance.recording.store import Recording

_ENDS: Final = frozenset({"endpoint", "client", "observer"})
"""Roles of taps that see all that their station sends and receives; a host's own traffic can leave by interfaces that
no tap watches."""


@dataclass(frozen=True)
class Crossing:
    """The packets of one flow: rows of the frame index of each pair (`sent`, `arrived`), and what differs.

    `back` says of each pair that it travelled from the flow's target to its source, `same` that all is equal behind the
    IP header but ports and checksum. `lost`, `again` and `unsent` are
    rows of packets without a counterpart (`conformance.judging.matching.Matches`).
    """

    sent: tuple[int, ...] = ()
    arrived: tuple[int, ...] = ()
    back: tuple[bool, ...] = ()
    same: tuple[bool, ...] = ()
    lost: tuple[int, ...] = ()
    again: tuple[int, ...] = ()
    unsent: tuple[int, ...] = ()
    differences: tuple[Difference, ...] = ()


def crossings(recording: Recording) -> Mapping[int, Crossing]:
    """The crossing of every flow of which both ends were watched, by flow id; computed once for a recording."""
    if "crossings" not in recording.memory:
        recording.memory["crossings"] = _crossings(recording.frames, recording.record)
    found: Mapping[int, Crossing] = recording.memory["crossings"]
    return found


def _crossings(index: FrameIndex, record: Record) -> dict[int, Crossing]:
    ends = ends_of(record)
    if not ends.flows:
        return {}
    leg, leaving = _legs(index, ends)
    fragment = (index.more_fragments | (index.fragment_offset > 0)) & (leg >= 0)
    whole = datagrams(index, np.flatnonzero(fragment))
    first = np.isin(np.arange(len(index)), list(whole))
    usable = (leg >= 0) & (~fragment | first) & (index.l4_offset > 0)
    sides = [np.flatnonzero(usable & chosen) for chosen in (leaving, ~leaving)]
    sent, arrived = (packets(index, rows, leg[rows], whole) for rows in sides)
    return _by_flow(index, ends.flows, sent, arrived, match(index, sent, arrived))


class Ends:
    """The flows of which both ends were watched, and where: `places` by tap number, -1 for a tap of no end; `source`
    and `target` are places by the position of the flow."""

    def __init__(self, record: Record) -> None:
        names = {tap.where: number for number, tap in enumerate(record.taps) if tap.role in _ENDS}
        self.places = np.full(max((tap.number for tap in record.taps), default=-1) + 1, -1, dtype=np.int64)
        for tap in record.taps:
            if tap.role in _ENDS and not tap.dropped:
                self.places[tap.number] = names[tap.where]
        cut = {tap.where for tap in record.taps if tap.dropped}
        watched = names.keys() - cut
        self.flows = [flow for flow in record.flows if {flow.source, arrived_at(flow)} <= watched]
        self.source = np.array([names[flow.source] for flow in self.flows], dtype=np.int64)
        self.target = np.array([names[arrived_at(flow)] for flow in self.flows], dtype=np.int64)
        self.ids = np.array([flow.id for flow in self.flows], dtype=np.uint64)


def ends_of(record: Record) -> Ends:
    """The ends of a recording's flows."""
    return Ends(record)


def arrived_at(flow: Flow) -> str:
    """The station at which a flow arrived; where it did not, the one that it was meant for."""
    return flow.arrival.server if flow.arrival is not None else flow.target


def _legs(index: FrameIndex, ends: Ends) -> tuple[Numbers, NDArray[np.bool_]]:
    """Of every frame: twice the position of its flow, and one more on the way back; -1 for a frame of no flow, or at
    no end of it. And whether it leaves there."""
    place = ends.places[index.tap]
    flow = _positions(index, ends, place)
    leaving = index.outbound.copy()
    known = flow >= 0
    source, target = ends.source[flow], ends.target[flow]
    at_source, at_target = known & (place == source), known & (place == target)
    back = (at_source & ~leaving & ~at_target) | (at_target & leaving & ~at_source)
    return np.where(at_source | at_target, flow * 2 + back, -1), leaving


def _positions(index: FrameIndex, ends: Ends, place: Numbers) -> Numbers:
    """The position of every frame's flow, -1 without one: by its marker, in TCP by its connection, and a later fragment
    by the first one."""
    order = np.argsort(ends.ids)
    at = np.minimum(np.searchsorted(ends.ids[order], index.flow), len(order) - 1)
    found: Numbers = np.where((ends.ids[order][at] == index.flow) & (place >= 0), order[at], -1)
    tcp = np.flatnonzero((index.protocol == TCP) & (place >= 0) & (index.l4_offset > 0))
    _spread(found, tcp, _connections(index, tcp, place))
    later = np.flatnonzero((index.more_fragments | (index.fragment_offset > 0)) & (place >= 0))
    _spread(found, later, _datagram_keys(index, later))
    return found


def _spread(found: Numbers, rows: Rows, keys: Numbers) -> None:
    """Give every row of a key the flow that some rows of it have; a key of several flows gives none."""
    marked = found[rows] >= 0
    pairs = np.unique(np.stack((keys[marked], found[rows][marked])), axis=1)
    known, count = np.unique(pairs[0], return_counts=True)
    single = np.isin(pairs[0], known[count == 1])
    names, flows = pairs[0][single], pairs[1][single]
    if not len(names):
        return
    at = np.minimum(np.searchsorted(names, keys), len(names) - 1)
    found[rows] = np.where(names[at] == keys, flows[at], found[rows])


def _connections(index: FrameIndex, rows: Rows, place: Numbers) -> Numbers:
    """A number for the connection of each TCP segment, the same in both directions, another one at each place."""
    one = mixed(index.source_high[rows], index.source_low[rows], index.source_port[rows])
    other = mixed(index.destination_high[rows], index.destination_low[rows], index.destination_port[rows])
    return mixed(place[rows], np.minimum(one, other), np.maximum(one, other))


def _datagram_keys(index: FrameIndex, rows: Rows) -> Numbers:
    """A number for the datagram of each fragment on each tap in each direction."""
    columns = (index.source_high, index.source_low, index.destination_high, index.destination_low, index.ip_id)
    return mixed(index.tap[rows], index.outbound[rows], *(column[rows] for column in columns))


def _by_flow(
    index: FrameIndex, flows: Sequence[Flow], sent: Packets, arrived: Packets, found: Matches
) -> dict[int, Crossing]:
    """The crossing of every flow of which a packet was seen at one of its ends."""
    made: dict[int, _Building] = {}

    def of(leg: int) -> _Building:
        return made.setdefault(flows[leg // 2].id, _Building())

    for near, far, same in zip(found.sent.tolist(), found.arrived.tolist(), found.same.tolist(), strict=True):
        leg = int(sent.leg[near])
        of(leg).pairs.append((int(sent.rows[near]), int(arrived.rows[far]), bool(leg & 1), same))
    for position in found.lost.tolist():
        of(int(sent.leg[position])).lost.append(int(sent.rows[position]))
    for position in found.again.tolist():
        of(int(arrived.leg[position])).again.append(int(arrived.rows[position]))
    for position in found.unsent.tolist():
        of(int(arrived.leg[position])).unsent.append(int(arrived.rows[position]))
    for leg, difference in differences(index, sent, arrived, found):
        of(leg).differences.append(difference)
    return {flow: one.done() for flow, one in made.items()}


@dataclass
class _Building:
    """A crossing while it is put together."""

    pairs: list[tuple[int, int, bool, bool]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    unsent: list[int] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def done(self) -> Crossing:
        return Crossing(
            sent=tuple(pair[0] for pair in self.pairs),
            arrived=tuple(pair[1] for pair in self.pairs),
            back=tuple(pair[2] for pair in self.pairs),
            same=tuple(pair[3] for pair in self.pairs),
            lost=tuple(self.lost),
            again=tuple(self.again),
            unsent=tuple(self.unsent),
            differences=tuple(self.differences),
        )
