"""From what the rings captured to the recording's pcapng: one pcapng interface per tap, frames in order of time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance import __version__
from conformance.lab.taps.linkwatch import NamedLink
from conformance.lab.taps.ring import (
    CHECKSUM_NOT_READY,
    CHECKSUM_VALID,
    FRAME,
    PACKET_OUTGOING,
    SEGMENTATION_OFFLOADED,
    VLAN_TYPE_VALID,
    VLAN_VALID,
    positions,
)
from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_text
from conformance.recording.capture import (
    FLAG_CHECKSUM_NOT_READY,
    FLAG_CHECKSUM_VALID,
    FLAG_INBOUND,
    FLAG_OUTBOUND,
    FLAG_SEGMENTATION_OFFLOADED,
    LINK_ETHERNET,
    LINK_RAW,
    Capture,
    rows_at,
)
from conformance.recording.model import TapState
from conformance.recording.pcapng import Writer

_ETHERNET_HARDWARE: Final = (1, 772)
"""ARPHRD_ETHER and ARPHRD_LOOPBACK; other interfaces of a lab (tunnels) hand over bare IP packets."""
_DIRECTION: Final = np.full(256, FLAG_INBOUND, dtype=np.uint32)
"""sll_pkttype (host, broadcast, multicast, other host, outgoing) to direction and reception type of epb_flags."""
_DIRECTION[[0, 1, 2, 3, PACKET_OUTGOING]] = [
    FLAG_INBOUND | 1 << 2, FLAG_INBOUND | 3 << 2, FLAG_INBOUND | 2 << 2, FLAG_INBOUND | 4 << 2, FLAG_OUTBOUND,
]  # fmt: skip
_MARKS: Final = {
    CHECKSUM_NOT_READY: FLAG_CHECKSUM_NOT_READY,
    CHECKSUM_VALID: FLAG_CHECKSUM_VALID,
    SEGMENTATION_OFFLOADED: FLAG_SEGMENTATION_OFFLOADED,
}
_LOOPBACK: Final = "lo"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one ring has captured, and the names of the interfaces there (see `tap.Watch`)."""

    where: str
    role: Any
    roles: Mapping[str, Any]
    only: frozenset[str] | None
    links: Mapping[int, NamedLink]
    blocks: Sequence[bytes]
    dropped: int
    swapped: bool = False


@dataclass(slots=True)
class _Tap:
    traffic: Traffic
    interface: str
    mac: bytes = b""
    hardware: int = 1


def write(path: Path, traffic: Sequence[Traffic]) -> tuple[TapState, ...]:
    """Write all of `traffic` to `path`, which appears whole or not at all; returns the taps in the file's order."""
    frames, tags, taps = _collect(traffic)
    captured = np.bincount(frames.tap, minlength=len(taps)).tolist()
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            _write(Writer(stream, application=f"plugfest {__version__}"), taps, frames, tags, captured)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return tuple(_state(number, tap, captured[number]) for number, tap in enumerate(taps))


def _collect(traffic: Sequence[Traffic]) -> tuple[Capture, NDArray[np.uint32], list[_Tap]]:
    """All kept frames in order of time, their VLAN tags, and the taps."""
    data = b"".join(block for one in traffic for block in one.blocks)
    taps: list[_Tap] = []
    heads, places, numbers, base = [], [], [], 0
    for one in traffic:
        place = positions(one.blocks) + base
        head = rows_at(data, place, FRAME.itemsize).view(FRAME)
        base += sum(map(len, one.blocks))
        places.append(place)
        heads.append(head)
        numbers.append(_taps_of(one, head, taps))
    head, place, number = (_joined(heads, FRAME), _joined(places, np.int64), _joined(numbers, np.int32))
    time_ns = head["seconds"].astype(np.int64) * 10**9 + head["nanoseconds"]
    order = np.argsort(time_ns, kind="stable")
    order = order[number[order] >= 0]
    head, place, number, time_ns = head[order], place[order], number[order], time_ns[order]
    capture = Capture(
        data=data,
        taps=(),
        tap=number,
        time_ns=time_ns,
        offset=place + head["mac"],
        length=head["captured"].astype(np.int64),
        original=head["original"].astype(np.int64),
        flags=_swapped(_flags(head), np.array([tap.traffic.swapped for tap in taps], dtype=bool), number),
    )
    return capture, _tags(head), taps


def _joined(parts: Sequence[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=kind)


def _taps_of(traffic: Traffic, head: NDArray[Any], taps: list[_Tap]) -> NDArray[np.int32]:
    """Append this ring's taps to `taps`; returns the tap of every frame, -1 for one that is not kept.

    One name is one tap. An interface that was never up and carried no frame is no tap.
    """
    seen, first, inverse = np.unique(head["index"], return_index=True, return_inverse=True)
    hardware = dict(zip(seen.tolist(), head["hardware"][first].tolist(), strict=True))
    numbers: dict[int, int] = {}
    by_name: dict[str, int] = {}
    for index in sorted({*hardware, *(link.index for link in traffic.links.values() if link.was_up)}):
        link = traffic.links.get(index)
        name = link.name if link is not None and link.name else f"if{index}"
        if (traffic.only is not None and name not in traffic.only) or (name == _LOOPBACK and index not in hardware):
            continue
        if name not in by_name:
            by_name[name] = len(taps)
            taps.append(_Tap(traffic, name))
        tap = taps[by_name[name]]
        tap.mac = link.mac if link is not None else tap.mac
        tap.hardware = hardware.get(index, tap.hardware)
        numbers[index] = by_name[name]
    return np.array([numbers.get(index, -1) for index in seen.tolist()], dtype=np.int32)[inverse]


def _write(
    writer: Writer, taps: Sequence[_Tap], frames: Capture, tags: NDArray[np.uint32], captured: Sequence[int]
) -> None:
    for tap in taps:
        link_type = LINK_ETHERNET if tap.hardware in _ETHERNET_HARDWARE else LINK_RAW
        writer.interface(f"{tap.traffic.where}:{tap.interface}", link_type=link_type, mac=tap.mac)
    writer.frames(frames, tags)
    last = int(frames.time_ns[-1]) if len(frames) else 0
    for number, tap in enumerate(taps):
        writer.statistics(number, last, received=captured[number], dropped=tap.traffic.dropped)


def _tags(head: NDArray[Any]) -> NDArray[np.uint32]:
    """The VLAN tags that the kernel has taken out of the frames, 0 for none."""
    kind = np.where(head["status"] & VLAN_TYPE_VALID, head["tag_type"], ethertypes.CUSTOMER_TAG).astype(np.uint32)
    tags: NDArray[np.uint32] = np.where(head["status"] & VLAN_VALID, kind << 16 | head["tci"], 0).astype(np.uint32)
    return tags


def _flags(head: NDArray[Any]) -> NDArray[np.uint32]:
    flags: NDArray[np.uint32] = _DIRECTION[head["kind"]]
    for status, flag in _MARKS.items():
        flags |= np.where(head["status"] & status, flag, 0).astype(np.uint32)
    return flags


def _swapped(flags: NDArray[np.uint32], outside: NDArray[np.bool_], number: NDArray[np.int32]) -> NDArray[np.uint32]:
    """The direction as the other end of the cable has it, for the taps that are `outside` (see `tap.Watch`)."""
    if not outside.any():
        return flags
    turned = np.where(flags & 3 == FLAG_INBOUND, FLAG_OUTBOUND, FLAG_INBOUND).astype(np.uint32)
    return np.where(outside[number], flags & ~np.uint32(0x1F) | turned, flags).astype(np.uint32)


def _state(number: int, tap: _Tap, captured: int) -> TapState:
    traffic = tap.traffic
    return TapState(
        number=number,
        name=f"{traffic.where}:{tap.interface}",
        where=traffic.where,
        interface=tap.interface,
        role=traffic.roles.get(tap.interface, traffic.role),
        mac=mac_text(tap.mac) if len(tap.mac) == 6 else "",
        captured=captured,
        dropped=traffic.dropped,
    )
