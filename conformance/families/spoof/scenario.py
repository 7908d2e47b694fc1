"""Spoofing: one endpoint sends in others' names, and, between that, what it may send; everybody else looks on. At last
it tries to have what is sent to its neighbour.

Each frame is written down whole: on other taps it is found as it was sent. What is forged names the kind of legitimate
frame that differs from it in the name alone: where not even that reaches anybody, nothing is said of the forgery.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from conformance import limits
from conformance.adapters.interface import Attachment
from conformance.lab.lab import link_local
from conformance.protocols import crafted, ethertypes
from conformance.protocols.mac import BROADCAST, mac_bytes, mac_text, multicast_mac
from conformance.protocols.marker import mark
from conformance.provoking.context import Context
from conformance.provoking.silence import keep_silent

EVERYBODY: Final = mac_bytes(BROADCAST)
ALL_NODES: Final = IPv6Address("ff02::1")
DHCP_AGENTS: Final = IPv6Address("ff02::1:2")
"""RFC 8415 §7.1."""
ANYONE: Final = IPv4Address(0)
LIMITED: Final = IPv4Address("255.255.255.255")
NOWHERE: Final[dict[int, crafted.Address]] = {4: IPv4Address("198.51.100.99"), 6: IPv6Address("2001:db8:dead::99")}
"""Addresses of nobody's network."""
HOPS: Final = 255
THEFTS: Final = 3

Frame = tuple[str, str, str, bytes]
"""Which requirement it is about, its kind, what it is, and the frame."""


def run(context: Context) -> None:
    """Attach an attacker, two neighbours on its host and one on another, and send."""
    first, other = context.hosts[0], context.hosts[-1]
    places = {"attacker": first, "neighbour": first, "friend": first, "observer": other}
    context.attach_all([(host, Attachment(name)) for name, host in places.items()])
    with context.window("spoof"):
        _send(context, "legitimate", list(_legitimate(context)))
        _send(context, "forged", list(_forged(context)))
        _send(context, "legitimate", list(_legitimate(context)))
        for _ in range(THEFTS):
            _steal(context)
    context.snapshot_hosts("after")


def _steal(context: Context) -> None:
    """The neighbour shows where it is, the attacker says that it is itself the neighbour, and a friend writes to the
    neighbour before and after that."""
    near, own = _mac(context, "neighbour"), _mac(context, "friend")
    for form in ("before", "after"):
        who = "neighbour" if form == "before" else "attacker"
        here, there, to = (_first(context, name) for name in (who, "friend", "neighbour"))
        shown = [_experiment(context, near), _datagram(context, EVERYBODY, near, here, there)]
        _send(context, "shown", [("entry", "frame", who, frame) for frame in shown], who)
        keep_silent(limits.BRIDGE_SETTLED)
        _send(context, "letter", [("entry", "datagram", form, _datagram(context, near, own, there, to))], "friend")
        keep_silent(limits.BRIDGE_SETTLED)


def _send(context: Context, kind: str, frames: list[Frame], name: str = "attacker") -> None:
    endpoint = context.endpoints[name]
    with endpoint.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for about, like, form, frame in frames:
            whole = frame.ljust(60, b"\0")
            context.event(kind, name, about=about, like=like, form=form, frame=whole.hex())
            sender.sendto(whole, (endpoint.interface, 0))


def _mac(context: Context, name: str) -> bytes:
    return mac_bytes(context.states[name].kernel.mac)


def _first(context: Context, name: str) -> crafted.Address:
    """An endpoint's address of the first family."""
    return context.addresses(context.endpoints[name], context.families[0])[0]


def _legitimate(context: Context) -> Iterator[Frame]:
    """What an endpoint may send, of every kind that is forged: under its own MAC and addresses. All of it is flooded:
    a bridge that was lied to may send to one station elsewhere."""
    mac = _mac(context, "attacker")
    local = link_local(mac_text(mac)).ip
    yield "source-mac", "frame", "a broadcast under its own MAC address", _experiment(context, mac)
    for family in context.families:
        own, other = (context.addresses(context.endpoints[name], family)[0] for name in ("attacker", "neighbour"))
        datagram = _datagram(context, EVERYBODY, mac, own, other)
        yield "source-mac", family, f"a datagram over {family} under its own MAC address", datagram
        datagram = _datagram(context, EVERYBODY, mac, own, other)
        yield "source-address", family, f"a datagram from its own {family} address", datagram
        if isinstance(own, IPv4Address):
            yield "arp", "claim", "an announcement of its own address", _arp(1, mac, own, own)
            yield "arp", "probe", "a probe without a sender's address", _arp(1, mac, ANYONE, other)
            request = _udp(context, EVERYBODY, mac, (ANYONE, LIMITED), (68, 67))
            yield "dhcp-server", family, "a DHCP client's request", request
        else:
            advert = _icmpv6(mac, local, 136, _advertisement(own, mac), 0x2000_0000)
            yield "neighbour-discovery", "message", "an advertisement of its own address", advert
            asked = _udp(context, mac_bytes(multicast_mac(DHCP_AGENTS)), mac, (local, DHCP_AGENTS), (546, 547))
            yield "dhcp-server", family, "a DHCPv6 client's request", asked


def _forged(context: Context) -> Iterator[Frame]:
    """In the names of the neighbour, of the observer, of nobody, of routers and of DHCP servers."""
    mac, near, far = (_mac(context, name) for name in ("attacker", "neighbour", "observer"))
    local = link_local(mac_text(mac)).ip
    for name, stolen in (("the neighbour's", near), ("the observer's", far), ("nobody's", b"\x02" + os.urandom(5))):
        yield "source-mac", "frame", f"a broadcast under {name} MAC address", _experiment(context, stolen)
    for family in context.families:
        own, other, third = (
            context.addresses(context.endpoints[name], family)[0] for name in ("attacker", "neighbour", "observer")
        )
        for name, stolen in (("the neighbour's", near), ("the observer's", far)):
            datagram = _datagram(context, EVERYBODY, stolen, own, other)
            yield "source-mac", family, f"a datagram over {family} under {name} MAC address", datagram
        loopback: crafted.Address = IPv6Address("fe80::bad") if own.version == 6 else IPv4Address("127.0.0.1")
        for name, stolen_ip in (
            ("the observer's", third),
            ("nobody's", NOWHERE[own.version]),
            (str(loopback), loopback),
        ):
            datagram = _datagram(context, near, mac, stolen_ip, other)
            yield "source-address", family, f"a datagram from {name} address", datagram
        if isinstance(own, IPv4Address) and isinstance(third, IPv4Address) and isinstance(other, IPv4Address):
            yield "arp", "claim", "an announcement of the observer's address", _arp(1, mac, third, third)
            yield "arp", "claim", "a reply in the observer's name", _arp(2, mac, third, other, near)
            yield "arp", "claim", "a request in the observer's name", _arp(1, mac, third, other)
            offer = _udp(context, EVERYBODY, mac, (own, LIMITED), (67, 68))
            yield "dhcp-server", family, "a DHCP server's offer", offer
        else:
            prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 1800, 1800, 0) + IPv6Address("2001:db8:bad::").packed
            router = struct.pack("!II", 0, 0) + prefix
            away = local.packed + third.packed
            for form, message in (
                ("an advertisement of the observer's", (136, _advertisement(third, mac), 0x2000_0000)),
                ("a router advertisement", (134, router, 0x4000_0708)),
                ("a router advertisement to one station", (134, router, 0x4000_0708, (near, other))),
                ("a redirect", (137, away, 0, (near, other))),
            ):
                yield "neighbour-discovery", "message", form, _icmpv6(mac, local, *message)
            answer = _udp(context, near, mac, (own, other), (547, 546))
            yield "dhcp-server", family, "a DHCPv6 server's answer", answer


def _experiment(context: Context, mac: bytes) -> bytes:
    return EVERYBODY + mac + ethertypes.octets(ethertypes.EXPERIMENT) + mark(context.number())


def _datagram(context: Context, to: bytes, mac: bytes, source: crafted.Address, target: crafted.Address) -> bytes:
    return _udp(context, to, mac, (source, target), (9, 9))


def _udp(
    context: Context, to: bytes, mac: bytes, ends: tuple[crafted.Address, crafted.Address], ports: tuple[int, int]
) -> bytes:
    datagram = crafted.udp(*ends, ports, mark(context.number()))
    kind = ethertypes.octets(ethertypes.IPV4 if ends[0].version == 4 else ethertypes.IPV6)
    return to + mac + kind + crafted.ip(*ends, crafted.UDP, datagram)


def _arp(operation: int, mac: bytes, sender: IPv4Address, target: crafted.Address, to: bytes = EVERYBODY) -> bytes:
    body = struct.pack("!HHBBH", 1, ethertypes.IPV4, 6, 4, operation) + mac + sender.packed
    return to + mac + ethertypes.octets(ethertypes.ARP) + body + (to if operation == 2 else bytes(6)) + target.packed


def _advertisement(target: crafted.Address, mac: bytes) -> bytes:
    """Target and target link-layer address option (RFC 4861 §4.4)."""
    return target.packed + b"\x02\x01" + mac


def _icmpv6(  # noqa: PLR0917 - the fields of one message, in their order
    mac: bytes, source: IPv6Address, kind: int, body: bytes, rest: int, to: tuple[bytes, crafted.Address] | None = None
) -> bytes:
    """A message of neighbour discovery with hop limit 255 (RFC 4861 §4), to all nodes or to one."""
    hardware, target = to or (mac_bytes(multicast_mac(ALL_NODES)), ALL_NODES)
    message = crafted.icmp(source, target, (kind, 0), rest, body)
    packet = crafted.ip(source, target, crafted.ICMPV6, message)
    return hardware + mac + ethertypes.octets(ethertypes.IPV6) + packet[:7] + bytes((HOPS,)) + packet[8:]
