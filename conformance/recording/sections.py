"""Reading pcapng: a walk over the block lengths in Python, everything else in arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from struct import Struct, unpack_from
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from conformance.protocols.mac import mac_text
from conformance.recording.capture import Capture, NotACapture, Tap, TruncatedCapture

SECTION: Final = 0x0A0D_0D0A
BYTE_ORDER: Final = 0x1A2B_3C4D
INTERFACE: Final = 1
OLD_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
STATISTICS: Final = 5
PACKET: Final = 6

Order = Literal["<", ">"]
Words = NDArray[np.uint32]
_COLUMNS: Final = {
    "tap": np.int32, "time_ns": np.int64, "offset": np.int64, "length": np.int64, "original": np.int64,
    "flags": np.uint32,
}  # fmt: skip
_SMALLEST: Final = {INTERFACE: 20, OLD_PACKET: 32, SIMPLE_PACKET: 16, STATISTICS: 24, PACKET: 32, SECTION: 28}
"""Least size in bytes of a block of each kind."""


@dataclass(slots=True)
class Section:
    """One section: its byte order, where its packet blocks start (in words), the taps it describes."""

    order: Order
    packets: list[int] = field(default_factory=list)
    taps: list[Tap] = field(default_factory=list)
    clocks: list[tuple[int, int]] = field(default_factory=list)
    snaps: list[int] = field(default_factory=list)
    simple: bool = False


def is_pcapng(data: bytes) -> bool:
    """Whether `data` starts with a whole section header block's head."""
    return len(data) >= 12 and unpack_from("<I", data)[0] == SECTION and byte_order(data, 0) is not None


def read(data: bytes) -> Capture:
    """All sections of a pcapng file. Raises NotACapture, TruncatedCapture."""
    first = byte_order(data, 0) if is_pcapng(data) else None
    if first is None:
        raise NotACapture("no pcapng section header")
    body = memoryview(data)[: len(data) & ~3]
    views: dict[Order, Words] = {}

    def words(order: Order) -> Words:
        if order not in views:
            views[order] = np.frombuffer(body, dtype=f"{order}u4").astype(np.uint32, copy=False)
        return views[order]

    sections, problem = _walk(data, words, first)
    if problem is None and len(data) & 3:
        problem = "the file does not end at a block's end"
    taps: list[Tap] = []
    parts: list[dict[str, NDArray[Any]]] = []
    for section in sections:
        part, broken = _frames(words(section.order), section)
        part["tap"] = part["tap"] + len(taps)
        taps += section.taps
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


def byte_order(data: bytes, start: int) -> Order | None:
    """The byte order of the section whose header starts there; None without its magic number."""
    magic = data[start + 8 : start + 12]
    if magic == BYTE_ORDER.to_bytes(4, "little"):
        return "<"
    return ">" if magic == BYTE_ORDER.to_bytes(4, "big") else None


def _walk(data: bytes, words: Any, order: Order) -> tuple[list[Section], str | None]:
    """Find every block. The loop is the only work done per frame in Python; lengths are checked again in arrays."""
    view = memoryview(words(order))
    section = Section(order)
    found: list[Section] = []
    packets = section.packets
    position, last, end = 0, 0, len(view)
    while position < end - 2:
        kind = view[position]
        if kind == PACKET:
            packets.append(position)
        elif kind == SECTION:
            turned = byte_order(data, position * 4)
            if turned is None:
                return found, "a section header without byte-order magic"
            section = Section(turned)
            found.append(section)
            packets = section.packets
            view = memoryview(words(turned))
        elif (problem := _other(data, section, kind, position, view[position + 1])) is not None:
            return found, problem
        size = view[position + 1] >> 2
        if size < 3:
            return found, _drop(section, position, "a block shorter than its own frame")
        last = position
        position += size
    if position == end:
        return found, None
    reason = "the file ends within a block"
    return found, _drop(section, last if position > end else position, reason)


def _drop(section: Section, position: int, reason: str) -> str:
    if section.packets and section.packets[-1] == position:
        section.packets.pop()
    return reason


def _other(data: bytes, section: Section, kind: int, position: int, size: int) -> str | None:
    """A block that is not an enhanced packet; returns what is wrong with it."""
    start = position * 4
    if size & 3 or size < _SMALLEST.get(kind, 12) or start + size > len(data):
        return None if start + size > len(data) else "a block whose length cannot be"
    if kind in (SIMPLE_PACKET, OLD_PACKET):
        section.simple = True
        section.packets.append(position)
    elif kind == INTERFACE:
        read_interface(data, section, start, size)
    elif kind == STATISTICS:
        _statistics(data, section, start, size)
    return None


def _options(data: bytes, order: Order, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    head = Struct(f"{order}HH")
    while start + 4 <= end:
        code, size = head.unpack_from(data, start)
        if code == 0 or start + 4 + size > end:
            return
        yield code, data[start + 4 : start + 4 + size]
        start += 4 + (size + 3 & ~3)


def read_interface(data: bytes, section: Section, start: int, size: int) -> None:
    """Take in an interface description block of `size` bytes (20 at least) at `start`."""
    order = section.order
    link_type, snap = unpack_from(f"{order}H2xI", data, start + 8)
    name, mac, resolution, shift = "", "", 6, 0
    for code, value in _options(data, order, start + 16, start + size - 4):
        if code == 2:
            name = value.rstrip(b"\0").decode(errors="replace")
        elif code == 6 and len(value) == 6:
            mac = mac_text(value)
        elif code == 9 and len(value) == 1:
            resolution = value[0]
        elif code == 14 and len(value) == 8:
            shift = int.from_bytes(value, "little" if order == "<" else "big", signed=True)
    section.taps.append(Tap(name=name, link_type=link_type, mac=mac))
    section.clocks.append((resolution, shift))
    section.snaps.append(snap)


def _statistics(data: bytes, section: Section, start: int, size: int) -> None:
    (number,) = unpack_from(f"{section.order}I", data, start + 8)
    if number >= len(section.taps):
        return
    counters: dict[str, int] = {}
    for code, value in _options(data, section.order, start + 20, start + size - 4):
        if code in (4, 5) and len(value) == 8:
            name = "received" if code == 4 else "dropped"
            counters[name] = int.from_bytes(value, "little" if section.order == "<" else "big")
    section.taps[number] = replace(section.taps[number], **counters)


def _frames(words: Words, section: Section) -> tuple[dict[str, NDArray[Any]], str | None]:
    """The columns of one section's packets, up to the first that contradicts itself."""
    at = np.array(section.packets, dtype=np.int64)
    size = words[at + 1].astype(np.int64)
    whole = (size & 3 == 0) & (size >= 16) & (at + (size >> 2) <= len(words))
    whole[whole] = words[(at + (size >> 2) - 1)[whole]] == size[whole]
    kind = words[at]
    head = np.where(kind == SIMPLE_PACKET, 12, 28)
    whole &= size >= head + 4
    at, size, kind, head = _until(whole, at, size, kind, head)
    field_at = [words[np.minimum(at + number, len(words) - 1)].astype(np.int64) for number in range(2, 7)]
    tap, high, low, length, original = field_at
    if section.simple:
        tap, high, low, length, original = _simple(kind, size, section, field_at)
    good = (tap < len(section.taps)) & (length <= size - head - 4)
    at, size, head, tap, high, low, length, original = _until(good, at, size, head, tap, high, low, length, original)
    offset = at * 4 + head
    flags = _flags(words, section.order, offset + ((length + 3) & ~3), at * 4 + size - 4)
    columns: dict[str, NDArray[Any]] = {
        "tap": tap, "time_ns": _time(section, tap, high, low), "offset": offset, "length": length,
        "original": original, "flags": flags,
    }  # fmt: skip
    return columns, "a packet block that contradicts itself" if len(at) < len(section.packets) else None


def _until(good: NDArray[np.bool_], *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    stop = len(good) if good.all() else int(np.argmin(good))
    return [array[:stop] for array in arrays]


def _simple(
    kind: NDArray[Any], size: NDArray[np.int64], section: Section, columns: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.int64]]:
    """`columns` where some blocks are simple (no time, tap 0) or of the obsolete kind (tap of 16 bits)."""
    tap, high, low, length, original = columns
    simple = kind == SIMPLE_PACKET
    snap = section.snaps[0] if section.snaps and section.snaps[0] else 1 << 32
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
    for number, (resolution, shift) in enumerate(section.clocks):
        if resolution == 9 and not shift:
            continue
        mine = tap == number
        ticks = stamp[mine]
        power = resolution & 0x7F
        if resolution & 0x80:
            whole = ticks >> np.uint64(min(power, 63))
            rest = ticks & np.uint64((1 << min(power, 63)) - 1)
            down = max(0, power - 32)
            part = (rest >> np.uint64(min(down, 63))) * np.uint64(10**9) >> np.uint64(min(power - down, 32))
            value = whole * np.uint64(10**9) + part
        elif power <= 9:
            value = ticks * np.uint64(10 ** (9 - power))
        else:
            value = ticks // np.uint64(10 ** min(power - 9, 19))
        value = value + np.uint64(shift * 10**9 % 2**64)
        time_ns[mine] = value.astype(np.int64)
    return time_ns


def _flags(words: Words, order: Order, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.uint32]:
    """epb_flags of every packet: found at once where it is the first option, else by looking through them."""
    flags = np.zeros(len(start), dtype=np.uint32)
    some = np.flatnonzero(end - start >= 8)
    first = words[start[some] >> 2]
    swift = first == (0x0004_0002 if order == "<" else 0x0002_0004)
    flags[some[swift]] = words[(start[some[swift]] >> 2) + 1]
    for row in some[~swift & (first != 0)]:
        block = words[start[row] >> 2 : end[row] >> 2].astype(f"{order}u4").tobytes()
        for code, value in _options(block, order, 0, len(block)):
            if code == 2 and len(value) == 4:
                flags[row] = int.from_bytes(value, "little" if order == "<" else "big")
    return flags
