"""One pass over a capture file of any size: frame by frame, with no more of it in memory than one block.

For files that somebody else made, of which few frames matter. `pcapng.read` is for recordings, which are read whole.
What blocks and headers say is decoded by `blocks` and `classic` for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct, unpack_from
from typing import BinaryIO, Final, Literal, NamedTuple

from conformance.recording import blocks, classic
from conformance.recording.blocks import OLD_PACKET, PACKET, SECTION, SIMPLE_PACKET, SMALLEST, Section
from conformance.recording.capture import NotACapture, Tap

Format = Literal["pcapng", "pcap"]

_CHUNK: Final = 1 << 20
_LARGEST: Final = 1 << 24
"""Bytes of a block or record beyond which its length is taken for nonsense."""
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
        if not self._fill(classic.HEADER):
            return self._ends(blocks.CUT)
        found = classic.format_of(self._buffer)
        assert found is not None
        self.taps.append(classic.tap_of(self._buffer, found.order))
        self._at = classic.HEADER
        head = Struct(f"{found.order}IIII")
        while self._fill(1):
            if not self._fill(classic.RECORD):
                return self._ends(blocks.CUT)
            length = head.unpack_from(self._buffer, self._at)[2]
            if length > _LARGEST:
                return self._ends(f"a record of {length} bytes")
            if not self._fill(classic.RECORD + length):
                return self._ends(blocks.CUT)
            yield from self._records(head, found.unit)
        return None

    def _records(self, head: Struct, unit: int) -> Iterator[Frame]:
        """Every record that is whole in the buffer."""
        buffer, at, end = self._buffer, self._at, len(self._buffer)
        wanted, unpack = self._wanted, head.unpack_from
        while at + classic.RECORD <= end:
            seconds, fraction, length, original = unpack(buffer, at)
            start = at + classic.RECORD
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
        section, first = Section("<"), 0
        while self._fill(1) and self.problem is None:
            if not self._fill(12):
                return self._ends(blocks.CUT)
            if unpack_from("<I", self._buffer, self._at)[0] == SECTION:
                turned = blocks.byte_order(self._buffer, self._at)
                if turned is None:
                    return self._ends(blocks.NO_ORDER)
                section, first = Section(turned), len(self.taps)
            kind, size = unpack_from(f"{section.order}II", self._buffer, self._at)
            if size & 3 or not 12 <= size <= _LARGEST:
                return self._ends(f"{blocks.IMPOSSIBLE} ({size})")
            if not self._fill(size):
                return self._ends(blocks.CUT)
            if kind == PACKET:
                yield from self._packets(section, first)
            else:
                yield from self._other(kind, size, section, first)
                self._at += size
        return None

    def _other(self, kind: int, size: int, section: Section, first: int) -> Iterator[Frame]:
        """A block that is not an enhanced packet, whole in the buffer."""
        if kind in (SIMPLE_PACKET, OLD_PACKET):
            frame = self._rare(kind, size, section, first)
            if frame is None:
                return self._ends(blocks.CONTRADICTION)
            self.frames += 1
            if self._wanted(frame.data, 0, len(frame.data)):
                yield frame
        elif kind == blocks.INTERFACE and size >= SMALLEST[kind]:
            blocks.read_interface(self._buffer, section, self._at, size)
            self.taps.append(section.interfaces[-1].tap)
        return None

    def _packets(self, section: Section, first: int) -> Iterator[Frame]:
        """The packet blocks from here on that are whole in the buffer, up to a block of another kind."""
        buffer, at, end = self._buffer, self._at, len(self._buffer)
        wanted, unpack = self._wanted, Struct(f"{section.order}IIIIIII").unpack_from
        least, clocks = SMALLEST[PACKET], [one.clock for one in section.interfaces]
        while at + least <= end:
            kind, size, tap, high, low, length, original = unpack(buffer, at)
            if kind != PACKET or (at + size > end and least <= size <= _LARGEST and not size & 3):
                return
            if size & 3 or not least <= size <= _LARGEST or tap >= len(clocks) or length > size - least:
                return self._ends(blocks.CONTRADICTION)
            start = at + 28
            self.frames += 1
            if wanted(buffer, start, start + length):
                time_ns = clocks[tap].nanoseconds(high << 32 | low) % 2**63
                flags = blocks.flags_of(buffer, section.order, start + (length + 3 & ~3), at + size - 4)
                data = buffer[start : start + length]
                yield Frame(self.frames, first + tap, time_ns, original, data, flags)
            at += size
            self._at = at
        return None

    def _rare(self, kind: int, size: int, section: Section, first: int) -> Frame | None:
        """A simple packet block (no time), or one of the obsolete kind (tap of 16 bits); None where it is broken."""
        at, order = self._at, section.order
        if kind == SIMPLE_PACKET:
            if size < SMALLEST[kind] or not section.interfaces:
                return None
            original = unpack_from(f"{order}I", self._buffer, at + 8)[0]
            length = min(original, section.interfaces[0].snap or original, size - 16)
            data = self._buffer[at + 12 : at + 12 + length]
            return Frame(self.frames + 1, first, 0, original, data, 0)
        if size < SMALLEST[kind]:
            return None
        tap, high, low, length, original = unpack_from(f"{order}H2xIIII", self._buffer, at + 8)
        if tap >= len(section.interfaces) or length > size - SMALLEST[kind]:
            return None
        data = self._buffer[at + 28 : at + 28 + length]
        time_ns = section.interfaces[tap].clock.nanoseconds(high << 32 | low) % 2**63
        flags = blocks.flags_of(self._buffer, order, at + 28 + (length + 3 & ~3), at + size - 4)
        return Frame(self.frames + 1, first + tap, time_ns, original, data, flags)


def _format(start: bytes) -> Format:
    if blocks.is_pcapng(start):
        return "pcapng"
    if classic.format_of(start) is not None:
        return "pcap"
    for magic, name in _COMPRESSED.items():
        if start.startswith(magic):
            raise NotACapture(f"compressed with {name}; decompress it first")
    raise NotACapture("neither pcapng nor pcap: no such magic number at the start")
