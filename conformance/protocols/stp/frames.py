"""Bridge protocol data units of STP and RSTP (IEEE 802.1D-2004 §9.3) as typed views, parsed and built."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from conformance.protocols import ethertypes
from conformance.protocols.ethertypes import LLC_BRIDGE
from conformance.protocols.mac import mac_bytes, mac_text

GROUP: Final = "01:80:c2:00:00:00"
"""The Bridge Group Address (IEEE 802.1D-2004 Table 7-10)."""
CONFIGURATION, TOPOLOGY_CHANGE_NOTIFICATION, RAPID = 0x00, 0x80, 0x02
STP, RSTP = 0, 2
"""Protocol version identifiers."""
TC, PROPOSAL, LEARNING, FORWARDING, AGREEMENT, TCA = 0x01, 0x02, 0x10, 0x20, 0x40, 0x80
"""Flags (§9.3.3); the port's role lies between, see `Bpdu.role`."""
ROLES: Final = ("unknown", "alternate or backup", "root", "designated")
DESIGNATED: Final = 3
SECOND: Final = 256
"""Times are in units of 1/256 s."""
LENGTHS: Final = {CONFIGURATION: 35, TOPOLOGY_CHANGE_NOTIFICATION: 4, RAPID: 36}
"""Octets of each type of BPDU behind the LLC header."""
SHORTEST: Final = 60

_HEAD: Final = struct.Struct("!HBB")
_BODY: Final = struct.Struct("!B8sI8sHHHHH")
Vector = tuple[bytes, int, bytes, int]
"""Root identifier, root path cost, bridge identifier, port identifier: the lower, the better."""


def bridge_id(priority: int, mac: str) -> bytes:
    """A bridge identifier: priority in steps of 4096 (0 the best), and the bridge's address."""
    return struct.pack("!H", priority) + mac_bytes(mac)


def bridge_text(identifier: bytes) -> str:
    """A bridge identifier as ``priority.mac``."""
    return f"{int.from_bytes(identifier[:2], 'big')}.{mac_text(identifier[2:])}"


@dataclass(frozen=True, slots=True)
class Bpdu:
    """One BPDU. Of a topology change notification all but `type` and `version` is empty. Times in seconds."""

    type: int = CONFIGURATION
    version: int = STP
    flags: int = 0
    root: bytes = bytes(8)
    cost: int = 0
    bridge: bytes = bytes(8)
    port: int = 0
    message_age: float = 0
    max_age: float = 20
    hello: float = 2
    forward_delay: float = 15
    source: str = ""

    @property
    def vector(self) -> Vector:
        """What is compared to find out who is better (§17.5: the lower one)."""
        return self.root, self.cost, self.bridge, self.port

    @property
    def role(self) -> int:
        """The port's role in a Rapid BPDU, an index of `ROLES`."""
        return self.flags >> 2 & 3

    def build(self, source: str) -> bytes:
        """The whole frame, padded to 60 octets; its length field covers LLC and BPDU."""
        body = _HEAD.pack(0, self.version, self.type)
        if self.type != TOPOLOGY_CHANGE_NOTIFICATION:
            times = (round(one * SECOND) for one in (self.message_age, self.max_age, self.hello, self.forward_delay))
            body += _BODY.pack(self.flags, self.root, self.cost, self.bridge, self.port, *times)
        if self.type == RAPID:
            body += b"\0"
        ethernet = mac_bytes(GROUP, source)
        return (ethernet + struct.pack("!H", len(LLC_BRIDGE) + len(body)) + LLC_BRIDGE + body).ljust(SHORTEST, b"\0")


def parse(frame: bytes) -> Bpdu | None:
    """The BPDU in an untagged 802.3 frame with the LLC of bridges; None if it is none or is cut short.

    The destination is not looked at. A type that is not known is none (§9.3.4).
    """
    if len(frame) < 21 or ethertypes.ethertype_of(frame) > ethertypes.LONGEST_LENGTH or frame[14:17] != LLC_BRIDGE:
        return None
    protocol, version, kind = _HEAD.unpack_from(frame, 17)
    source = mac_text(frame[6:12])
    if protocol != 0 or kind not in LENGTHS or len(frame) < 17 + LENGTHS[kind]:
        return None
    if kind == TOPOLOGY_CHANGE_NOTIFICATION:
        return Bpdu(kind, version, source=source)
    flags, root, cost, bridge, port, *times = _BODY.unpack_from(frame, 21)
    age, max_age, hello, forward_delay = (one / SECOND for one in times)
    return Bpdu(kind, version, flags, root, cost, bridge, port, age, max_age, hello, forward_delay, source)


def defects(frame: bytes) -> list[str]:
    """What of a BPDU's frame is not as IEEE 802.1D-2004 §9.3 and §7.12.3 say, in words; empty for a proper one."""
    if len(frame) < 14:
        return ["shorter than an Ethernet header"]
    found = []
    if frame[:6] != mac_bytes(GROUP):
        found.append(f"sent to {mac_text(frame[:6])}")
    if frame[6] & 1:
        found.append(f"sent from the group address {mac_text(frame[6:12])}")
    told, bpdu = int.from_bytes(frame[12:14], "big"), parse(frame)
    if bpdu is None:
        return [*found, "not a BPDU"]
    needed = len(LLC_BRIDGE) + LENGTHS[bpdu.type]
    if told < needed:
        found.append(f"length field {told}, less than the {needed} of its type")
    if (bpdu.type == RAPID) != (bpdu.version >= RSTP) and bpdu.type != TOPOLOGY_CHANGE_NOTIFICATION:
        found.append(f"type {bpdu.type:#04x} with version {bpdu.version}")
    if bpdu.type != TOPOLOGY_CHANGE_NOTIFICATION and bpdu.message_age >= bpdu.max_age:
        found.append(f"message age {bpdu.message_age:g} s, not below max age {bpdu.max_age:g} s")
    return found
