"""Writing pcapng files (draft-ietf-opsawg-pcapng), block after block into a stream; `reading` reads them."""

from __future__ import annotations

from struct import Struct
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from conformance.recording import blocks, bulk
from conformance.recording.capture import LINK_ETHERNET, Capture

_PACKET: Final = Struct("<IIIIIII")
_FLAGS: Final = Struct("<HHIHHI")


class Writer:
    """Writes one section, little-endian, timestamps in nanoseconds. The stream stays the caller's to close."""

    def __init__(self, stream: BinaryIO, *, application: str = "") -> None:
        self._write = stream.write
        self._taps = 0
        body = Struct("<IHHq").pack(blocks.BYTE_ORDER, 1, 0, -1)
        options = [(blocks.APPLICATION, application.encode())] if application else []
        self._block(blocks.SECTION, body + blocks.pack_options(options))

    def _block(self, kind: int, body: bytes) -> None:
        size = Struct("<I").pack(len(body) + 12)
        self._write(Struct("<I").pack(kind) + size + body + size)

    def interface(self, name: str, *, link_type: int = LINK_ETHERNET, mac: bytes = b"", description: str = "") -> int:
        """Describe a tap; returns its number, from 0."""
        options = [(blocks.NAME, name.encode())]
        if description:
            options.append((blocks.DESCRIPTION, description.encode()))
        if len(mac) == 6:
            options.append((blocks.MAC, mac))
        options.append((blocks.RESOLUTION, b"\x09"))
        self._block(blocks.INTERFACE, Struct("<HHI").pack(link_type, 0, 0) + blocks.pack_options(options))
        self._taps += 1
        return self._taps - 1

    def frame(self, tap: int, time_ns: int, frame: bytes, *, original: int | None = None, flags: int = 0) -> None:
        """One frame of tap number `tap`; `original` is its length on the wire where it was cut."""
        captured = len(frame)
        size = 44 + (captured + 3 & ~3)
        self._write(
            _PACKET.pack(
                blocks.PACKET,
                size,
                tap,
                time_ns >> 32,
                time_ns & 0xFFFF_FFFF,
                captured,
                captured if original is None else original,
            )
            + frame
            + blocks.PADDING[captured & 3]
            + _FLAGS.pack(blocks.FLAGS, 4, flags, 0, 0, size)
        )

    def frames(self, frames: Capture, tag: NDArray[np.uint32]) -> None:
        """All of `frames` at once, in their order; `tag` has VLAN tags to be put in (see `bulk.packets`)."""
        self._write(bulk.packets(frames, tag).data)

    def statistics(self, tap: int, time_ns: int, *, received: int, dropped: int) -> None:
        """How many frames of a tap are in the file, and how many it lost."""
        options = [(blocks.RECEIVED, received.to_bytes(8, "little")), (blocks.DROPPED, dropped.to_bytes(8, "little"))]
        body = Struct("<III").pack(tap, time_ns >> 32, time_ns & 0xFFFF_FFFF)
        self._block(blocks.STATISTICS, body + blocks.pack_options(options))
