"""Reading a gzip file as a stream of bounded parts, with the standard library's zlib (RFC 1952)."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Final

MAGIC: Final = b"\x1f\x8b"
SUSPECT: Final = 1 << 30
"""Bytes from which on the ratio of what came out to what went in is looked at."""
RATIO: Final = 200
"""Captures of the same few frames shrink to a hundredth at most; deflate itself can reach a thousandth."""

_PART: Final = 1 << 16
_GZIP: Final = 16 + zlib.MAX_WBITS


class Inflated:
    """What a gzip file holds, one member behind the other. Reads `stream` behind `start`, which was read already.

    Where the file is cut, damaged, or grows beyond measure, reading ends and `problem` says so in one sentence.
    """

    def __init__(self, stream: BinaryIO, start: bytes) -> None:
        self._stream = stream
        self._pending = start
        self._member = zlib.decompressobj(_GZIP)
        self._taken = len(start)
        self._given = 0
        self.problem: str | None = None

    def read(self, size: int) -> bytes:
        """At most `size` bytes and at least one; none at the end. Never raises on what the file holds."""
        while self.problem is None:
            if not self._pending:
                self._pending = self._stream.read(_PART)
                self._taken += len(self._pending)
                if not self._pending:
                    self.problem = None if self._member.eof else "the gzip file is cut"
                    return b""
            if self._member.eof:
                self._pending = self._pending.lstrip(b"\0")  # padding of media with blocks
                self._member = self._member if not self._pending else zlib.decompressobj(_GZIP)
            if not self._pending:
                continue
            out = self._inflate(size)
            if out:
                return out
        return b""

    def _inflate(self, size: int) -> bytes:
        try:
            out = self._member.decompress(self._pending, size)
        except zlib.error as problem:
            self.problem = f"the gzip file is damaged ({problem})"
            return b""
        self._pending = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self._given += len(out)
        if self._given > SUSPECT and self._given > RATIO * self._taken:
            self.problem = f"the gzip file grows to more than {RATIO} times its size; it is read no further"
        return out
