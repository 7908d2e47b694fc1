"""What becomes of the packet itself: gone, doubled, late, out of order, elsewhere, tagged, cut or longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from conformance.protocols.ethertypes import TAGS, ethertype_of, tagged
from conformance.recording.store import Recording
from conformance.selftest.survey.editing import Copied, Edit
from conformance.selftest.survey.fields import number
from conformance.selftest.survey.layouts import layout

LATE: Final = 3_000_000_000
"""How late a late frame is, in ns."""
DOUBLED: Final = 20_000
"""How long behind a frame its double follows, in ns."""
STRANGER: Final = bytes.fromhex("02005e0053fd")
"""A MAC address that no station of the lab has."""
FOREIGN_VLAN: Final = 42
PADDING: Final = b"\xa5" * 8

Rows = Sequence[int]


class Packet(NamedTuple):
    """A packet: its recording, the rows that show it, and those that show the next one of its kind from there."""

    recording: Recording
    rows: Rows
    following: Rows = ()


Delivery = Callable[[Packet], Edit | None]
"""What becomes of a packet: None where that is not possible or changes nothing."""


def _gone(packet: Packet) -> Edit | None:
    return Edit(gone=tuple(packet.rows))


def _doubled(packet: Packet) -> Edit | None:
    index = packet.recording.frames
    return Edit(
        added=tuple(
            Copied(row, int(index.time_ns[row]) + DOUBLED, int(index.tap[row]), index.frame(row)) for row in packet.rows
        )
    )


def _late(packet: Packet) -> Edit | None:
    index = packet.recording.frames
    last = int(index.time_ns[-1])
    if any(int(index.time_ns[row]) + LATE > last for row in packet.rows):
        return None
    return Edit(times={row: int(index.time_ns[row]) + LATE for row in packet.rows})


def _reordered(packet: Packet) -> Edit | None:
    """The packet and the one that follows it change places, on every tap that shows both."""
    index = packet.recording.frames
    places = {int(index.tap[row]): row for row in packet.following}
    pairs = [(row, places[int(index.tap[row])]) for row in packet.rows if int(index.tap[row]) in places]
    frames = {row: index.frame(other) for one, two in pairs for row, other in ((one, two), (two, one))}
    return Edit(frames=frames) if any(index.frame(row) != frame for row, frame in frames.items()) else None


def _elsewhere(packet: Packet) -> Edit | None:
    """What came in at one station comes in at the next one of its kind."""
    index, taps = packet.recording.frames, packet.recording.record.taps
    row = packet.rows[0]
    here = int(index.tap[row])
    others = [tap.number for tap in taps if tap.role == taps[here].role and tap.number != here]
    if not others:
        return None
    there = next((tap for tap in others if tap > here), others[0])
    return Edit(gone=tuple(packet.rows), added=(Copied(row, int(index.time_ns[row]), there, index.frame(row)),))


def _each(change: Callable[[bytes], bytes | None]) -> Delivery:
    """An alteration of the bytes of every copy."""

    def edit(packet: Packet) -> Edit | None:
        frames: dict[int, bytes] = {}
        for row in packet.rows:
            made = change(packet.recording.frames.frame(row))
            if made is not None:
                frames[row] = made
        return Edit(frames=frames) if frames else None

    return edit


def _retagged(frame: bytes) -> bytes:
    if ethertype_of(frame) in TAGS:
        word = number(frame, 14)
        return frame[:14] + (word & 0xF000 | (word + 1 & 0x0FFF)).to_bytes(2, "big") + frame[16:]
    return tagged(frame, FOREIGN_VLAN)


def _cut(frame: bytes) -> bytes | None:
    """Without its padding and the last octet of what it carries."""
    end = layout(frame).end
    return frame[: end - 1] if end > 15 else None


DELIVERIES: Final[Mapping[str, Delivery]] = MappingProxyType(
    {
        "gone": _gone,
        "doubled": _doubled,
        "late": _late,
        "reordered": _reordered,
        "elsewhere": _elsewhere,
        "to a stranger": _each(lambda frame: STRANGER + frame[6:]),
        "retagged": _each(_retagged),
        "cut": _each(_cut),
        "padded": _each(lambda frame: frame + PADDING),
    }
)
"""Each way to alter the packet itself."""


def deliveries(packet: Packet) -> list[str]:
    """The ways in which a packet can be altered."""
    return [how for how, edit in DELIVERIES.items() if edit(packet) is not None]
