"""LLDPDUs as they were sent: a tolerant decoder and a builder that can also build wrong ones (IEEE 802.1AB-2016 §8).

scapy's LLDP classes refuse what is malformed, and a partner must be able to send and to judge just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from struct import pack, unpack_from
from typing import Final

from conformance.protocols import envelope, ethertypes
from conformance.protocols.envelope import Envelope
from conformance.protocols.mac import mac_text

NEAREST_BRIDGE: Final = bytes.fromhex("0180c200000e")
NEAREST_NON_TPMR_BRIDGE: Final = bytes.fromhex("0180c2000003")
NEAREST_CUSTOMER_BRIDGE: Final = bytes.fromhex("0180c2000000")
GROUPS: Final = (NEAREST_BRIDGE, NEAREST_NON_TPMR_BRIDGE, NEAREST_CUSTOMER_BRIDGE)
"""Destination addresses of LLDP (§7.1, Table 7-1)."""

END, CHASSIS, PORT, TTL = 0, 1, 2, 3
PORT_DESCRIPTION, SYSTEM_NAME, SYSTEM_DESCRIPTION, CAPABILITIES, MANAGEMENT, ORGANISATION = 4, 5, 6, 7, 8, 127
NAMES: Final = {
    END: "End", CHASSIS: "Chassis ID", PORT: "Port ID", TTL: "TTL", PORT_DESCRIPTION: "Port Description",
    SYSTEM_NAME: "System Name", SYSTEM_DESCRIPTION: "System Description", CAPABILITIES: "System Capabilities",
    MANAGEMENT: "Management Address", ORGANISATION: "organizationally specific",
}  # fmt: skip

CHASSIS_MAC, CHASSIS_ADDRESS, CHASSIS_LOCAL = 4, 5, 7
PORT_MAC, PORT_ADDRESS, PORT_NAME, PORT_LOCAL = 3, 4, 5, 7
"""Subtypes of Chassis ID (§8.5.2.2) and Port ID (§8.5.3.2) that are looked into; both run from 1 to 7."""

_LONGEST: Final = 511


@dataclass(frozen=True, slots=True)
class Tlv:
    """One TLV: its type (0..127), the length that it says, and the bytes that are there (fewer where it is cut)."""

    type: int
    length: int
    value: bytes

    @property
    def name(self) -> str:
        """What the standard calls it."""
        return NAMES.get(self.type, f"reserved type {self.type}")

    @property
    def whole(self) -> bool:
        """Whether all the bytes that it announces are there."""
        return len(self.value) == self.length


@dataclass(frozen=True, slots=True)
class Lldpdu:
    """One LLDPDU: the frame around it, and its TLVs in their order with the End TLV, if there is one.

    `rest` are the bytes behind the End TLV, or behind the last TLV that could be read: padding, as a rule. `spare` are
    those of them that no padding explains, since the frame is long enough without them.
    """

    around: Envelope
    tlvs: tuple[Tlv, ...]
    rest: bytes
    spare: bytes

    @property
    def destination(self) -> bytes | None:
        """The address that it was sent to, None where the capture does not have it."""
        return self.around.destination

    @property
    def source(self) -> bytes:
        """The address that it was sent from."""
        return self.around.source

    def all(self, kind: int) -> list[Tlv]:
        """Every TLV of a type."""
        return [tlv for tlv in self.tlvs if tlv.type == kind]

    def first(self, kind: int) -> Tlv | None:
        """The first TLV of a type."""
        return next((tlv for tlv in self.tlvs if tlv.type == kind), None)

    @property
    def ttl(self) -> int | None:
        """Seconds for which it is valid, 0 for a shutdown; None without a readable TTL TLV."""
        tlv = self.first(TTL)
        return None if tlv is None or len(tlv.value) < 2 else int(unpack_from("!H", tlv.value)[0])

    @property
    def chassis(self) -> str:
        """The Chassis ID in words, empty where there is none."""
        return identifier(self.first(CHASSIS), mac=CHASSIS_MAC, address=CHASSIS_ADDRESS)

    @property
    def port(self) -> str:
        """The Port ID in words, empty where there is none."""
        return identifier(self.first(PORT), mac=PORT_MAC, address=PORT_ADDRESS)

    @property
    def system(self) -> str:
        """The System Name, empty where there is none."""
        tlv = self.first(SYSTEM_NAME)
        return "" if tlv is None else tlv.value.decode("utf-8", "replace")

    @property
    def shutdown(self) -> bool:
        """Whether it takes back what was told before (§8.5.4: a TTL of 0)."""
        return self.ttl == 0


def identifier(tlv: Tlv | None, *, mac: int, address: int) -> str:
    """A Chassis ID or Port ID in words: a MAC address, an IP address, or text; `mac` and `address` are its subtypes."""
    if tlv is None or len(tlv.value) < 2:
        return ""
    subtype, value = tlv.value[0], tlv.value[1:]
    if subtype == mac and len(value) == 6:
        return mac_text(value)
    if subtype == address and (value[0], len(value)) in ((1, 5), (2, 17)):
        return str(ip_address(value[1:]))
    return value.decode("utf-8", "replace")


def parse(frame: bytes, link: int = envelope.ETHERNET) -> Lldpdu | None:
    """The LLDPDU of a frame, tagged or not; None for any other frame. Never raises."""
    around = envelope.read(frame, link)
    if around.ethertype != ethertypes.LLDP:
        return None
    tlvs, rest = read_tlvs(around.payload)
    taken = len(around.payload) - len(rest)
    return Lldpdu(around, tlvs, rest, around.payload[max(taken, envelope.LEAST_PAYLOAD) :])


def read_tlvs(data: bytes) -> tuple[tuple[Tlv, ...], bytes]:
    """The TLVs up to the End TLV or the last byte, and what is behind them. A TLV that is cut ends the list."""
    found, at = [], 0
    while at + 2 <= len(data):
        word = unpack_from("!H", data, at)[0]
        tlv = Tlv(word >> 9, word & _LONGEST, data[at + 2 : at + 2 + (word & _LONGEST)])
        found.append(tlv)
        at += 2 + len(tlv.value)
        if tlv.type == END or not tlv.whole:
            break
    return tuple(found), data[at:]


def problem(pdu: Lldpdu) -> str | None:
    """What is wrong with the mandatory TLVs, so that a receiver discards the LLDPDU (§9.2.7.7.1); None for nothing."""
    kinds = [tlv.type for tlv in pdu.tlvs]
    for place, kind in enumerate((CHASSIS, PORT, TTL)):
        if kinds[place : place + 1] != [kind]:
            there = pdu.tlvs[place].name if place < len(kinds) else "nothing"
            return f"TLV {place + 1} is {there}, not {NAMES[kind]}"
        if kinds.count(kind) > 1:
            return f"{NAMES[kind]} is there {kinds.count(kind)} times"
    cut = next((tlv for tlv in pdu.tlvs if not tlv.whole), None)
    if cut is not None:
        return f"{cut.name} announces {cut.length} bytes and has {len(cut.value)}"
    for kind in (CHASSIS, PORT):
        if not 2 <= len(pdu.tlvs[kind - 1].value) <= 256:
            return f"{NAMES[kind]} has {len(pdu.tlvs[kind - 1].value)} bytes, not 2 to 256"
    if pdu.tlvs[2].length < 2:
        return f"TTL has {pdu.tlvs[2].length} bytes, not 2"
    return None


def tlv(kind: int, value: bytes, *, length: int | None = None) -> bytes:
    """One TLV; `length` announces another length than the value has."""
    return pack("!H", kind << 9 | (len(value) if length is None else length)) + value


def mandatory(chassis: bytes, port: bytes, ttl: int) -> list[bytes]:
    """The three mandatory TLVs; `chassis` and `port` start with their subtype."""
    return [tlv(CHASSIS, chassis), tlv(PORT, port), tlv(TTL, pack("!H", ttl))]


def local_ids(chassis: str, port: str) -> tuple[bytes, bytes]:
    """Chassis ID and Port ID of the subtype "locally assigned"."""
    return bytes((CHASSIS_LOCAL,)) + chassis.encode(), bytes((PORT_LOCAL,)) + port.encode()


def frame_of(
    source: bytes,
    tlvs: Iterable[bytes],
    *,
    destination: bytes = NEAREST_BRIDGE,
    end: bool = True,
    vlan: int | None = None,
) -> bytes:
    """The Ethernet frame around `tlvs`, padded to 60 bytes."""
    tag = b"" if vlan is None else ethertypes.tag(vlan)
    body = b"".join(tlvs) + (tlv(END, b"") if end else b"")
    return (destination + source + tag + ethertypes.octets(ethertypes.LLDP) + body).ljust(60, b"\0")


def line(pdu: Lldpdu) -> str:
    """The LLDPDU in one line."""
    others = ", ".join(one.name for one in pdu.tlvs if one.type not in (CHASSIS, PORT, TTL, END))
    parts: Sequence[str] = [f"chassis {pdu.chassis or '-'}", f"port {pdu.port or '-'}", f"TTL {pdu.ttl}"]
    return f"LLDP {' '.join(parts)}" + (f" with {others}" if others else "")
