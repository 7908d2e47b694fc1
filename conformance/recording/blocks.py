"""What pcapng's blocks say (draft-ietf-opsawg-pcapng §4): section headers, interfaces, statistics, options, clocks.

All but the fields of packets themselves, which `sections` reads in arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from struct import Struct, unpack_from
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from conformance.protocols.mac import mac_text
from conformance.recording.capture import Tap

SECTION: Final = 0x0A0D_0D0A
MAGIC: Final = SECTION.to_bytes(4, "little")
"""How a section header starts, in either byte order."""
BYTE_ORDER: Final = 0x1A2B_3C4D
INTERFACE: Final = 1
OLD_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
STATISTICS: Final = 5
PACKET: Final = 6
SMALLEST: Final = {INTERFACE: 20, OLD_PACKET: 32, SIMPLE_PACKET: 16, STATISTICS: 24, PACKET: 32, SECTION: 28}
"""Least size in bytes of a block of each kind; of any other kind it is 12."""

NAME, DESCRIPTION, MAC, RESOLUTION, SHIFT = 2, 3, 6, 9, 14
"""Options of an interface description (§4.2)."""
RECEIVED, DROPPED = 4, 5
"""Options of interface statistics (§4.6)."""
FLAGS: Final = 2
"""The option epb_flags of an enhanced packet (§4.3)."""
APPLICATION: Final = 4
"""The option of a section header (§4.1) that names who wrote it."""

CONTRADICTION: Final = "a block that contradicts itself"
NO_ORDER: Final = "a section header without byte-order magic"
IMPOSSIBLE: Final = "a block whose length cannot be"

Order = Literal["<", ">"]
Ticks = TypeVar("Ticks", int, NDArray[np.uint64])
PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
"""What follows so many bytes, modulo four, up to the next multiple of four."""
_OPTION: Final[dict[Order, Struct]] = {"<": Struct("<HH"), ">": Struct(">HH")}
_FLAGS_FIRST: Final = {order: head.pack(FLAGS, 4) for order, head in _OPTION.items()}
"""How options start that most writers write: epb_flags, and nothing else."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What a stamp of an interface counts: `resolution` as if_tsresol has it, `shift` in s as if_tsoffset."""

    resolution: int = 6
    shift: int = 0

    @property
    def counts_nanoseconds(self) -> bool:
        """Whether stamps are nanoseconds since 1970 as they are."""
        return self.resolution == 9 and not self.shift

    def nanoseconds(self, ticks: Ticks) -> Ticks:
        """Nanoseconds since 1970 of a stamp, or of an array of stamps; to be taken modulo 2**64."""
        if self.counts_nanoseconds:
            return ticks
        stamp: Any = ticks
        power = self.resolution & 0x7F
        if self.resolution & 0x80:
            shown, below = min(power, 63), max(0, power - 32)
            rest = (stamp & (1 << shown) - 1) >> min(below, 63)
            value = (stamp >> shown) * 10**9 + (rest * 10**9 >> min(power - below, 32))
        elif power <= 9:
            value = stamp * 10 ** (9 - power)
        else:
            value = stamp // 10 ** min(power - 9, 19)
        found: Ticks = value + self.shift * 10**9 % 2**64
        return found


@dataclass(frozen=True, slots=True)
class Interface:
    """What an interface description block says; `snap` is the most bytes of a frame that are captured, 0 for all."""

    tap: Tap
    clock: Clock = Clock()
    snap: int = 0


@dataclass(slots=True)
class Section:
    """One section: its byte order, and the interfaces that it has described so far."""

    order: Order
    interfaces: list[Interface] = field(default_factory=list)


def is_pcapng(data: bytes) -> bool:
    """Whether `data` starts with a whole section header block's head."""
    return data.startswith(MAGIC) and byte_order(data, 0) is not None


def byte_order(data: bytes, start: int) -> Order | None:
    """The byte order of the section whose header starts there; None without its magic number."""
    magic = data[start + 8 : start + 12]
    if magic == BYTE_ORDER.to_bytes(4, "little"):
        return "<"
    return ">" if magic == BYTE_ORDER.to_bytes(4, "big") else None


def options(data: bytes, order: Order, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option from `start` on, up to the end of options or to one that goes beyond `end`."""
    head = _OPTION[order]
    while start + 4 <= end:
        code, size = head.unpack_from(data, start)
        if code == 0 or start + 4 + size > end:
            return
        yield code, data[start + 4 : start + 4 + size]
        start += 4 + (size + 3 & ~3)


def pack_options(listed: Sequence[tuple[int, bytes]]) -> bytes:
    """Options, little-endian, with their end; no bytes for no option."""
    if not listed:
        return b""
    head = _OPTION["<"]
    packed = [head.pack(code, len(value)) + value + PADDING[len(value) & 3] for code, value in listed]
    return b"".join(packed) + head.pack(0, 0)


def read_interface(data: bytes, section: Section, start: int, size: int) -> None:
    """Take in an interface description block of `size` bytes (20 at least) at `start`."""
    link_type, snap = unpack_from(f"{section.order}H2xI", data, start + 8)
    name, mac, resolution, shift = "", "", 6, 0
    for code, value in options(data, section.order, start + 16, start + size - 4):
        if code == NAME:
            name = value.rstrip(b"\0").decode(errors="replace")
        elif code == MAC and len(value) == 6:
            mac = mac_text(value)
        elif code == RESOLUTION and len(value) == 1:
            resolution = value[0]
        elif code == SHIFT and len(value) == 8:
            shift = _number(section.order, value, signed=True)
    tap = Tap(name=name, link_type=link_type, mac=mac)
    section.interfaces.append(Interface(tap, Clock(resolution, shift), snap))


def read_statistics(data: bytes, section: Section, start: int, size: int) -> None:
    """Take in an interface statistics block of `size` bytes (24 at least) at `start`."""
    (number,) = unpack_from(f"{section.order}I", data, start + 8)
    if number >= len(section.interfaces):
        return
    counters: dict[str, int] = {}
    for code, value in options(data, section.order, start + 20, start + size - 4):
        if code in (RECEIVED, DROPPED) and len(value) == 8:
            counters["received" if code == RECEIVED else "dropped"] = _number(section.order, value)
    about = section.interfaces[number]
    section.interfaces[number] = replace(about, tap=replace(about.tap, **counters))


def flags_of(data: bytes, order: Order, start: int, end: int) -> int:
    """epb_flags among a packet's options, which lie from `start` to `end`; 0 without it."""
    if end - start >= 8 and data[start : start + 4] == _FLAGS_FIRST[order]:
        return _number(order, data[start + 4 : start + 8])
    listed = options(data, order, start, end)
    return next((_number(order, value) for code, value in listed if code == FLAGS and len(value) == 4), 0)


def _number(order: Order, value: bytes, *, signed: bool = False) -> int:
    return int.from_bytes(value, "little" if order == "<" else "big", signed=signed)
