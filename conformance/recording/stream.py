"""One pass over a capture file of any size: frame by frame, with no more of it in memory than one block.

For files that somebody else made, of which few frames matter. `pcapng.read` is for recordings, which are read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct, unpack_from
from typing import BinaryIO, Final, Literal, NamedTuple

from conformance.recording import sections
from conformance.recording.capture import NotACapture, Tap
from conformance.recording.sections import Order

Format = Literal["pcapng", "pcap"]

_CHUNK: Final = 1 << 20
_LARGEST: Final = 1 << 24
"""Bytes of a block or record beyond which its length is taken for nonsense."""
_CLASSIC: Final = {0xA1B2_C3D4: 1_000, 0xA1B2_3C4D: 1}
_CUT: Final = "the file ends within a block"
_CONTRADICTION: Final = "a packet block that contradicts itself"
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}


class Frame(NamedTuple):
    """One frame: its number in the file (from 1), its tap, time in ns since 1970, length on the wire, captured bytes,
    and epb_flags."""

    number: int
    tap: int
    time_ns: int
    original: int
    data: bytes
    flags: int


@dataclass(slots=True)
class _Clock:
    resolution: int = 6
    shift: int = 0

    def nanoseconds(self, ticks: int) -> int:
        """The time of a stamp in this clock's ticks."""
        if self.resolution & 0x80:
            value = ticks * 10**9 >> (self.resolution & 0x7F)
        else:
            value = ticks * 10**9 // 10**self.resolution
        return (value + self.shift * 10**9) % 2**63


Wanted = Callable[[bytes, int, int], bool]
"""Whether the frame that lies from one place of a buffer to another matters."""


class Scan:
    """An iteration over those frames of one file that are `wanted`.

    `taps` are those described so far, `frames` how many frames of any kind were seen. Where the file is cut or
    contradicts itself, the iteration ends and `problem` says so in one sentence; what came before counts. Raises
    NotACapture when made of a file that is neither pcapng nor pcap.
    """

    def __init__(self, stream: BinaryIO, wanted: Wanted = lambda _buffer, _start, _end: True) -> None:
        self._stream = stream
        self._wanted = wanted
        self._buffer = b""
        self._at = 0
        self.taps: list[Tap] = []
        self.frames = 0
        self.problem: str | None = None
        self._fill(12)
        self.format: Format = _format(self._buffer[:12])

    def __iter__(self) -> Iterator[Frame]:
        return self._pcapng() if self.format == "pcapng" else self._pcap()

    def _fill(self, size: int) -> bool:
        """Whether `size` bytes are there from `_at` on, after reading on if need be."""
        if len(self._buffer) - self._at >= size:
            return True
        parts = [self._buffer[self._at :]]
        have = len(parts[0])
        while have < size and (more := self._stream.read(max(_CHUNK, size - have))):
            parts.append(more)
            have += len(more)
        self._buffer, self._at = b"".join(parts), 0
        return have >= size

    def _ends(self, reason: str) -> None:
        self.problem = f"{reason}, after {self.frames} whole frames"

    # --- classic pcap -------------------------------------------------------------------------------------------
    def _pcap(self) -> Iterator[Frame]:
        if not self._fill(24):
            return self._ends(_CUT)
        order: Order = "<" if unpack_from("<I", self._buffer)[0] in _CLASSIC else ">"
        unit = _CLASSIC[unpack_from(f"{order}I", self._buffer)[0]]
        self.taps.append(Tap(link_type=unpack_from(f"{order}I", self._buffer, 20)[0] & 0xFFFF))
        self._at = 24
        head = Struct(f"{order}IIII")
        while self._fill(1):
            if not self._fill(16):
                return self._ends(_CUT)
            length = head.unpack_from(self._buffer, self._at)[2]
            if length > _LARGEST:
                return self._ends(f"a record of {length} bytes")
            if not self._fill(16 + length):
                return self._ends(_CUT)
            yield from self._records(head, unit)
        return None

    def _records(self, head: Struct, unit: int) -> Iterator[Frame]:
        """Every record that is whole in the buffer."""
        buffer, at, end = self._buffer, self._at, len(self._buffer)
        wanted, unpack = self._wanted, head.unpack_from
        while at + 16 <= end:
            seconds, fraction, length, original = unpack(buffer, at)
            start = at + 16
            at = start + length
            if at > end:
                return
            self.frames += 1
            self._at = at
            if wanted(buffer, start, at):
                time_ns = seconds * 10**9 + fraction * unit
                yield Frame(self.frames, 0, time_ns, original, buffer[start:at], 0)

    # --- pcapng ---------------------------------------------------------------------------------------------------
    def _pcapng(self) -> Iterator[Frame]:
        section, first = sections.Section("<"), 0
        while self._fill(1) and self.problem is None:
            if not self._fill(12):
                return self._ends(_CUT)
            if unpack_from("<I", self._buffer, self._at)[0] == sections.SECTION:
                turned = sections.byte_order(self._buffer, self._at)
                if turned is None:
                    return self._ends("a section header without byte-order magic")
                section, first = sections.Section(turned), len(self.taps)
            kind, size = unpack_from(f"{section.order}II", self._buffer, self._at)
            if size & 3 or not 12 <= size <= _LARGEST:
                return self._ends(f"a block whose length cannot be ({size})")
            if not self._fill(size):
                return self._ends(_CUT)
            if kind == sections.PACKET:
                yield from self._packets(section, first)
            else:
                yield from self._other(kind, size, section, first)
                self._at += size
        return None

    def _other(self, kind: int, size: int, section: sections.Section, first: int) -> Iterator[Frame]:
        """A block that is not an enhanced packet, whole in the buffer."""
        if kind in (sections.SIMPLE_PACKET, sections.OLD_PACKET):
            frame = self._rare(kind, size, section, first)
            if frame is None:
                return self._ends(_CONTRADICTION)
            self.frames += 1
            if self._wanted(frame.data, 0, len(frame.data)):
                yield frame
        elif kind == sections.INTERFACE and size >= 20:
            sections.read_interface(self._buffer, section, self._at, size)
            self.taps.append(section.taps[-1])
        return None

    def _packets(self, section: sections.Section, first: int) -> Iterator[Frame]:
        """The packet blocks from here on that are whole in the buffer, up to a block of another kind."""
        buffer, at, end = self._buffer, self._at, len(self._buffer)
        wanted, unpack = self._wanted, Struct(f"{section.order}IIIIIII").unpack_from
        clocks = [_Clock(*clock) for clock in section.clocks]
        while at + 32 <= end:
            kind, size, tap, high, low, length, original = unpack(buffer, at)
            if kind != sections.PACKET or (at + size > end and 32 <= size <= _LARGEST and not size & 3):
                return
            if size & 3 or not 32 <= size <= _LARGEST or tap >= len(clocks) or length > size - 32:
                return self._ends(_CONTRADICTION)
            start = at + 28
            self.frames += 1
            if wanted(buffer, start, start + length):
                time_ns = clocks[tap].nanoseconds(high << 32 | low)
                flags = _flags(buffer, section.order, start + (length + 3 & ~3), at + size - 4)
                data = buffer[start : start + length]
                yield Frame(self.frames, first + tap, time_ns, original, data, flags)
            at += size
            self._at = at
        return None

    def _rare(self, kind: int, size: int, section: sections.Section, first: int) -> Frame | None:
        """A simple packet block (no time), or one of the obsolete kind (tap of 16 bits); None where it is broken."""
        at, order = self._at, section.order
        if kind == sections.SIMPLE_PACKET:
            if size < 16 or not section.taps:
                return None
            original = unpack_from(f"{order}I", self._buffer, at + 8)[0]
            data = self._buffer[at + 12 : at + 12 + min(original, size - 16)]
            return Frame(self.frames + 1, first, 0, original, data, 0)
        if size < 32:
            return None
        tap, high, low, length, original = unpack_from(f"{order}H2xIIII", self._buffer, at + 8)
        if tap >= len(section.taps) or length > size - 32:
            return None
        data = self._buffer[at + 28 : at + 28 + length]
        time_ns = _Clock(*section.clocks[tap]).nanoseconds(high << 32 | low)
        return Frame(self.frames + 1, first + tap, time_ns, original, data, 0)


def _flags(buffer: bytes, order: Order, start: int, end: int) -> int:
    """epb_flags, where they are the first option."""
    if start + 8 <= end and unpack_from(f"{order}HH", buffer, start) == (2, 4):
        return int(unpack_from(f"{order}I", buffer, start + 4)[0])
    return 0


def _format(start: bytes) -> Format:
    if sections.is_pcapng(start):
        return "pcapng"
    if len(start) >= 4 and {unpack_from("<I", start)[0], unpack_from(">I", start)[0]} & set(_CLASSIC):
        return "pcap"
    for magic, name in _COMPRESSED.items():
        if start.startswith(magic):
            raise NotACapture(f"compressed with {name}; decompress it first")
    raise NotACapture("neither pcapng nor pcap: no such magic number at the start")
