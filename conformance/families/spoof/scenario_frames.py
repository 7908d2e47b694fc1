"""Frames of the scenario spoof, written down whole, and what an endpoint may send."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from conformance.lab.lab import link_local
from conformance.protocols import crafted, ethertypes
from conformance.protocols.mac import BROADCAST, mac_bytes, mac_text, multicast_mac
from conformance.protocols.marker import mark
from conformance.provoking.context import Context
from conformance.recording.events.isolation import Subject

EVERYBODY: Final = mac_bytes(BROADCAST)
ALL_NODES: Final = IPv6Address("ff02::1")
DHCP_AGENTS: Final = IPv6Address("ff02::1:2")
"""RFC 8415 §7.1."""
ANYONE: Final = IPv4Address(0)
LIMITED: Final = IPv4Address("255.255.255.255")
HOPS: Final = 255
"""The hop limit of neighbour discovery (RFC 4861 §4)."""
Frame = tuple[Subject, str, str, bytes]
"""Which requirement it is about, its kind, what it is, and the frame."""


def mac_of(context: Context, name: str) -> bytes:
    """An endpoint's MAC address."""
    return mac_bytes(context.states[name].kernel.mac)


def first_address(context: Context, name: str) -> crafted.Address:
    """An endpoint's address of the first family."""
    return context.addresses(context.endpoints[name], context.families[0])[0]


def legitimate(context: Context) -> Iterator[Frame]:
    """What an endpoint may send, of every kind that is forged: under its own MAC and addresses. All of it is flooded:
    a bridge that was lied to may send to one station elsewhere."""
    mac = mac_of(context, "attacker")
    local = link_local(mac_text(mac)).ip
    yield "source-mac", "frame", "a broadcast under its own MAC address", experiment(context, mac)
    for family in context.families:
        own, other = (context.addresses(context.endpoints[name], family)[0] for name in ("attacker", "neighbour"))
        frame = datagram(context, EVERYBODY, mac, own, other)
        yield "source-mac", family, f"a datagram over {family} under its own MAC address", frame
        frame = datagram(context, EVERYBODY, mac, own, other)
        yield "source-address", family, f"a datagram from its own {family} address", frame
        if isinstance(own, IPv4Address):
            yield "arp", "claim", "an announcement of its own address", arp(1, mac, own, own)
            yield "arp", "probe", "a probe without a sender's address", arp(1, mac, ANYONE, other)
            request = udp(context, EVERYBODY, mac, (ANYONE, LIMITED), (68, 67))
            yield "dhcp-server", family, "a DHCP client's request", request
        else:
            advert = icmpv6(mac, local, 136, advertisement(own, mac), 0x2000_0000)
            yield "neighbour-discovery", "message", "an advertisement of its own address", advert
            asked = udp(context, mac_bytes(multicast_mac(DHCP_AGENTS)), mac, (local, DHCP_AGENTS), (546, 547))
            yield "dhcp-server", family, "a DHCPv6 client's request", asked


def experiment(context: Context, mac: bytes) -> bytes:
    """A marked broadcast of no protocol."""
    return EVERYBODY + mac + ethertypes.octets(ethertypes.EXPERIMENT) + mark(context.number())


def datagram(context: Context, to: bytes, mac: bytes, source: crafted.Address, target: crafted.Address) -> bytes:
    """A marked datagram to the discard port."""
    return udp(context, to, mac, (source, target), (9, 9))


def udp(  # noqa: PLR0917 - the fields of one datagram, in their order
    context: Context,
    to: bytes,
    mac: bytes,
    ends: tuple[crafted.Address, crafted.Address],
    ports: tuple[int, int],
    headers: Sequence[int] = (),
) -> bytes:
    """A marked datagram between two addresses, for IPv6 behind extension `headers`."""
    number = context.number()
    following, payload = crafted.extended(headers, crafted.UDP, crafted.udp(*ends, ports, mark(number)))
    kind = ethertypes.octets(ethertypes.IPV4 if ends[0].version == 4 else ethertypes.IPV6)
    return to + mac + kind + crafted.ip(*ends, following, payload)


def arp(operation: int, mac: bytes, sender: IPv4Address, target: crafted.Address, to: bytes = EVERYBODY) -> bytes:
    """An ARP request (1) or reply (2)."""
    body = struct.pack("!HHBBH", 1, ethertypes.IPV4, 6, 4, operation) + mac + sender.packed
    return to + mac + ethertypes.octets(ethertypes.ARP) + body + (to if operation == 2 else bytes(6)) + target.packed


def advertisement(target: crafted.Address, mac: bytes) -> bytes:
    """Target and target link-layer address option (RFC 4861 §4.4)."""
    return target.packed + b"\x02\x01" + mac


def icmpv6(  # noqa: PLR0917 - the fields of one message, in their order
    mac: bytes,
    source: IPv6Address,
    kind: int,
    body: bytes,
    rest: int,
    to: tuple[bytes, crafted.Address] | None = None,
    *,
    headers: Sequence[int] = (),
    hops: int = HOPS,
) -> bytes:
    """A message of neighbour discovery, to all nodes or to one, behind extension `headers`."""
    hardware, target = to or (mac_bytes(multicast_mac(ALL_NODES)), ALL_NODES)
    following, payload = crafted.extended(
        headers, crafted.ICMPV6, crafted.icmp(source, target, (kind, 0), rest, body), identifier=kind
    )
    packet = crafted.ip(source, target, following, payload)
    return hardware + mac + ethertypes.octets(ethertypes.IPV6) + packet[:7] + bytes((hops,)) + packet[8:]


def cut_chain(mac: bytes, source: IPv6Address) -> bytes:
    """The first fragment of a router advertisement that ends within its destination options: what it is stands in the
    second one (RFC 7112 §1, RFC 7113 §2.2)."""
    options = struct.pack("!BBBB20x", crafted.ICMPV6, 2, 1, 20)
    packet = crafted.piece(
        source,
        ALL_NODES,
        crafted.DESTINATION_OPTIONS,
        options[:8],
        0,
        more=True,
        identifier=int.from_bytes(mac[-2:], "big"),
    )
    hardware = mac_bytes(multicast_mac(ALL_NODES))
    return hardware + mac + ethertypes.octets(ethertypes.IPV6) + packet[:7] + bytes((HOPS,)) + packet[8:]
