"""What the frames of a recording show of a flow: where, with which addresses and hop limits, and what was changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.judging.case import Case, describe
from conformance.judging.packet_differences import Difference
from conformance.judging.packets import Crossing, crossings
from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_text
from conformance.protocols.ndp import ADVERTISEMENT, parse
from conformance.recording.model import NOBODY, Flow
from conformance.recording.observations import Observation
from conformance.recording.store import Recording

ARP_REPLY = b"\0\2"


def rows_of(recording: Recording, flow: int) -> NDArray[np.int64]:
    """Rows of the frames that carry the flow's marker, on all taps."""
    rows: NDArray[np.int64] = recording.flow_rows.get(flow, np.empty(0, dtype=np.int64))
    return rows


def foreign(recording: Recording, flow: Flow) -> list[Observation]:
    """The observations of a flow that are neither what its source sent nor the exact reverse: marks of translation."""
    if flow.local is None:
        return []
    local, dialled = ((end.address, end.port) for end in (flow.local, flow.dialled))
    allowed = ((local, dialled), (dialled, local))
    return [seen for seen in recording.observations.get(flow.id, ()) if (seen.source, seen.destination) not in allowed]


def translated(recording: Recording, flow: Flow) -> bool:
    """Whether the flow's sockets or frames show that an address or a port of it was rewritten."""
    arrival = flow.arrival
    if arrival is not None and flow.local is not None and flow.protocol in ("tcp", "udp"):
        return (arrival.peer, arrival.local) != (flow.local, flow.dialled) or bool(foreign(recording, flow))
    return bool(foreign(recording, flow))


def tap_of(case: Case, name: str) -> str:
    """The tap of an endpoint or of a station, by its name."""
    for endpoint in case.endpoints:
        if endpoint.name == name:
            return endpoint.tap
    return f"{name}:eth0"


def taps_of(case: Case, name: str) -> list[int]:
    """Numbers of the taps on every interface of an endpoint or of a station: what leaves it may take any of them."""
    taps = [tap for tap in case.recording.record.taps if tap.where == name]
    case.require(taps, f"there was no tap at {name}")
    case.require(not any(tap.dropped for tap in taps), f"a tap at {name} lost frames")
    return [tap.number for tap in taps]


def delivered(case: Case, **wanted: Any) -> list[Flow]:
    """The flows to somebody that arrived (`Case.delivered`): what comes of an address that nobody has is a requirement
    of its own. Requires that there is one."""
    found = [flow for flow in case.delivered(**wanted) if flow.target != NOBODY]
    case.require(found, "no flow arrived, so nothing can be said of them")
    return found


WATCHED: Final = "no tap that lost nothing saw both ends of these flows"
"""Why packets cannot be compared."""


def crossed(case: Case, flows: Iterable[Flow]) -> list[tuple[Flow, Crossing]]:
    """Those of the flows whose packets were seen at both ends, with their packets. Requires that there is one."""
    known = crossings(case.recording)
    found = [(flow, known[flow.id]) for flow in flows if flow.id in known and known[flow.id].sent]
    case.require(found, WATCHED)
    return found


def expect_kept(case: Case, flows: Iterable[Flow], wrong: Callable[[Difference], bool], expected: str) -> None:
    """Expect that no packet of the flows differs at its target in a field for which `wrong` holds."""
    for flow, crossing in crossed(case, flows):
        found = next((one for one in crossing.differences if wrong(one)), None)
        expect_difference(case, flow, found, expected=expected)


def expect_difference(case: Case, flow: Flow, found: Difference | None, *, expected: str) -> None:
    """Expect that there is no difference; the two frames of the one that was found are the evidence."""
    seen = describe(flow) if found is None else f"{describe(flow)}: {found.text}"
    case.expect(
        found is None, expected=expected, seen=seen, frames=() if found is None else (found.sent, found.arrived)
    )


def expect_no_packet(case: Case, flow: Flow, rows: Sequence[int], *, expected: str, seen: str) -> None:
    """Expect that there is no such packet: `rows` of the frame index."""
    numbers = tuple(row + 1 for row in rows)
    first = f": {seen} (frame {numbers[0]})" if numbers else ""
    case.expect(not numbers, expected=expected, seen=f"{describe(flow)}{first}", frames=numbers)


def hops_seen(case: Case, crossing: Crossing) -> dict[int, tuple[int, int]]:
    """By how much the hop limit of packets fell between the ends of a flow: two frames for each figure. Only packets
    that are the same behind the IP header count: what was made anew on the way has a hop limit of its own."""
    index = case.recording.frames
    return {
        int(index.ttl[sent]) - int(index.ttl[arrived]): (sent + 1, arrived + 1)
        for sent, arrived, same in zip(crossing.sent, crossing.arrived, crossing.same, strict=True)
        if same
    }


def listeners(case: Case, host: str, moment: str) -> set[int]:
    """The TCP ports on which a host listens at a moment. A UDP socket that is not connected listens or does not: the
    kernel does not say, and a client of the host's own has one."""
    return {
        listener["port"]
        for snapshot in case.snapshots(host, moment)
        for listener in snapshot.listeners
        if listener["protocol"] == "tcp"
    }


def published_ports(case: Case, host: str) -> set[int]:
    """The TCP ports of a host that it was asked to publish for its endpoints."""
    return {
        place["port"]
        for endpoint in case.endpoints
        for place in endpoint.publications
        if endpoint.host == host and place["protocol"] == "tcp"
    }


def claims_of(case: Case, address: str) -> dict[int, str]:
    """Frame numbers of ARP replies and neighbour advertisements within the window `reachability` that say where
    `address` is, with the MAC address that each names."""
    index = case.recording.frames
    window = case.window("reachability")
    wanted = ip_address(address)
    found: dict[int, str] = {}
    span = (window.start_ns, window.end_ns)
    kinds = {"ethertype": ethertypes.ARP} if wanted.version == 4 else {"icmp_type": ADVERTISEMENT}
    for row, frame in index.frames(index.select(between=span, **kinds)):
        if wanted.version == 4 and frame[20:22] == ARP_REPLY and frame[28:32] == wanted.packed:
            found[row + 1] = mac_text(frame[22:28])
        if wanted.version == 6 and (message := parse(frame)) is not None and message.target == wanted:
            found[row + 1] = message.ethernet_source
    return found
