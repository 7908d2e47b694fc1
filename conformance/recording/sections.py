"""Reading pcapng whole: a walk over the block lengths in Python, everything else in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.recording import blocks
from conformance.recording.blocks import (
    INTERFACE,
    OLD_PACKET,
    PACKET,
    SECTION,
    SIMPLE_PACKET,
    STATISTICS,
    Order,
    Section,
)
from conformance.recording.capture import Capture, NotACapture, Tap, TruncatedCapture

Words = NDArray[np.uint32]
_COLUMNS: Final = {
    "tap": np.int32, "time_ns": np.int64, "offset": np.int64, "length": np.int64, "original": np.int64,
    "flags": np.uint32,
}  # fmt: skip


@dataclass(slots=True)
class Packets:
    """The packet blocks of one section: where they start (in words); `simple`: not all of them are enhanced ones."""

    section: Section
    at: list[int] = field(default_factory=list)
    simple: bool = False


def read(data: bytes) -> Capture:
    """All sections of a pcapng file. Raises NotACapture, TruncatedCapture."""
    first = blocks.byte_order(data, 0) if blocks.is_pcapng(data) else None
    if first is None:
        raise NotACapture("no pcapng section header")
    body = memoryview(data)[: len(data) & ~3]
    views: dict[Order, Words] = {}

    def words(order: Order) -> Words:
        if order not in views:
            views[order] = np.frombuffer(body, dtype=f"{order}u4").astype(np.uint32, copy=False)
        return views[order]

    found, problem = _walk(data, words, first)
    if problem is None and len(data) & 3:
        problem = "the file does not end at a block's end"
    taps: list[Tap] = []
    parts: list[dict[str, NDArray[Any]]] = []
    for packets in found:
        part, broken = _frames(data, words(packets.section.order), packets)
        part["tap"] = part["tap"] + len(taps)
        taps += [one.tap for one in packets.section.interfaces]
        parts.append(part)
        if broken:
            problem = broken
            break
    columns = {
        name: np.concatenate([part[name] for part in parts]).astype(kind, copy=False) if parts else np.empty(0, kind)
        for name, kind in _COLUMNS.items()
    }
    capture = Capture(data=data, taps=tuple(taps), **columns)
    if problem is not None:
        raise TruncatedCapture(problem, capture)
    return capture


def _walk(data: bytes, words: Any, order: Order) -> tuple[list[Packets], str | None]:
    """Find every block. The loop is the only work done per frame in Python; lengths are checked again in arrays."""
    view = memoryview(words(order))
    packets = Packets(Section(order))
    found: list[Packets] = []
    starts = packets.at
    position, last, end = 0, 0, len(view)
    while position < end - 2:
        kind = view[position]
        if kind == PACKET:
            starts.append(position)
        elif kind == SECTION:
            turned = blocks.byte_order(data, position * 4)
            if turned is None:
                return found, blocks.NO_ORDER
            packets = Packets(Section(turned))
            found.append(packets)
            starts = packets.at
            view = memoryview(words(turned))
        elif (problem := _other(data, packets, kind, position, view[position + 1])) is not None:
            return found, problem
        size = view[position + 1] >> 2
        if size < 3:
            return found, _drop(packets, position, "a block shorter than its own frame")
        last = position
        position += size
    if position == end:
        return found, None
    return found, _drop(packets, last if position > end else position, blocks.CUT)


def _drop(packets: Packets, position: int, reason: str) -> str:
    if packets.at and packets.at[-1] == position:
        packets.at.pop()
    return reason


def _other(data: bytes, packets: Packets, kind: int, position: int, size: int) -> str | None:
    """A block that is not an enhanced packet; returns what is wrong with it."""
    start = position * 4
    if size & 3 or size < blocks.SMALLEST.get(kind, 12) or start + size > len(data):
        return None if start + size > len(data) else blocks.IMPOSSIBLE
    if kind in (SIMPLE_PACKET, OLD_PACKET):
        packets.simple = True
        packets.at.append(position)
    elif kind == INTERFACE:
        blocks.read_interface(data, packets.section, start, size)
    elif kind == STATISTICS:
        blocks.read_statistics(data, packets.section, start, size)
    return None


def _frames(data: bytes, words: Words, packets: Packets) -> tuple[dict[str, NDArray[Any]], str | None]:
    """The columns of one section's packets, up to the first that contradicts itself."""
    section = packets.section
    at = np.array(packets.at, dtype=np.int64)
    size = words[at + 1].astype(np.int64)
    whole = (size & 3 == 0) & (size >= 16) & (at + (size >> 2) <= len(words))
    whole[whole] = words[(at + (size >> 2) - 1)[whole]] == size[whole]
    kind = words[at]
    head = np.where(kind == SIMPLE_PACKET, 12, 28)
    whole &= size >= head + 4
    at, size, kind, head = _until(whole, at, size, kind, head)
    field_at = [words[np.minimum(at + number, len(words) - 1)].astype(np.int64) for number in range(2, 7)]
    tap, high, low, length, original = field_at
    if packets.simple:
        tap, high, low, length, original = _simple(kind, size, section, field_at)
    good = (tap < len(section.interfaces)) & (length <= size - head - 4)
    at, size, head, tap, high, low, length, original = _until(good, at, size, head, tap, high, low, length, original)
    offset = at * 4 + head
    flags = _flags(data, words, section.order, offset + ((length + 3) & ~3), at * 4 + size - 4)
    columns: dict[str, NDArray[Any]] = {
        "tap": tap,
        "time_ns": _time(section, tap, high, low),
        "offset": offset,
        "length": length,
        "original": original,
        "flags": flags,
    }
    return columns, blocks.CONTRADICTION if len(at) < len(packets.at) else None


def _until(good: NDArray[np.bool_], *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    stop = len(good) if good.all() else int(np.argmin(good))
    return [array[:stop] for array in arrays]


def _simple(
    kind: NDArray[Any], size: NDArray[np.int64], section: Section, columns: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.int64]]:
    """`columns` where some blocks are simple (no time, tap 0) or of the obsolete kind (tap of 16 bits)."""
    tap, high, low, length, original = columns
    simple = kind == SIMPLE_PACKET
    snap = (section.interfaces[0].snap if section.interfaces else 0) or 1 << 32
    cut = np.minimum(np.minimum(tap, snap), size - 16)
    old_tap = tap & 0xFFFF if section.order == "<" else tap >> 16
    return [
        np.where(simple, 0, np.where(kind == OLD_PACKET, old_tap, tap)),
        np.where(simple, 0, high),
        np.where(simple, 0, low),
        np.where(simple, cut, length),
        np.where(simple, tap, original),
    ]


def _time(section: Section, tap: NDArray[Any], high: NDArray[Any], low: NDArray[Any]) -> NDArray[np.int64]:
    """Nanoseconds since 1970; a value that 64 bits do not hold wraps around."""
    stamp = high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)
    time_ns = stamp.astype(np.int64)
    for number, interface in enumerate(section.interfaces):
        if not interface.clock.counts_nanoseconds:
            mine = tap == number
            time_ns[mine] = interface.clock.nanoseconds(stamp[mine]).astype(np.int64)
    return time_ns


def _flags(
    data: bytes, words: Words, order: Order, start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """epb_flags of every packet: found at once where it is the first option, else by looking through them."""
    flags = np.zeros(len(start), dtype=np.uint32)
    some = np.flatnonzero(end - start >= 8)
    first = words[start[some] >> 2]
    swift = first == (0x0004_0002 if order == "<" else 0x0002_0004)
    flags[some[swift]] = words[(start[some[swift]] >> 2) + 1]
    for row in some[~swift & (first != 0)].tolist():
        flags[row] = blocks.flags_of(data, order, int(start[row]), int(end[row]))
    return flags
