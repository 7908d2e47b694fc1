"""What a forwarder may change of a packet and what it must leave, of many frames at once: arrays of one entry a packet.

A datagram that travels in fragments is one packet here, of the row of its first fragment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.recording.capture import rows_at
from conformance.recording.headers import PAD
from conformance.recording.index import FrameIndex, Rows
from conformance.recording.observations import ECHO

TCP: Final = 6
UDP: Final = 17
CHECKSUM_AT: Final = {6: 16, 17: 6, 58: 2, 1: 2}
"""IP protocol to the offset in bytes of its 16-bit checksum behind the IP header (RFC 9293, RFC 768, RFC 4443, RFC
792)."""
_PORTED: Final = frozenset({6, 17, 33, 132, 136})
_HEADS: Final = {17: 8, 1: 8, 58: 8}
_BASE: Final = {4: 20, 6: 40}

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Packets:
    """Arrays of shape (packets,): `rows` of the frame index, `leg` (the direction of the flow that a packet belongs to,
    as a number), and by field what it carries.

    `header` and `body` are digests of the transport header, without ports and checksum, and of what follows it; equal
    octets have equal digests. `length` is that of the body in bytes. `values` holds the fields of the IP header by
    their names (`FIELDS`), in the order of `rows`.
    """

    rows: Rows
    leg: Numbers
    header: Numbers
    body: Numbers
    length: Numbers
    values: Mapping[str, Numbers]

    def legs_with_data(self, index: FrameIndex, places: Numbers) -> set[int]:
        """The legs of those of the packets at `places` that are TCP segments with data."""
        data = (index.protocol[self.rows[places]] == TCP) & (self.length[places] > 0)
        return set(self.leg[places[data]].tolist())


FIELDS: Final = (
    "source address", "destination address", "source port", "destination port", "hop limit", "DSCP", "ECN",
    "flow label", "don't fragment", "identification", "IP options",
)  # fmt: skip
"""Fields of IP, and the ports (for an echo its identifier)."""


def packets(index: FrameIndex, rows: Rows, leg: Numbers, whole: Mapping[int, bytes]) -> Packets:
    """The packets at `rows`. `whole` gives the IP payload of those that were put together from fragments, by row."""
    header, body, length = _digests(index, rows, whole)
    return Packets(rows, leg, header, body, length, _values(index, rows, whole))


def _values(index: FrameIndex, rows: Rows, whole: Mapping[int, bytes]) -> dict[str, Numbers]:
    version, echo = index.ip_version[rows], np.isin(index.icmp_type[rows], ECHO)
    start = index.capture.offset[rows] + index.l3_offset[rows]
    head = rows_at(index.capture.data + bytes(PAD), start, 4).view((np.uint8, 4)).astype(np.int64)
    first, second, third, fourth = head.reshape(-1, 4).T
    traffic = np.where(version == 6, (first & 15) << 4 | second >> 4, second)
    atomic = (version == 6) | index.dont_fragment[rows]
    identifier = index.icmp_id[rows].astype(np.int64)
    ports = [
        np.where(echo, identifier, column[rows]).astype(np.int64)
        for column in (index.source_port, index.destination_port)
    ]
    return {
        "source address": mixed(index.source_high[rows], index.source_low[rows]),
        "destination address": mixed(index.destination_high[rows], index.destination_low[rows]),
        "source port": ports[0],
        "destination port": ports[1],
        "hop limit": index.ttl[rows].astype(np.int64),
        "DSCP": traffic >> 2,
        "ECN": traffic & 3,
        "flow label": np.where(version == 6, (second & 15) << 16 | third << 8 | fourth, 0),
        "don't fragment": np.where(version == 4, index.dont_fragment[rows], 0).astype(np.int64),
        "identification": np.where(atomic, 0, index.ip_id[rows]).astype(np.int64),
        "IP options": _options(index, rows, whole),
    }


def _options(index: FrameIndex, rows: Rows, whole: Mapping[int, bytes]) -> Numbers:
    """Digests of IPv4 options and of IPv6 extension headers, 0 where there are none."""
    base = np.where(index.ip_version[rows] == 6, _BASE[6], _BASE[4])
    begin, end = index.l3_offset[rows] + base, index.l4_offset[rows]
    found = np.zeros(len(rows), dtype=np.int64)
    for place in np.flatnonzero(end > begin).tolist():
        row = int(rows[place])
        if row not in whole:
            found[place] = hash(index.frame(row)[int(begin[place]) : int(end[place])])
    return found


def _digests(index: FrameIndex, rows: Rows, whole: Mapping[int, bytes]) -> tuple[Numbers, Numbers, Numbers]:
    """Digests of transport header and body, and the body's length."""
    data = index.capture.data
    offset = index.capture.offset[rows]
    l4 = offset + index.l4_offset[rows]
    end = np.minimum(offset + index.l3_offset[rows] + index.ip_length[rows], offset + index.captured[rows])
    made: list[tuple[int, int, int]] = []
    for row, at, until, kind in zip(
        rows.tolist(), l4.tolist(), end.tolist(), index.protocol[rows].tolist(), strict=True
    ):
        content = whole.get(row)
        if content is None:
            content = data[at:until]
        size = _HEADS.get(kind, 0)
        if kind == TCP:
            size = (content[12] >> 4) * 4 if len(content) > 12 else 0
            head = content[4:16] + content[18:size]
        elif kind == UDP:
            head = content[4:6]
        elif size:
            head = content[0:2] + content[6:8]
        elif kind in _PORTED:
            size, head = 4, b""
        else:
            head = b""
        made.append((hash(head), hash(content[size:]), len(content) - size))
    if not made:
        empty = np.empty(0, dtype=np.int64)
        return empty, empty, empty
    header, body, length = np.array(made, dtype=np.int64).T
    return header, body, length


def mixed(*columns: NDArray[Any]) -> Numbers:
    """One number for each row of several columns: rows that are equal have equal ones, and practically only they."""
    made = np.zeros(len(columns[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            made = (made ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            made ^= made >> np.uint64(29)
            made *= np.uint64(0xBF58476D1CE4E5B9)
            made ^= made >> np.uint64(32)
    return made.view(np.int64)


def datagrams(index: FrameIndex, rows: Rows) -> dict[int, bytes]:
    """The IP payload of every datagram whose fragments are all among `rows`, by the row of its first fragment."""
    parts: dict[tuple[int, ...], list[int]] = {}
    for row in rows.tolist():
        key = tuple(
            int(column[row])
            for column in (
                index.tap, index.outbound, index.source_high, index.source_low, index.destination_high,
                index.destination_low, index.ip_id, index.protocol,
            )
        )  # fmt: skip
        parts.setdefault(key, []).append(row)
    made = {}
    for found in parts.values():
        content = _joined(index, sorted(found, key=lambda row: int(index.fragment_offset[row])))
        first = [row for row in found if index.fragment_offset[row] == 0]
        if content is not None and first:
            made[first[0]] = content
    return made


def _joined(index: FrameIndex, rows: Iterable[int]) -> bytes | None:
    content, last = b"", False
    for row in rows:
        if index.fragment_offset[row] > len(content):
            return None
        frame, l3 = index.frame(row), int(index.l3_offset[row])
        begin = l3 + (frame[l3] & 15) * 4 if index.ip_version[row] == 4 else _behind_fragment(index, row)
        content = content[: int(index.fragment_offset[row])] + frame[begin : l3 + int(index.ip_length[row])]
        last = not index.more_fragments[row]
    return content if last else None


def _behind_fragment(index: FrameIndex, row: int) -> int:
    """Where the fragment's own octets begin: right behind the fragment header (RFC 8200 §4.5)."""
    if index.l4_offset[row]:
        return int(index.l4_offset[row])
    return int(index.l3_offset[row]) + 48
