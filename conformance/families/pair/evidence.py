"""The four segments of the path of a flow between two implementations, and who answers for each: what the wire between
them shows.

The wire is the router's port of the segment on which a side's host is: what is seen there has left the side, whatever
it does on its own host, and what has not been seen there has not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conformance.judging.case import Case, socket_text
from conformance.judging.flows import rows_of, tap_of
from conformance.pairs.pairing import Side, sides_of
from conformance.recording.model import Flow, Socket
from conformance.recording.observations import ECHO

SENDS = "pair.sends"
DELIVERS = "pair.delivers"
TCP = 6

Ends = tuple[tuple[str, int], tuple[str, int]]
"""Source and destination of a packet, each as address and port."""


@dataclass(frozen=True)
class PathSegment:
    """One segment of one flow: whose it is, which requirement speaks of it, whether it holds, and what was seen."""

    side: Side
    requirement: str
    holds: bool
    seen: str
    frames: tuple[int, ...] = ()


def sides(case: Case) -> tuple[Side, Side]:
    """The two sides of the case's pair."""
    return sides_of(case.profile, case.recording.record.testbed)


def of_flow(case: Case, flow: Flow) -> Iterator[PathSegment]:
    """The segments of the path of a flow in order, up to the first one after which nothing can be told of the rest.

    Request: its sender's side puts it on the wire, the other one delivers it; answer: the other way round.
    """
    near, far = _sides_of(case, flow)
    if flow.local is None:
        return
    out, into = _wire(case, near), _wire(case, far)
    sent, dialled = _ends(flow.local), _ends(flow.dialled)
    left = _crossed(case, flow, out, outbound=True)
    own = left.get((sent, dialled), ())
    yield PathSegment(near, SENDS, bool(own) and set(left) == {(sent, dialled)}, _left(left, flow), _all(left))
    if not any(ends[1] == dialled for ends in left):
        return
    came = _crossed(case, flow, into, outbound=False)
    arrived = _inside(case, flow)
    yield PathSegment(far, DELIVERS, arrived in came, _arrived(came, arrived, flow), _all(came) or _all(left))
    if arrived is None:
        return
    answers = _crossed(case, flow, into, outbound=True)
    expected = {(target, source) for source, target in came}
    told = _left(answers, flow, answer=True)
    yield PathSegment(far, SENDS, bool(answers) and set(answers) <= expected, told, _all(answers) or _all(came))
    if not expected & set(answers):
        return
    home = _crossed(case, flow, out, outbound=False)
    seen = f"its answer was on the wire, and was not delivered: {flow.status}"
    yield PathSegment(near, DELIVERS, flow.status == "answered", seen, _all(home) or _all(answers))


def _inside(case: Case, flow: Flow) -> Ends | None:
    """What the target saw of the request: its server, else its interface (where a connection was never opened)."""
    if flow.arrival is not None:
        return _ends(flow.arrival.peer), _ends(flow.arrival.local)
    door = _crossed(case, flow, case.tap(tap_of(case, flow.target)).number, outbound=False)
    return next(iter(door), None)


def _sides_of(case: Case, flow: Flow) -> tuple[Side, Side]:
    """The side of the flow's source, and that of its target."""
    hosts = {endpoint.name: endpoint.host for endpoint in case.endpoints}
    left, right = sides(case)
    return (left, right) if hosts[flow.source] == left.host else (right, left)


def _wire(case: Case, side: Side) -> int:
    """The number of the tap on the router's port of this side's segment."""
    segment = case.recording.record.testbed.hosts[side.host].segment
    return case.tap(f"rack:{f'router.{segment}'[:15]}").number


def _crossed(case: Case, flow: Flow, tap: int, *, outbound: bool) -> dict[Ends, tuple[int, ...]]:
    """What packets of the flow carried at that port, towards the router (`outbound`) or from it, with their frames.

    A TCP segment without data has no marker: those between the very sockets of the flow are added.
    """
    index = case.recording.frames
    rows = [rows_of(case.recording, flow.id)]
    if flow.protocol == "tcp" and flow.local is not None:
        rows += [_segments(case, flow.local, flow.dialled), _segments(case, flow.dialled, flow.local)]
    found: dict[Ends, tuple[int, ...]] = {}
    for row in np.unique(np.concatenate(rows)).tolist():
        if int(index.tap[row]) == tap and bool(index.outbound[row]) is outbound and not index.fragment_offset[row]:
            ends = _carried(case, row)
            found[ends] = (*found.get(ends, ()), row + 1)
    return found


def _segments(case: Case, source: Socket, destination: Socket) -> NDArray[np.int64]:
    return case.recording.frames.select(
        protocol=TCP,
        source=source.address,
        destination=destination.address,
        source_port=source.port,
        destination_port=destination.port,
    )


def _carried(case: Case, row: int) -> Ends:
    index = case.recording.frames
    echo = int(index.icmp_type[row]) in ECHO
    ports = [int((index.icmp_id if echo else port)[row]) for port in (index.source_port, index.destination_port)]
    return (str(index.address(row, "source")), ports[0]), (str(index.address(row, "destination")), ports[1])


def _ends(socket: Socket) -> tuple[str, int]:
    return socket.address, socket.port


def _all(found: dict[Ends, tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted(number for numbers in found.values() for number in numbers))


def _words(found: dict[Ends, tuple[int, ...]]) -> str:
    return ", ".join(f"{socket_text(*source)} -> {socket_text(*target)}" for source, target in found)


def _left(found: dict[Ends, tuple[int, ...]], flow: Flow, *, answer: bool = False) -> str:
    what = "its answer" if answer else "it"
    if not found:
        return f"{what} was never seen on the wire under its own address ({flow.status})"
    return f"on the wire {what} was {_words(found)}"


def _arrived(came: dict[Ends, tuple[int, ...]], arrived: Ends | None, flow: Flow) -> str:
    on_wire = _words(came) or "not forwarded by the router: nobody on its segment takes what is sent to that address"
    inside = "it never arrived at the endpoint" if arrived is None else f"the endpoint saw {_words({arrived: ()})}"
    return f"{inside}; on the wire it was {on_wire} ({flow.status})"
