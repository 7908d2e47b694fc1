"""Slow protocols: LACPDUs and Marker PDUs (IEEE 802.1AX-2020 §6.4.2, §6.5) as typed views, parsed and built.

Plain struct on purpose, as in `ndp`: partners build and read them in every sandbox, and checks look through all of
them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Final

from conformance.protocols import envelope, ethertypes
from conformance.protocols.mac import mac_bytes, mac_text

GROUP: Final = "01:80:c2:00:00:02"
"""The Slow Protocols group address, one of the reserved addresses that no bridge forwards."""
LACP: Final = 1
MARKER: Final = 2
OTHER_SUBTYPES: Final = range(3, 11)
"""Subtypes of other slow protocols (IEEE 802.3-2018 Table 57A-2); 0 and those above are for nobody."""
LENGTH: Final = 124
"""Octets of a whole LACPDU or Marker PDU frame without its FCS: 14 of header, 110 of subtype and content."""
ACTOR, PARTNER, COLLECTOR, TERMINATOR = 1, 2, 3, 0
MARKER_INFORMATION, MARKER_RESPONSE = 1, 2

_PARTICIPANT: Final = struct.Struct("!BBH6sHHHB3x")
_COLLECTOR: Final = struct.Struct("!BBH12x")
_MARKER: Final = struct.Struct("!BBH6sI2x")
PAYLOAD: Final = 110
"""Octets of subtype and content of a PDU of version 1."""
_ACTOR_AT, _PARTNER_AT, _COLLECTOR_AT, _TERMINATOR_AT = 2, 22, 42, 58
"""Places behind the EtherType."""


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


def _unpack(body: bytes, at: int) -> Participant:
    _, _, system_priority, system, key, port_priority, port, state = _PARTICIPANT.unpack_from(body, at)
    return Participant(system_priority, mac_text(system), key, port_priority, port, State(state))


def subtype(frame: bytes, link: int = envelope.ETHERNET) -> int | None:
    """The subtype of a Slow Protocols frame, None if it is none. The destination is not looked at, nor are tags."""
    around = envelope.read(frame, link)
    return around.payload[0] if around.ethertype == ethertypes.SLOW_PROTOCOLS and around.payload else None


def lacpdu(frame: bytes, link: int = envelope.ETHERNET) -> Lacpdu | None:
    """The LACPDU in a frame; None if it is none, or ends before the partner's state.

    Neither version nor TLV types are looked at: a receiver shall not validate them (IEEE 802.1AX, receive machine).
    """
    around = envelope.read(frame, link)
    body = around.payload
    if around.ethertype != ethertypes.SLOW_PROTOCOLS or body[:1] != bytes((LACP,)) or len(body) < _COLLECTOR_AT:
        return None
    delay = _COLLECTOR.unpack_from(body, _COLLECTOR_AT)[2] if len(body) >= _TERMINATOR_AT else 0
    actor, partner = _unpack(body, _ACTOR_AT), _unpack(body, _PARTNER_AT)
    return Lacpdu(actor, partner, delay, body[1], mac_text(around.source))


def marker(frame: bytes, link: int = envelope.ETHERNET) -> Marker | None:
    """The Marker PDU in a frame, None if it is none or is cut short."""
    around = envelope.read(frame, link)
    body = around.payload
    slow = around.ethertype == ethertypes.SLOW_PROTOCOLS
    if not slow or body[:1] != bytes((MARKER,)) or len(body) < _ACTOR_AT + _MARKER.size:
        return None
    kind, _, port, system, transaction = _MARKER.unpack_from(body, _ACTOR_AT)
    return Marker(kind, port, mac_text(system), transaction, mac_text(around.source))


def defects(frame: bytes, link: int = envelope.ETHERNET) -> list[str]:
    """What is not as IEEE 802.1AX-2020 §6.4.2.3 draws a LACPDU, in words; empty for a proper one.

    A version 2 LACPDU has further TLVs where version 1 has the terminator, and may be longer: those are only walked
    through.
    """
    around = envelope.read(frame, link)
    if around.ethertype != ethertypes.SLOW_PROTOCOLS or len(around.payload) < 2:
        return ["not a LACPDU"]
    found = around.unlike((mac_bytes(GROUP),))
    body, version = around.payload, around.payload[1]
    if body[0] != LACP:
        return [*found, f"subtype {body[0]}, which no slow protocol has"]
    if len(body) < PAYLOAD:
        return [*found, f"{len(body)} octets of payload, not {PAYLOAD}"]
    if version == 0:
        found.append("version 0")
    if version <= 1 and len(body) > PAYLOAD:
        found.append(f"{len(body)} octets of payload, not {PAYLOAD}")
    tlvs = [("actor", _ACTOR_AT, ACTOR, 20), ("partner", _PARTNER_AT, PARTNER, 20)]
    tlvs += [("collector", _COLLECTOR_AT, COLLECTOR, 16)]
    if version <= 1:
        tlvs += [("terminator", _TERMINATOR_AT, TERMINATOR, 0)]
    wrong = _tlv_defects(body, tlvs)
    found += wrong
    if version >= 2 and not wrong:
        found += _further(body)
    return found or _leaks(body, version)


def marker_defects(frame: bytes, link: int = envelope.ETHERNET) -> list[str]:
    """What is not as IEEE 802.1AX-2020 §6.5.3.3 draws a Marker PDU, in words; empty for a proper one."""
    around = envelope.read(frame, link)
    body = around.payload
    found = around.unlike((mac_bytes(GROUP),))
    if len(body) != PAYLOAD:
        return [*found, f"{len(body)} octets of payload, not {PAYLOAD}"]
    if body[1] != 1:
        found.append(f"version {body[1]}")
    if body[2] not in (MARKER_INFORMATION, MARKER_RESPONSE):
        found.append(f"TLV of type {body[2]}, neither marker information nor response")
    else:
        found += _tlv_defects(body, [("marker", 2, body[2], 16), ("terminator", 18, TERMINATOR, 0)])
    return found


def _tlv_defects(body: bytes, tlvs: list[tuple[str, int, int, int]]) -> list[str]:
    """What differs from the types and lengths that TLVs have at fixed places: name, place, type, length."""
    return [
        f"{name} TLV has type {body[at]} and length {body[at + 1]}, not {kind} and {length}"
        for name, at, kind, length in tlvs
        if (body[at], body[at + 1]) != (kind, length)
    ]


def _further(body: bytes) -> list[str]:
    """What is wrong with the TLVs of version 2 that stand between the collector's and the terminator."""
    at = _TERMINATOR_AT
    while at + 2 <= len(body):
        kind, length = body[at], body[at + 1]
        if kind == TERMINATOR:
            return [] if length == 0 else [f"terminator TLV has length {length}, not 0"]
        if length < 2 or at + length > len(body):
            return [f"TLV of type {kind} has length {length}, with {len(body) - at} octets left"]
        at += length
    return ["no terminator TLV"]


def _leaks(body: bytes, version: int) -> list[str]:
    """Reserved octets that are not zero: §6.4.2.3 has them transmitted as zero to claim compliance."""
    places = {"actor": (19, 22), "partner": (39, 42), "collector": (46, 58)}
    if version == 1:
        places["terminator"] = (_TERMINATOR_AT + 2, PAYLOAD)
    return [
        f"reserved octets behind the {name} information are {body[start : min(end, start + 8)].hex(' ')}, not zero"
        for name, (start, end) in places.items()
        if any(body[start:end])
    ]
