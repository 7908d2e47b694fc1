"""Bridge protocol data units of STP and RSTP (IEEE 802.1D-2004 §9.3) as typed views, parsed and built."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from conformance.protocols import envelope
from conformance.protocols.ethertypes import LLC_BRIDGE
from conformance.protocols.mac import mac_bytes, mac_text

GROUP: Final = "01:80:c2:00:00:00"
"""The Bridge Group Address (IEEE 802.1D-2004 Table 7-10)."""
PROVIDER_GROUP: Final = "01:80:c2:00:00:08"
"""The Provider Bridge Group Address (IEEE 802.1Q-2018 Table 8-1), for the trees of providers' bridges."""
CONFIGURATION, TOPOLOGY_CHANGE_NOTIFICATION, RAPID = 0x00, 0x80, 0x02
STP, RSTP, MSTP = 0, 2, 3
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

_APPLICATIONS: Final = bytes.fromhex("0180c20000")
"""How the addresses of GARP and MRP applications begin, which end in 20 to 2F (IEEE 802.1D-2004 Table 12-1)."""
_MST_LEAST: Final = 64
_MST_EACH: Final = 16
"""Octets behind the version 3 length: those of the common tree, and those of each further one."""
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


def is_meant(frame: bytes, link: int = envelope.ETHERNET) -> bool:
    """Whether a frame is a BPDU or was meant to be one: by its LLC header, or by the address of bridges with something
    else than an EtherType behind it. GARP and MRP have the same LLC header and addresses of their own."""
    around = envelope.read(frame, link)
    if around.llc[:2] == LLC_BRIDGE[:2]:
        return around.destination is None or around.destination[:5] != _APPLICATIONS or around.destination[5] >> 4 != 2
    swapped = around.payload.startswith(LLC_BRIDGE)
    return around.destination == mac_bytes(GROUP) and (around.length is not None or swapped)


def parse(frame: bytes, link: int = envelope.ETHERNET) -> Bpdu | None:
    """The BPDU in a frame with the LLC of bridges, tagged or not; None if it is none or is cut short.

    The destination is not looked at. A type that is not known is none (§9.3.4).
    """
    around = envelope.read(frame, link)
    body = around.payload
    if around.llc != LLC_BRIDGE or len(body) < _HEAD.size:
        return None
    protocol, _, kind = _HEAD.unpack_from(body)
    if protocol != 0 or kind not in LENGTHS or len(body) < LENGTHS[kind]:
        return None
    return _read(body, mac_text(around.source))


def _read(body: bytes, source: str) -> Bpdu:
    """The fields of a BPDU of a known type that is long enough."""
    _, version, kind = _HEAD.unpack_from(body)
    if kind == TOPOLOGY_CHANGE_NOTIFICATION:
        return Bpdu(kind, version, source=source)
    flags, root, cost, bridge, port, *times = _BODY.unpack_from(body, _HEAD.size)
    age, max_age, hello, forward_delay = (one / SECOND for one in times)
    return Bpdu(kind, version, flags, root, cost, bridge, port, age, max_age, hello, forward_delay, source)


def defects(frame: bytes, link: int = envelope.ETHERNET, groups: Collection[str] = (GROUP,)) -> list[str]:
    """What of a BPDU's frame is not as IEEE 802.1D-2004 §9.3 and §7.12.3 say, in words; empty for a proper one."""
    around = envelope.read(frame, link)
    found = around.unlike([mac_bytes(group) for group in groups])
    if around.llc != LLC_BRIDGE:
        header = around.llc.hex(" ") or f"EtherType {around.ethertype:#06x}"
        return [*found, f"{header} in place of the LLC header 42 42 03"]
    there = len(LLC_BRIDGE) + len(around.payload)
    told = there if around.length is None else around.length
    if told > there:
        return [*found, f"length field {told}, and {there} octets are there"]
    body = around.payload[: max(0, told - len(LLC_BRIDGE))]
    if len(body) < _HEAD.size:
        return [*found, f"length field {told}, too short for a BPDU"]
    return found + _body_defects(body, sized=around.length is not None)


def _body_defects(body: bytes, *, sized: bool) -> list[str]:
    """What is wrong with a BPDU behind its LLC header; `sized` says that it ends where its length field says."""
    protocol, version, kind = _HEAD.unpack_from(body)
    if protocol:
        return [f"protocol identifier {protocol:#06x}, not 0"]
    if kind not in LENGTHS:
        return [f"BPDU type {kind:#04x}, which the standard does not have"]
    if len(body) < LENGTHS[kind]:
        told, needed = (len(LLC_BRIDGE) + size for size in (len(body), LENGTHS[kind]))
        return [f"length field {told}, less than the {needed} of its type"]
    return (_overlong(body, version, kind) if sized else []) + _contradictions(_read(body, ""), body)


def _overlong(body: bytes, version: int, kind: int) -> list[str]:
    """What is wrong with a BPDU that may be longer than its type: only those of version 3 and later are, whose MST part
    says its own length (IEEE 802.1Q-2018 §14.4)."""
    needed = LENGTHS[kind]
    if kind == RAPID and version >= MSTP:
        if len(body) < needed + 2:
            return [f"{len(body)} octets, too few for version {version}"]
        rest = int.from_bytes(body[needed : needed + 2], "big")
        whole = needed + 2 + rest
        right = whole == len(body) if version == MSTP else whole <= len(body)
        sized = rest >= _MST_LEAST and (rest - _MST_LEAST) % _MST_EACH == 0
        return [] if right and sized else [f"version 3 length {rest}, and {len(body) - needed - 2} octets follow"]
    if len(body) > needed:
        return [f"{len(body)} octets, more than the {needed} of its type"]
    return []


def _contradictions(bpdu: Bpdu, body: bytes) -> list[str]:
    """Fields of a BPDU of due length that must not have the value that they have."""
    if bpdu.type == TOPOLOGY_CHANGE_NOTIFICATION:
        return [f"type 0x80 with version {bpdu.version}"] if bpdu.version else []
    found = []
    if (bpdu.type == RAPID) != (bpdu.version >= RSTP):
        found.append(f"type {bpdu.type:#04x} with version {bpdu.version}")
    if bpdu.type == CONFIGURATION and bpdu.flags & ~(TC | TCA):
        found.append(f"flags {bpdu.flags:#04x}, of which a Configuration BPDU has only 0x81")
    if bpdu.type == CONFIGURATION and bpdu.message_age >= bpdu.max_age:
        found.append(f"message age {bpdu.message_age:g} s, not below max age {bpdu.max_age:g} s")
    if bpdu.type == RAPID:
        if bpdu.message_age > bpdu.max_age:
            found.append(f"message age {bpdu.message_age:g} s, above max age {bpdu.max_age:g} s")
        if bpdu.flags & TCA:
            found.append(f"flags {bpdu.flags:#04x}: an RST BPDU acknowledges no topology change")
        if bpdu.role == 0:
            found.append(f"flags {bpdu.flags:#04x}: no role of a port")
        if body[LENGTHS[RAPID] - 1]:
            found.append(f"version 1 length {body[LENGTHS[RAPID] - 1]}, not 0")
    return found
