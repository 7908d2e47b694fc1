"""Slow protocols: LACPDUs and Marker PDUs (IEEE 802.1AX-2020 §6.4.2, §6.5) as typed views, parsed and built.

Plain struct on purpose, as in `ndp`: partners build and read them in every sandbox, and checks look through all of
them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Final

from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_bytes, mac_text

GROUP: Final = "01:80:c2:00:00:02"
"""The Slow Protocols group address, one of the reserved addresses that no bridge forwards."""
LACP: Final = 1
MARKER: Final = 2
LENGTH: Final = 124
"""Octets of a whole LACPDU or Marker PDU frame without its FCS: 14 of header, 110 of subtype and content."""
ACTOR, PARTNER, COLLECTOR, TERMINATOR = 1, 2, 3, 0
MARKER_INFORMATION, MARKER_RESPONSE = 1, 2

_PARTICIPANT: Final = struct.Struct("!BBH6sHHHB3x")
_COLLECTOR: Final = struct.Struct("!BBH12x")
_MARKER: Final = struct.Struct("!BBH6sI2x")
_HEAD: Final = 16
"""Ethernet header, subtype and version."""
_ACTOR_AT, _PARTNER_AT, _COLLECTOR_AT, _TERMINATOR_AT = 16, 36, 56, 72


class State(IntFlag):
    """The state octet of a participant, bit by bit from the lowest."""

    ACTIVITY = 0x01
    TIMEOUT = 0x02
    AGGREGATION = 0x04
    SYNCHRONIZATION = 0x08
    COLLECTING = 0x10
    DISTRIBUTING = 0x20
    DEFAULTED = 0x40
    EXPIRED = 0x80

    def words(self) -> str:
        """The bits that are set, in words, lowest first."""
        return " ".join(str(bit.name).lower() for bit in State if bit in self) or "none"


NOTHING: Final = State(0)
GRANTED: Final = State.SYNCHRONIZATION | State.COLLECTING | State.DISTRIBUTING
"""What the state of a port that is in use has."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Actor or partner information. All zero: nobody is known."""

    system_priority: int = 0
    system: str = "00:00:00:00:00:00"
    key: int = 0
    port_priority: int = 0
    port: int = 0
    state: State = NOTHING

    @property
    def aggregator(self) -> tuple[int, str, int]:
        """What makes two links go to the same aggregator: system priority, system and key."""
        return self.system_priority, self.system, self.key

    @property
    def identity(self) -> tuple[int, str, int, int, int]:
        """Everything but the state."""
        return self.system_priority, self.system, self.key, self.port_priority, self.port


@dataclass(frozen=True, slots=True)
class Lacpdu:
    """A LACPDU. `collector_delay` is CollectorMaxDelay in tens of microseconds."""

    actor: Participant
    partner: Participant
    collector_delay: int = 0
    version: int = 1
    source: str = ""

    def build(self, source: str) -> bytes:
        """The whole frame, 124 octets."""
        body = b"".join(
            (
                bytes((LACP, self.version)),
                _pack(ACTOR, self.actor),
                _pack(PARTNER, self.partner),
                _COLLECTOR.pack(COLLECTOR, 16, self.collector_delay),
                bytes((TERMINATOR, 0)),
            )
        )
        return (_ethernet(source) + body).ljust(LENGTH, b"\0")


@dataclass(frozen=True, slots=True)
class Marker:
    """A Marker PDU: information, or the response to one, which repeats its three fields."""

    kind: int
    port: int
    system: str
    transaction: int
    source: str = ""

    def build(self, source: str) -> bytes:
        """The whole frame, 124 octets."""
        body = _MARKER.pack(self.kind, 16, self.port, mac_bytes(self.system), self.transaction)
        return (_ethernet(source) + bytes((MARKER, 1)) + body + bytes((TERMINATOR, 0))).ljust(LENGTH, b"\0")

    def response(self) -> Marker:
        """The response that is due for it (IEEE 802.1AX §6.5: the fields are repeated)."""
        return replace(self, kind=MARKER_RESPONSE, source="")


def _ethernet(source: str) -> bytes:
    return mac_bytes(GROUP) + mac_bytes(source) + ethertypes.octets(ethertypes.SLOW_PROTOCOLS)


def _pack(kind: int, who: Participant) -> bytes:
    return _PARTICIPANT.pack(
        kind, 20, who.system_priority, mac_bytes(who.system), who.key, who.port_priority, who.port, int(who.state)
    )


def _unpack(frame: bytes, at: int) -> Participant:
    _, _, system_priority, system, key, port_priority, port, state = _PARTICIPANT.unpack_from(frame, at)
    return Participant(system_priority, mac_text(system), key, port_priority, port, State(state))


def subtype(frame: bytes) -> int | None:
    """The subtype of a Slow Protocols frame, None if it is none. The destination is not looked at."""
    if len(frame) < 15 or ethertypes.ethertype_of(frame) != ethertypes.SLOW_PROTOCOLS:
        return None
    return frame[14]


def lacpdu(frame: bytes) -> Lacpdu | None:
    """The LACPDU in a frame; None if it is none, or ends before the partner's state.

    Neither version nor TLV types are looked at: a receiver shall not validate them (IEEE 802.1AX, receive machine).
    """
    if subtype(frame) != LACP or len(frame) < _COLLECTOR_AT:
        return None
    delay = _COLLECTOR.unpack_from(frame, _COLLECTOR_AT)[2] if len(frame) >= _TERMINATOR_AT else 0
    actor, partner = _unpack(frame, _ACTOR_AT), _unpack(frame, _PARTNER_AT)
    return Lacpdu(actor, partner, delay, frame[15], mac_text(frame[6:12]))


def marker(frame: bytes) -> Marker | None:
    """The Marker PDU in a frame, None if it is none or is cut short."""
    if subtype(frame) != MARKER or len(frame) < _HEAD + _MARKER.size:
        return None
    kind, _, port, system, transaction = _MARKER.unpack_from(frame, _HEAD)
    return Marker(kind, port, mac_text(system), transaction, mac_text(frame[6:12]))


def defects(frame: bytes) -> list[str]:
    """What is not as IEEE 802.1AX §6.4.2.3 draws a LACPDU, in words; empty for a proper one.

    A version 2 LACPDU has further TLVs where version 1 has the terminator, so that only version 1 is held to it.
    """
    if len(frame) < 14:
        return ["shorter than an Ethernet header"]
    found = []
    if frame[:6] != mac_bytes(GROUP):
        found.append(f"sent to {mac_text(frame[:6])}")
    if frame[6] & 1:
        found.append(f"sent from the group address {mac_text(frame[6:12])}")
    if len(frame) < LENGTH:
        return [*found, f"{len(frame) - 14} octets of payload, not 110"]
    version = frame[15]
    if version == 0:
        found.append("version 0")
    if version == 1 and len(frame) > LENGTH:
        found.append(f"{len(frame) - 14} octets of payload, not 110")
    tlvs = [("actor", _ACTOR_AT, ACTOR, 20), ("partner", _PARTNER_AT, PARTNER, 20)]
    tlvs += [("collector", _COLLECTOR_AT, COLLECTOR, 16)]
    if version <= 1:
        tlvs += [("terminator", _TERMINATOR_AT, TERMINATOR, 0)]
    for name, at, kind, length in tlvs:
        if (frame[at], frame[at + 1]) != (kind, length):
            found.append(f"{name} TLV has type {frame[at]} and length {frame[at + 1]}, not {kind} and {length}")
    return found
