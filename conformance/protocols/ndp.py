"""Neighbor Discovery messages (RFC 4861 §4.3, §4.4) as small typed views: parsed from frames, and built as stimuli.

Plain struct on purpose: scenarios build a handful of them in every sandbox, where importing scapy would cost more than
everything else, and checks look through all of them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from conformance.protocols import envelope, ethertypes
from conformance.protocols.mac import mac_bytes, mac_text, multicast_mac

ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT = 133, 134, 135, 136, 137
NEEDED: Final = (ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT)
"""ICMPv6 types that a link cannot do without (RFC 4890 §4.4.1): router and neighbour discovery, without redirects."""
SOURCE_OPTION: Final = 1
TARGET_OPTION: Final = 2
UNSPECIFIED: Final = IPv6Address("::")
ALL_NODES: Final = IPv6Address("ff02::1")
ALL_ROUTERS: Final = IPv6Address("ff02::2")


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A Neighbor Solicitation or Advertisement with its addresses, and the VLANs that its frame is tagged with; options
    by type, MAC addresses as text."""

    type: int
    source: IPv6Address
    destination: IPv6Address
    hop_limit: int
    target: IPv6Address
    ethernet_source: str
    ethernet_destination: str
    router: bool = False
    solicited: bool = False
    override: bool = False
    options: tuple[tuple[int, bytes], ...] = ()
    code: int = 0
    vlans: tuple[int, ...] = ()

    def link_layer(self, option: int) -> str | None:
        """The MAC address in the source (1) or target (2) link-layer address option, None without one."""
        return next((mac_text(body[:6]) for kind, body in self.options if kind == option and len(body) >= 6), None)

    @property
    def probes(self) -> bool:
        """Whether it is a solicitation of Duplicate Address Detection (RFC 4862 §5.4.2)."""
        return self.type == SOLICITATION and self.source == UNSPECIFIED


def solicited_node(target: IPv6Address) -> IPv6Address:
    """The solicited-node multicast address of `target` (RFC 4291 §2.7.1)."""
    return IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(target) & 0xFFFFFF)


def parse(frame: bytes, link: int = envelope.ETHERNET) -> Neighbor | None:
    """The message in a frame, behind VLAN tags or not; None if it is none, has extension headers or is cut short."""
    around = envelope.read(frame, link)
    packet = around.payload
    if (
        around.ethertype != ethertypes.IPV6
        or len(packet) < 64
        or packet[6] != 58
        or packet[40] not in (SOLICITATION, ADVERTISEMENT)
    ):
        return None
    flags = packet[44] if packet[40] == ADVERTISEMENT else 0
    return Neighbor(
        type=packet[40],
        source=IPv6Address(packet[8:24]),
        destination=IPv6Address(packet[24:40]),
        hop_limit=packet[7],
        target=IPv6Address(packet[48:64]),
        ethernet_source=mac_text(around.source),
        ethernet_destination=mac_text(around.destination or b""),
        router=bool(flags & 0x80),
        solicited=bool(flags & 0x40),
        override=bool(flags & 0x20),
        options=tuple(_options(packet[64 : 40 + struct.unpack_from("!H", packet, 4)[0]])),
        code=packet[41],
        vlans=around.vlans,
    )


def _options(raw: bytes) -> list[tuple[int, bytes]]:
    options = []
    while len(raw) >= 8 and raw[1]:
        options.append((raw[0], raw[2 : raw[1] * 8]))
        raw = raw[raw[1] * 8 :]
    return options


def solicitation(
    target: IPv6Address,
    source: IPv6Address,
    mac: str,
    *,
    destination: IPv6Address | None = None,
    to_mac: str | None = None,
) -> bytes:
    """A solicitation as a whole Ethernet frame, to the solicited-node group unless `destination`, `to_mac` are given.

    With the unspecified source it carries no option, as in Duplicate Address Detection.
    """
    group = destination or solicited_node(target)
    ethernet = mac_bytes(to_mac or multicast_mac(group)) + mac_bytes(mac)
    option = b"" if source == UNSPECIFIED else bytes((SOURCE_OPTION, 1)) + ethernet[6:12]
    body = bytes((SOLICITATION, 0, 0, 0, 0, 0, 0, 0)) + target.packed + option
    pseudo = source.packed + group.packed + struct.pack("!II", len(body), 58)
    message = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    header = struct.pack("!IHBB", 0x6000_0000, len(message), 58, 255) + source.packed + group.packed
    return ethernet + ethertypes.octets(ethertypes.IPV6) + header + message


def advertisement(
    target: IPv6Address,
    mac: str,
    *,
    source: IPv6Address | None = None,
    destination: IPv6Address = ALL_NODES,
    solicited: bool = False,
    override: bool = True,
    option: bool = True,
    hop_limit: int = 255,
    ethernet_source: str | None = None,
    router: bool = False,
) -> bytes:
    """An advertisement to a group as a whole Ethernet frame, from the target itself unless `source` is given.

    `mac` is in the option, and the Ethernet source unless `ethernet_source` is given.
    """
    sender = source or target
    outside = mac_bytes(multicast_mac(destination), ethernet_source or mac)
    link = bytes((TARGET_OPTION, 1)) + mac_bytes(mac) if option else b""
    flags = 0x80 * router | 0x40 * solicited | 0x20 * override
    body = bytes((ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0)) + target.packed + link
    pseudo = sender.packed + destination.packed + struct.pack("!II", len(body), 58)
    message = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    header = struct.pack("!IHBB", 0x6000_0000, len(message), 58, hop_limit) + sender.packed + destination.packed
    return outside + ethertypes.octets(ethertypes.IPV6) + header + message


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def checksum_holds(frame: bytes, link: int = envelope.ETHERNET) -> bool:
    """Whether the ICMPv6 checksum of a frame without extension headers is right; not, where the frame is cut."""
    packet = envelope.read(frame, link).payload
    if len(packet) < 40:
        return False
    size = struct.unpack_from("!H", packet, 4)[0]
    return checksum(packet[8:40] + struct.pack("!II", size, 58) + packet[40 : 40 + size]) == 0
