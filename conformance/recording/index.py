"""An index over all frames of a recording: one array per header field, so that checks select instead of dissecting."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from conformance.protocols.mac import mac_number
from conformance.recording.capture import FLAG_CHECKSUM_NOT_READY, FLAG_OUTBOUND, Capture
from conformance.recording.headers import PAD, decode
from conformance.recording.reading import read

Rows = NDArray[np.int64]
Address = IPv4Address | IPv6Address

_ADDRESSES: Final = ("source", "destination")
_MACS: Final = ("source_mac", "destination_mac")


class FrameIndex:
    """Frames of one capture, in the file's order. A row counts from 0; a frame's `number` is its row + 1.

    Every column is an array of shape (frames,). ICMP types and codes, `protocol` (behind IPv6 extension headers),
    `vlan` (of the outer tag) and `vni` are -1 where there is none, every other absent field is 0. IPv4 addresses are
    in `source_low` and `destination_low`; IPv6 ones take the high halves too. `flow` is the id of the marker in the
    payload, `inner_flow` that of the frame inside VXLAN. Sizes are in bytes, times in ns since 1970.

    Raises NotACapture and TruncatedCapture (from whose `capture` an index can be made).
    """

    ethertype: NDArray[np.uint16]
    vlan: NDArray[np.int16]
    source_mac: NDArray[np.uint64]
    destination_mac: NDArray[np.uint64]
    ip_version: NDArray[np.uint8]
    source_high: NDArray[np.uint64]
    source_low: NDArray[np.uint64]
    destination_high: NDArray[np.uint64]
    destination_low: NDArray[np.uint64]
    protocol: NDArray[np.int16]
    ttl: NDArray[np.uint8]
    ip_length: NDArray[np.uint32]
    ip_id: NDArray[np.uint32]
    dont_fragment: NDArray[np.bool_]
    more_fragments: NDArray[np.bool_]
    fragment_offset: NDArray[np.uint16]
    source_port: NDArray[np.uint16]
    destination_port: NDArray[np.uint16]
    icmp_type: NDArray[np.int16]
    icmp_code: NDArray[np.int16]
    icmp_id: NDArray[np.uint16]
    tcp_flags: NDArray[np.uint16]
    l3_offset: NDArray[np.int64]
    l4_offset: NDArray[np.int64]
    flow: NDArray[np.uint64]
    inner_flow: NDArray[np.uint64]
    vni: NDArray[np.int32]

    def __init__(self, source: bytes | Capture) -> None:
        capture = source if isinstance(source, Capture) else read(source)
        self.capture = capture
        self.taps = tuple(tap.name for tap in capture.taps)
        self.tap = capture.tap
        self.time_ns = capture.time_ns
        self.length = capture.original
        self.captured = capture.length
        self.number = np.arange(1, len(capture) + 1, dtype=np.int64)
        self.outbound = capture.flags & 3 == FLAG_OUTBOUND
        self.checksum_not_ready = capture.flags & FLAG_CHECKSUM_NOT_READY != 0
        links = np.array([tap.link_type for tap in capture.taps], dtype=np.int32)
        start, end = capture.offset, capture.offset + capture.length
        link_type = links[capture.tap] if len(links) else np.empty(0, dtype=np.int32)
        self._columns = decode(capture.data + bytes(PAD), start, end, link_type)
        for name in ("l3_offset", "l4_offset"):
            column = self._columns[name]
            self._columns[name] = np.where(column > 0, column - start, 0)
        self.__dict__.update(self._columns)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The index of a file. Raises OSError, NotACapture, TruncatedCapture."""
        return cls(path.read_bytes())

    def __len__(self) -> int:
        return len(self.time_ns)

    def frame(self, row: int) -> bytes:
        """The captured bytes of one frame. Raises IndexError."""
        return self.capture.frame(row)

    def link_type(self, row: int) -> int:
        """The type of the header that a frame was captured with (`capture.LINK_ETHERNET` as a rule)."""
        return self.capture.taps[int(self.tap[row])].link_type

    def whole(self, row: int) -> bool:
        """Whether all of a frame was captured."""
        return bool(self.captured[row] >= self.length[row])

    def frames(self, rows: Rows) -> Iterator[tuple[int, bytes]]:
        """(row, bytes) of every row of `rows`."""
        for row in rows.tolist():
            yield row, self.capture.frame(row)

    @functools.cached_property
    def _flow_rows(self) -> tuple[NDArray[np.uint64], Rows]:
        """Every flow id found in a frame or in a tunnelled one, sorted, and the row of each."""
        outer, inner = np.flatnonzero(self.flow), np.flatnonzero(self.inner_flow)
        ids = np.concatenate((self.flow[outer], self.inner_flow[inner]))
        rows = np.concatenate((outer, inner))
        order = np.lexsort((rows, ids))
        return ids[order], rows[order]

    def rows_of_flow(self, flow: int) -> Rows:
        """Rows of the frames that carry this flow's marker, also inside VXLAN, ascending."""
        ids, rows = self._flow_rows
        wanted = np.uint64(flow)
        return rows[np.searchsorted(ids, wanted, "left") : np.searchsorted(ids, wanted, "right")]

    def address(self, row: int, which: str) -> Address | None:
        """The IP address of a frame, `which` being "source" or "destination"; None where it has none."""
        low = int(getattr(self, f"{which}_low")[row])
        version = self.ip_version[row]
        if version == 4:
            return IPv4Address(low)
        return IPv6Address(int(getattr(self, f"{which}_high")[row]) << 64 | low) if version == 6 else None

    def mask(self, **columns: Any) -> NDArray[np.bool_]:
        """Which frames match all of `columns`, as an array of shape (frames,).

        A column's name takes a value or a collection of them, any of which may be. `tap` takes numbers or names,
        `source` and `destination` IP addresses, `source_mac` and `destination_mac` also text, `between` a pair of
        times in ns, of which the second is outside. Raises AttributeError for a name that is no column.
        """
        chosen = np.ones(len(self), dtype=np.bool_)
        for name, wanted in columns.items():
            chosen &= self._matches(name, wanted)
        return chosen

    def select(self, **columns: Any) -> Rows:
        """Rows of the frames that match all of `columns` (see `mask`), ascending."""
        return np.flatnonzero(self.mask(**columns))

    def _matches(self, name: str, wanted: Any) -> NDArray[np.bool_]:
        if name == "between":
            inside: NDArray[np.bool_] = (self.time_ns >= wanted[0]) & (self.time_ns < wanted[1])
            return inside
        single = isinstance(wanted, str | bytes | Address) or not isinstance(wanted, Collection)
        values = [wanted] if single else list(wanted)
        if name in _ADDRESSES:
            return self._addressed(name, [ip_address(value) for value in values])
        if name == "tap":
            values = [v for value in values for v in self._tap_numbers(value)]
        elif name in _MACS:
            values = [mac_number(v) if isinstance(v, str) else v for v in values]
        column: NDArray[Any] = getattr(self, name)
        if len(values) == 1:
            equal: NDArray[np.bool_] = column == values[0]
            return equal
        return np.isin(column, np.array(values).astype(column.dtype))

    def _tap_numbers(self, tap: int | str) -> list[int]:
        return [n for n, name in enumerate(self.taps) if name == tap] if isinstance(tap, str) else [tap]

    def _addressed(self, name: str, wanted: list[Address]) -> NDArray[np.bool_]:
        high: NDArray[np.uint64] = getattr(self, f"{name}_high")
        low: NDArray[np.uint64] = getattr(self, f"{name}_low")
        chosen = np.zeros(len(self), dtype=np.bool_)
        for address in wanted:
            value = int(address)
            halves: NDArray[np.bool_] = (low == value & (1 << 64) - 1) & (high == value >> 64)
            chosen |= halves & (self.ip_version == address.version)
        return chosen

    def find(self, needle: bytes) -> Rows:
        """Rows of the frames whose captured bytes contain `needle` (a canary's nonce), ascending."""
        data, found, position = self.capture.data, [], 0
        if not len(self) or not needle:
            return np.empty(0, dtype=np.int64)
        while (position := data.find(needle, position)) >= 0:
            found.append(position)
            position += 1
        at = np.array(found, dtype=np.int64)
        row = np.searchsorted(self.capture.offset, at, side="right") - 1
        inside = (row >= 0) & (at + len(needle) <= (self.capture.offset + self.capture.length)[row])
        return np.unique(row[inside])
