"""ICMP errors that reached a station, and the packet that each quotes, against that packet as the station sent it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.judging.packet_differences import ADDRESSING, Difference
from conformance.judging.packet_fields import CHECKSUM_AT
from conformance.judging.packets import Crossing, crossings, ends_of
from conformance.protocols.quoted import ERRORS, Quoted, quoted
from conformance.recording.capture import FLAG_SEGMENTATION_OFFLOADED
from conformance.recording.index import FrameIndex
from conformance.recording.model import Flow
from conformance.recording.store import Recording

_PORTED: Final = frozenset({6, 17, 33, 132, 136})
"""IP protocols whose header begins with ports."""


def quotes(recording: Recording) -> Mapping[int, tuple[tuple[int, tuple[Difference, ...]], ...]]:
    """By flow id: the frame number of every error that quotes a packet of the flow and reached the packet's sender, and
    the fields in which the quote differs from the packet. Computed once for a recording.

    Hop limit, DSCP, ECN, flow label and the IPv4 header's checksum may have changed until the error was found (RFC 1812
    §4.3.2.3), and who reports may have received a changed packet: data are compared with the packet as any tap saw it,
    addresses and ports with the packet as it was sent. Fragments, and segments that hardware cut, are out, and so is
    what the testbed's router reports to the client: neither the packet nor the error has passed the subject.
    """
    if "quotes" not in recording.memory:
        made: dict[int, list[tuple[int, tuple[Difference, ...]]]] = {}
        for flow, error, found in _quotes(recording):
            made.setdefault(flow, []).append((error, found))
        recording.memory["quotes"] = {flow: tuple(found) for flow, found in made.items()}
    known: Mapping[int, tuple[tuple[int, tuple[Difference, ...]], ...]] = recording.memory["quotes"]
    return known


def _quotes(recording: Recording) -> Iterator[tuple[int, int, tuple[Difference, ...]]]:
    index, crossed = recording.frames, crossings(recording)
    place = ends_of(recording.record).places[index.tap]
    by_sockets = _by_sockets(recording)
    kinds = np.zeros(len(index), dtype=np.bool_)
    for protocol, types in ERRORS.items():
        kinds |= (index.protocol == protocol) & np.isin(index.icmp_type, types)
    kinds &= ~_of_the_testbed(recording)
    for row in np.flatnonzero(kinds & (place >= 0) & ~index.outbound).tolist():
        packet = index.frame(row)[int(index.l3_offset[row]) :]
        error = quoted(packet)
        if error is None:
            continue
        flow = error.flow if error.flow in crossed else by_sockets.get(_sockets(error), 0)
        earlier = (one for one in _packets(crossed.get(flow)) if index.time_ns[one] <= index.time_ns[row])
        sent = _whole(index, (one for one in earlier if place[one] == place[row]))
        if not sent:
            continue
        inner = packet[int(index.l4_offset[row]) - int(index.l3_offset[row]) + 8 :]
        seen = [*sent, *_whole(index, recording.flow_rows.get(flow, ()))]
        from_source = min((_differences(index, one, row, inner, error) for one in sent), key=len)
        on_the_way = min((_differences(index, one, row, inner, error) for one in seen), key=_about_data)
        yield (
            flow,
            row + 1,
            (
                *(one for one in from_source if one.field in ADDRESSING),
                *(one for one in on_the_way if one.field not in ADDRESSING),
            ),
        )


def _of_the_testbed(recording: Recording) -> NDArray[np.bool_]:
    """The frames at the client's taps that the testbed's router sent in its own name."""
    taps = {tap.number for tap in recording.record.taps if tap.role == "client"}
    segments = recording.record.testbed.segments.values()
    routers = {address for one in segments for address in (one.router_ipv4, one.router_ipv6) if address is not None}
    return recording.frames.mask(tap=taps, source=routers)


def _about_data(found: tuple[Difference, ...]) -> int:
    return sum(one.field not in ADDRESSING for one in found)


def _packets(crossing: Crossing | None) -> tuple[int, ...]:
    """Rows of what the ends of a flow sent."""
    return () if crossing is None else (*crossing.sent, *crossing.lost)


def _whole(index: FrameIndex, rows: Iterable[int]) -> list[int]:
    """Those of the rows that hold a whole packet as it is on a wire."""
    return [
        int(row)
        for row in rows
        if not index.more_fragments[row] and not index.capture.flags[row] & FLAG_SEGMENTATION_OFFLOADED
    ]


Sockets = tuple[int, str, int, str, int]
"""IP protocol, and address and port of both ends."""


def _by_sockets(recording: Recording) -> dict[Sockets, int]:
    """Flow ids by the sockets of a packet that the flow's source sends."""
    return {
        (_number(flow), flow.local.address, flow.local.port, flow.dialled.address, flow.dialled.port): flow.id
        for flow in recording.record.flows
        if flow.local is not None
    }


def _number(flow: Flow) -> int:
    """The IP protocol of a flow."""
    match flow.protocol:
        case "tcp":
            return 6
        case "udp":
            return 17
        case "icmp":
            return 1 if flow.family == "ipv4" else 58
        case "ip":
            return flow.number


def _sockets(error: Quoted) -> Sockets:
    return error.protocol, str(error.source), error.source_port, str(error.destination), error.destination_port


def _differences(index: FrameIndex, sent: int, row: int, inner: bytes, error: Quoted) -> tuple[Difference, ...]:
    """The fields in which the packet `inner`, which the error in frame `row` quotes, differs from the one sent."""
    frame, l3, l4 = index.frame(sent), int(index.l3_offset[sent]), int(index.l4_offset[sent])
    ours, theirs = frame[l4 : l3 + int(index.ip_length[sent])], inner[l4 - l3 :]
    shared = min(len(ours), len(theirs))
    one, other = (index.icmp_id, index.icmp_id) if index.icmp_id[sent] else (index.source_port, index.destination_port)
    shown = {
        "source address": (str(index.address(sent, "source")), str(error.source)),
        "destination address": (str(index.address(sent, "destination")), str(error.destination)),
        "source port": (str(one[sent]), str(error.source_port)),
        "destination port": (str(other[sent]), str(error.destination_port)),
        "quoted protocol": (str(index.protocol[sent]), str(error.protocol)),
        "quoted length": (str(index.ip_length[sent]), str(error.ip_length)),
        "quoted data": (_data(index, sent, ours[:shared]), _data(index, sent, theirs[:shared])),
    }
    if index.ip_version[sent] == 4:
        shown["quoted identification"] = frame[l3 + 4 : l3 + 6].hex(), inner[4:6].hex()
    return tuple(
        Difference(field, sent + 1, row + 1, before, after)
        for field, (before, after) in shown.items()
        if before != after
    )


def _data(index: FrameIndex, sent: int, octets: bytes) -> str:
    """Octets behind the IP header but ports, an echo's identifier, and a checksum that was not yet there or that covers
    them."""
    content, kind = bytearray(octets), int(index.protocol[sent])
    at = CHECKSUM_AT.get(kind)
    blank = [slice(0, 4)] if kind in _PORTED else [slice(4, 6)] if kind in ERRORS else []
    if at is not None and (index.checksum_not_ready[sent] or kind in ERRORS):
        blank.append(slice(at, at + 2))
    for part in blank:
        content[part] = bytes(len(content[part]))
    return content.hex()
