"""What the frames of a recording show of a flow: where, with which addresses, hop limits and TCP options."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address

import numpy as np
from numpy.typing import NDArray

from conformance.judging.case import Case
from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_text
from conformance.protocols.ndp import ADVERTISEMENT, parse
from conformance.recording.model import Flow, Socket
from conformance.recording.observations import Observation
from conformance.recording.store import Recording

ARP_REPLY = b"\0\2"
SYN = 0x02
ACK = 0x10


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


def hop_limits_at_target(case: Case, flow: Flow) -> set[int]:
    """The hop limits with which packets of the flow arrived at the target's own interface."""
    tap = case.tap(tap_of(case, flow.target))
    index = case.recording.frames
    rows = rows_of(case.recording, flow.id)
    rows = rows[(index.tap[rows] == tap.number) & ~index.outbound[rows]]
    return {int(ttl) for ttl in index.ttl[rows]}


def listeners(case: Case, host: str, moment: str) -> set[str]:
    """What a host listens on at a moment: ``protocol port``."""
    return {
        f"{listener['protocol']} {listener['port']}"
        for snapshot in case.snapshots(host, moment)
        for listener in snapshot.listeners
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


@dataclass(frozen=True)
class Handshake:
    """The SYNs and SYN/ACKs of a flow at one end: sequence number and options of each, in words."""

    opening: frozenset[str]
    answer: frozenset[str]


def handshake(case: Case, flow: Flow) -> tuple[Handshake, Handshake]:
    """What opened a TCP flow, as seen at its source and at its target."""
    assert flow.local is not None
    assert flow.arrival is not None
    near = _syns(case, taps_of(case, flow.source), flow.local, flow.dialled)
    far = _syns(case, taps_of(case, flow.target), flow.arrival.peer, flow.arrival.local)
    return near, far


def _syns(case: Case, taps: list[int], client: Socket, server: Socket) -> Handshake:
    opening = _segments(case, taps, client, server, SYN)
    return Handshake(opening, _segments(case, taps, server, client, SYN | ACK))


def _segments(case: Case, taps: list[int], one: Socket, other: Socket, flags: int) -> frozenset[str]:
    index = case.recording.frames
    rows = index.select(
        tap=taps,
        protocol=6,
        source=one.address,
        destination=other.address,
        source_port=one.port,
        destination_port=other.port,
    )
    seen = set()
    for row in rows.tolist():
        if index.tcp_flags[row] & (SYN | ACK) == flags:
            frame = index.frame(row)
            start = int(index.l4_offset[row])
            end = start + (frame[start + 12] >> 4) * 4
            sequence = struct.unpack_from("!I", frame, start + 4)[0]
            seen.add(f"{sequence:#010x} options {frame[start + 20 : end].hex()}")
    return frozenset(seen)
