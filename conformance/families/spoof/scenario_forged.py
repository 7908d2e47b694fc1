"""Frames that an endpoint of the scenario spoof may not send: in the names of the neighbour, of the observer, of the
gateway, of nobody, of routers and of DHCP servers; plain, behind VLAN tags, and behind IPv6 extension headers."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from conformance.families.spoof.scenario_frames import (
    EVERYBODY,
    LIMITED,
    Frame,
    advertisement,
    arp,
    cut_chain,
    datagram,
    experiment,
    icmpv6,
    mac_of,
    udp,
)
from conformance.lab.lab import link_local
from conformance.protocols import crafted, ethertypes
from conformance.protocols.mac import mac_text
from conformance.protocols.ndp import ADVERTISEMENT, REDIRECT, ROUTER_ADVERTISEMENT
from conformance.provoking.context import Context
from conformance.provoking.odd_packets import NOWHERE
from conformance.recording.model import AddressFamily

LOCAL: Final[dict[int, tuple[str, ...]]] = {4: ("127.0.0.1", "224.0.0.1"), 6: ("fe80::bad", "ff02::1", "::1")}
"""Addresses that no packet on a wire comes from, or not from this endpoint (RFC 1122 §3.2.1.3, RFC 4291 §2)."""
GROUP: Final = bytes.fromhex("01005e000001")
"""A group address, which is no source (IEEE 802-2014 §8.2.2)."""
OVERRIDE: Final = 0x2000_0000
ROUTER: Final = 0x4000_0708
"""Hop limit 64 and a lifetime of 1,800 s (RFC 4861 §4.2)."""
HIDING: Final = {
    "behind hop-by-hop options": [crafted.HOP_BY_HOP],
    "behind destination options": [crafted.DESTINATION_OPTIONS],
    "behind a fragment header of a whole packet": [crafted.FRAGMENT],
    "behind hop-by-hop, destination options and a routing header": [
        crafted.HOP_BY_HOP,
        crafted.DESTINATION_OPTIONS,
        crafted.ROUTING,
    ],
}
"""Extension headers in front of what is forged (RFC 7113 §2)."""


def forged(context: Context) -> Iterator[Frame]:
    """Yield every forged frame; each names the kind of legitimate frame that differs from it only in the name."""
    yield from _macs(context)
    for family in context.families:
        yield from _sources(context, family)
        yield from _arp(context) if family == "ipv4" else _discovery(context)
        yield from _servers(context, family)


def _tagged(form: str, frame: bytes) -> Iterator[tuple[str, bytes]]:
    """The frame behind tags of VLAN 0, which stations take off (IEEE 802.1Q-2018 §6.8.1)."""
    once = ethertypes.tagged(frame, 0)
    yield f"{form} behind a priority tag", once
    yield f"{form} behind two priority tags", ethertypes.tagged(once, 0)
    yield f"{form} behind a service tag and a priority tag", ethertypes.tagged(once, 0, ethertypes.SERVICE_TAG)


def _own(context: Context, family: AddressFamily, *names: str) -> list[crafted.Address]:
    return [context.addresses(context.endpoints[name], family)[0] for name in names]


def _gateway(context: Context, version: int) -> crafted.Address | None:
    """The router of the attacker's segment, where the testbed has one."""
    return context.lab.gateway(version, context.lab.hosts[context.endpoints["attacker"].host])


def _macs(context: Context) -> Iterator[Frame]:
    near, far = (mac_of(context, name) for name in ("neighbour", "observer"))
    nobody = b"\x02" + os.urandom(5)
    for name, stolen in (
        ("the neighbour's", near),
        ("the observer's", far),
        ("nobody's", nobody),
        ("a group's", GROUP),
    ):
        yield "source-mac", "frame", f"a broadcast under {name} MAC address", experiment(context, stolen)
    for form, frame in _tagged("a broadcast under the observer's MAC address", experiment(context, far)):
        yield "source-mac", "frame", form, frame
    for family in context.families:
        own, other = _own(context, family, "attacker", "neighbour")
        for name, stolen in (("the neighbour's", near), ("the observer's", far)):
            frame = datagram(context, EVERYBODY, stolen, own, other)
            yield "source-mac", family, f"a datagram over {family} under {name} MAC address", frame


def _sources(context: Context, family: AddressFamily) -> Iterator[Frame]:
    mac, near = mac_of(context, "attacker"), mac_of(context, "neighbour")
    other, third, friend = _own(context, family, "neighbour", "observer", "friend")
    strange: list[tuple[str, crafted.Address]] = [
        ("the observer's", third),
        ("the friend's", friend),
        ("nobody's", NOWHERE[other.version]),
    ]
    kind = type(other)
    strange += [(text, kind(text)) for text in LOCAL[other.version]]
    for name, stolen in strange:
        frame = datagram(context, near, mac, stolen, other)
        yield "source-address", family, f"a datagram from {name} address", frame
    for form, frame in _tagged("a datagram from the observer's address", datagram(context, near, mac, third, other)):
        yield "source-address", family, form, frame
    for form, headers in HIDING.items() if family == "ipv6" else ():
        frame = udp(context, near, mac, (third, other), (9, 9), headers)
        yield "source-address", family, f"a datagram from the observer's address {form}", frame


def _arp(context: Context) -> Iterator[Frame]:
    mac, near = mac_of(context, "attacker"), mac_of(context, "neighbour")
    other, third, friend = (one for one in _own(context, "ipv4", "neighbour", "observer", "friend"))
    gateway = _gateway(context, 4)
    named = {"the observer's": third, "the friend's": friend, "the gateway's": gateway}
    for name, stolen in named.items():
        if isinstance(stolen, IPv4Address):
            yield "arp", "claim", f"an announcement of {name} address", arp(1, mac, stolen, stolen)
    assert isinstance(third, IPv4Address)
    yield "arp", "claim", "a reply in the observer's name", arp(2, mac, third, other, near)
    yield "arp", "claim", "a request in the observer's name", arp(1, mac, third, other)
    for form, frame in _tagged("an announcement of the observer's address", arp(1, mac, third, third)):
        yield "arp", "claim", form, frame


def _discovery(context: Context) -> Iterator[Frame]:
    mac, near = mac_of(context, "attacker"), mac_of(context, "neighbour")
    other, third = _own(context, "ipv6", "neighbour", "observer")
    local = link_local(mac_text(mac)).ip
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 1800, 1800, 0) + IPv6Address("2001:db8:bad::").packed
    router, away = struct.pack("!II", 0, 0) + prefix, local.packed + third.packed
    claims = {"the observer's": third, "the gateway's": _gateway(context, 6)}
    messages = [
        (f"an advertisement of {name} address", icmpv6(mac, local, ADVERTISEMENT, advertisement(one, mac), OVERRIDE))
        for name, one in claims.items()
        if one is not None
    ]
    plain = icmpv6(mac, local, ROUTER_ADVERTISEMENT, router, ROUTER)
    messages += [
        ("a router advertisement", plain),
        ("a router advertisement to one station",
         icmpv6(mac, local, ROUTER_ADVERTISEMENT, router, ROUTER, (near, other))),
        ("a router advertisement of hop limit 64", icmpv6(mac, local, ROUTER_ADVERTISEMENT, router, ROUTER, hops=64)),
        ("a redirect", icmpv6(mac, local, REDIRECT, away, 0, (near, other))),
        ("the first fragment of a router advertisement, which ends within its options", cut_chain(mac, local)),
    ]  # fmt: skip
    messages += _tagged("a router advertisement", plain)
    for form, headers in HIDING.items():
        hidden = icmpv6(mac, local, ROUTER_ADVERTISEMENT, router, ROUTER, headers=headers)
        messages.append((f"a router advertisement {form}", hidden))
        claim = icmpv6(mac, local, ADVERTISEMENT, advertisement(third, mac), OVERRIDE, headers=headers)
        messages.append((f"an advertisement of the observer's address {form}", claim))
    for form, message in messages:
        yield "neighbour-discovery", "message", form, message


def _servers(context: Context, family: AddressFamily) -> Iterator[Frame]:
    mac, near = mac_of(context, "attacker"), mac_of(context, "neighbour")
    own, other = _own(context, family, "attacker", "neighbour")
    if family == "ipv4":
        offer = udp(context, EVERYBODY, mac, (own, LIMITED), (67, 68))
        frames = [("a DHCP server's offer", offer), *_tagged("a DHCP server's offer", offer)]
        frames.append(("a DHCP server's answer to one station", udp(context, near, mac, (own, other), (67, 68))))
    else:
        answer = udp(context, near, mac, (own, other), (547, 546))
        frames = [("a DHCPv6 server's answer", answer), *_tagged("a DHCPv6 server's answer", answer)]
        frames.append(("a DHCPv6 server's word to a relay", udp(context, near, mac, (own, other), (547, 547))))
        for form, headers in HIDING.items():
            frames.append(
                (f"a DHCPv6 server's answer {form}", udp(context, near, mac, (own, other), (547, 546), headers))
            )
    for form, frame in frames:
        yield "dhcp-server", family, form, frame
