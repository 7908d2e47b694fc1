"""What a capture file holds once read: its taps, and one array per fact of every frame; what a reader gives of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from conformance.protocols import envelope

LINK_ETHERNET: Final = envelope.ETHERNET
LINK_COOKED: Final = envelope.COOKED
LINK_COOKED_2: Final = envelope.COOKED_2
LINKS: Final = (LINK_ETHERNET, LINK_COOKED, LINK_COOKED_2)
"""Link types whose frames have a source address and an EtherType."""
LINK_RAW: Final = 101
"""No link header: the frame starts with an IP header (LINKTYPE_RAW)."""

FLAG_INBOUND: Final = 0x001
FLAG_OUTBOUND: Final = 0x002
FLAG_CHECKSUM_NOT_READY: Final = 0x200
"""The sender left the transport checksum to the hardware: the value in the frame never was on a wire."""
FLAG_CHECKSUM_VALID: Final = 0x400
FLAG_SEGMENTATION_OFFLOADED: Final = 0x800
"""One oversize TCP frame that the hardware cuts into segments. Bits of epb_flags, draft-ietf-opsawg-pcapng §4.3.1."""


class NotACapture(ValueError):  # noqa: N818 - it says what the bytes are
    """The bytes are neither pcapng nor pcap."""


class TruncatedCapture(ValueError):  # noqa: N818 - it says what the file is
    """The file ends within a block, or a block contradicts itself; `capture` holds everything before that place."""

    def __init__(self, reason: str, capture: Capture) -> None:
        super().__init__(f"{reason}; {len(capture.time_ns)} whole frames before it")
        self.capture = capture


@dataclass(frozen=True, slots=True)
class Tap:
    """One interface of the file. `received` and `dropped` are from its statistics block, None without one."""

    name: str = ""
    link_type: int = LINK_ETHERNET
    mac: str = ""
    received: int | None = None
    dropped: int | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """All frames in the file's order: arrays of one shape (frames,).

    `tap` counts from 0 over the whole file, `time_ns` is nanoseconds since 1970, `offset` and `length` say where the
    frame's captured bytes lie in `data`, `original` is its length in bytes on the wire, `flags` is epb_flags (or 0).
    """

    data: bytes
    taps: tuple[Tap, ...]
    tap: NDArray[np.int32]
    time_ns: NDArray[np.int64]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    original: NDArray[np.int64]
    flags: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.time_ns)

    def frame(self, row: int) -> bytes:
        """The captured bytes of one frame. Raises IndexError."""
        start = int(self.offset[row])
        return self.data[start : start + int(self.length[row])]


Columns = dict[str, NDArray[Any]]
"""The arrays of a `Capture` by their names."""
COLUMNS: Final[Mapping[str, type[np.generic]]] = MappingProxyType(
    {
        "tap": np.int32, "time_ns": np.int64, "offset": np.int64, "length": np.int64, "original": np.int64,
        "flags": np.uint32,
    }
)  # fmt: skip
LARGEST: Final = 1 << 24
"""Bytes of a block or record beyond which its length is taken for nonsense."""
CUT: Final = "the file ends within a block"


class Part(NamedTuple):
    """What a run of a file's bytes holds: the columns of its frames, how many of the bytes are read (the rest belongs
    in front of the bytes that follow), and what ends the reading for good, in one sentence."""

    columns: Columns
    used: int
    problem: str | None


class Reader(Protocol):
    """Reads one file of one format, part after part."""

    @property
    def taps(self) -> list[Tap]:
        """The taps that were described so far."""

    def part(self, data: bytes, *, last: bool) -> Part:
        """The frames in `data`, offsets counted from its start; `last`: nothing follows. Never raises."""


def joined(parts: Sequence[Columns]) -> Columns:
    """The frames of all `parts` in their order, each column of its own type."""
    return {
        name: np.concatenate([part[name] for part in parts]).astype(kind, copy=False) if parts else np.empty(0, kind)
        for name, kind in COLUMNS.items()
    }


def rows_at(data: bytes, offsets: NDArray[np.int64], width: int) -> NDArray[np.void]:
    """`width` bytes from each offset, as an array of shape (offsets,) to be viewed as a record type.

    Every offset must be in 0 .. len(data) - width.
    """
    count = len(data) - width + 1
    if not len(offsets) or count <= 0:
        return np.empty(0, dtype=f"V{width}")
    windows: NDArray[np.void] = np.ndarray((count,), dtype=f"V{width}", buffer=data, strides=(1,))
    return windows[offsets]
