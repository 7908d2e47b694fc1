"""ARP (RFC 826) over Ethernet for IPv4 as a small typed view: parsed from frames, tagged or not, and built."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from conformance.protocols import envelope, ethertypes
from conformance.protocols.mac import BROADCAST, mac_bytes, mac_text

REQUEST: Final = 1
REPLY: Final = 2
REVERSE_REQUEST, REVERSE_REPLY = 3, 4
REVERSE: Final = (REVERSE_REQUEST, REVERSE_REPLY)
"""Operations of RARP (RFC 903), whatever the EtherType."""
NOBODY: Final = "00:00:00:00:00:00"
UNSET: Final = IPv4Address(0)
_BODY: Final = struct.Struct("!HHBBH6s4s6s4s")


@dataclass(frozen=True, slots=True)
class Arp:
    """One ARP packet with its Ethernet addresses, and the VLANs that its frame is tagged with.

    MAC addresses are text; the Ethernet destination is empty where the capture does not have it.
    """

    ethernet_source: str
    ethernet_destination: str
    operation: int
    sender_mac: str
    sender: IPv4Address
    target_mac: str
    target: IPv4Address
    ethertype: int = ethertypes.ARP
    vlans: tuple[int, ...] = ()

    @property
    def announces(self) -> bool:
        """Whether sender and target are the same address (RFC 5227 §1.1), and one at all."""
        return self.sender == self.target and int(self.sender) != 0

    @property
    def probes(self) -> bool:
        """Whether it asks for an address without having one (RFC 5227 §1.1)."""
        return self.operation == REQUEST and int(self.sender) == 0


def parse(frame: bytes, link: int = envelope.ETHERNET) -> Arp | None:
    """The ARP or RARP packet in a frame, behind VLAN tags or not; None if it is none or is cut short."""
    around = envelope.read(frame, link)
    if around.ethertype not in (ethertypes.ARP, ethertypes.RARP) or len(around.payload) < _BODY.size:
        return None
    hardware, protocol, _, _, operation, sha, spa, tha, tpa = _BODY.unpack_from(around.payload)
    if (hardware, protocol) != (1, ethertypes.IPV4):
        return None
    return Arp(
        mac_text(around.source),
        mac_text(around.destination or b""),
        operation,
        mac_text(sha),
        IPv4Address(spa),
        mac_text(tha),
        IPv4Address(tpa),
        around.ethertype,
        around.vlans,
    )


def build(
    operation: int,
    sender_mac: str,
    sender: IPv4Address,
    target: IPv4Address,
    *,
    target_mac: str = NOBODY,
    destination: str = BROADCAST,
    source: str | None = None,
    ethertype: int = ethertypes.ARP,
) -> bytes:
    """A whole Ethernet frame, padded to 60 bytes; `source` is the Ethernet source, the sender's MAC address if None."""
    ethernet = mac_bytes(destination) + mac_bytes(source or sender_mac) + ethertypes.octets(ethertype)
    body = _BODY.pack(
        1, ethertypes.IPV4, 6, 4, operation, mac_bytes(sender_mac), sender.packed, mac_bytes(target_mac), target.packed
    )
    return (ethernet + body).ljust(60, b"\0")


def request(sender_mac: str, sender: IPv4Address, target: IPv4Address) -> bytes:
    """An ordinary broadcast request: who has `target`."""
    return build(REQUEST, sender_mac, sender, target)
