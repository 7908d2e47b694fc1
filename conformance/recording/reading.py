"""Reading capture files, pcapng (draft-ietf-opsawg-pcapng) and classic pcap: whole, or of any size in one pass.

Both ways hand bytes to the same reader of the format, `read` all at once and `Scan` part after part, so that they say
the same of a file that is cut or contradicts itself. Neither fails on garbage other than as it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

from conformance.recording import blocks, classic
from conformance.recording.capture import Capture, Columns, NotACapture, Reader, Tap, TruncatedCapture
from conformance.recording.inflating import MAGIC, Inflated
from conformance.recording.sections import SectionReader

_CHUNK: Final = 1 << 20
_LEAST: Final = 12
"""Bytes of a file that say what it is."""
_COMPRESSED: Final = {MAGIC: "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}


class Frame(NamedTuple):
    """One frame: its number in the file (from 1), its tap, time in ns since 1970, length on the wire, captured bytes,
    and epb_flags."""

    number: int
    tap: int
    time_ns: int
    original: int
    data: bytes
    flags: int


Wanted = Callable[[bytes, int, int, int], bool]
"""Decides whether the frame that lies from one place of a buffer to another, captured with a header of a link type,
matters."""


def reader_of(start: bytes) -> Reader:
    """The reader for a file that starts so (`_LEAST` bytes are enough). Raises NotACapture."""
    if blocks.is_pcapng(start):
        return SectionReader()
    found = classic.format_of(start)
    if found is not None:
        return classic.RecordReader(found)
    for magic, name in _COMPRESSED.items():
        if start.startswith(magic):
            raise NotACapture(f"compressed with {name}; decompress it first")
    raise NotACapture("neither pcapng nor pcap: no such magic number at the start")


def read(data: bytes) -> Capture:
    """Everything in a capture file. Raises NotACapture, or TruncatedCapture which carries what could be read."""
    reader = reader_of(data[:_LEAST])
    part = reader.part(data, last=True)
    capture = Capture(data=data, taps=tuple(reader.taps), **part.columns)
    if part.problem is not None:
        raise TruncatedCapture(part.problem, capture)
    return capture


class Scan:
    """An iteration over those frames of one file that are `wanted`, with about 1 MiB of it in memory at a time.

    `taps` are those described so far, `frames` how many frames of any kind were seen. Where the file is cut or
    contradicts itself, the iteration ends and `problem` says so in one sentence; what came before counts. A gzip file
    is decompressed on the way. Raises NotACapture when made of a file that holds neither pcapng nor pcap.
    """

    def __init__(self, stream: BinaryIO, wanted: Wanted = lambda _buffer, _start, _end, _link: True) -> None:
        self._stream: BinaryIO | Inflated = stream
        self._wanted = wanted
        self._start = stream.read(_CHUNK)
        if self._start.startswith(MAGIC):
            self._stream = Inflated(stream, self._start)
            self._start = self._stream.read(_CHUNK)
        if self._inflating_problem is not None and len(self._start) < _LEAST:
            raise NotACapture(str(self._inflating_problem))
        self._reader = reader_of(self._start[:_LEAST])
        self.frames = 0
        self.problem: str | None = None

    @property
    def taps(self) -> list[Tap]:
        """The taps that were described so far."""
        return self._reader.taps

    def __iter__(self) -> Iterator[Frame]:
        buffer, self._start, more = self._start, b"", True
        while more and self.problem is None:
            added = self._stream.read(_CHUNK)
            more = bool(added)
            part = self._reader.part(buffer, last=not more)
            yield from self._frames(buffer, part.columns)
            buffer = buffer[part.used :] + added
            found = self._inflating_problem or part.problem
            if found is not None:
                self.problem = f"{found}, after {self.frames} whole frames"

    @property
    def _inflating_problem(self) -> str | None:
        return self._stream.problem if isinstance(self._stream, Inflated) else None

    def _frames(self, buffer: bytes, columns: Columns) -> Iterator[Frame]:
        before, wanted = self.frames, self._wanted
        begins = columns["offset"].tolist()
        ends = (columns["offset"] + columns["length"]).tolist()
        links = [tap.link_type for tap in self.taps]
        taps = columns["tap"].tolist()
        self.frames += len(begins)
        for row, (start, end, number) in enumerate(zip(begins, ends, taps, strict=True)):
            if wanted(buffer, start, end, links[number]):
                tap, time_ns, original, flags = (int(columns[name][row]) for name in _OTHERS)
                yield Frame(before + row + 1, tap, time_ns, original, buffer[start:end], flags)


_OTHERS: Final = ("tap", "time_ns", "original", "flags")
