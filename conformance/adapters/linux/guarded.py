"""guarded-bridge: endpoints on the segment, each behind a guard at its port that knows what it may send (RFC 7513)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from conformance.adapters.linux.bridges import plug
from conformance.adapters.linux.flat_bridge import BEFORE_FORWARDING, flat_bridge
from conformance.adapters.linux.flat_bridge import STEPS as BRIDGED
from conformance.adapters.linux.network import Allocation, Design, unplug
from conformance.lab import nftables as nft
from conformance.lab.lab import Lab, link_local
from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_bytes
from conformance.protocols.ndp import ADVERTISEMENT, REDIRECT, ROUTER_ADVERTISEMENT

UNSPECIFIED_V4, UNSPECIFIED_V6 = IPv4Network("0.0.0.0/32"), IPv6Network("::/128")


STEPS: Final = (
    *BRIDGED,
    "per endpoint: nftables in the bridge drops what its port sends in another's name, rogue RA and DHCP, tagged "
    "frames, and first fragments without their whole header chain",
)
Drops = Iterable[tuple[str, tuple[nft.Match, ...]]]
"""What is dropped, each with the guard's name."""


WHOLE_CHAIN: Final = (
    nft.Rule(nft.accept(), (nft.fragment(6, "first"), nft.payload("transport", 0, b"\0", mask=b"\0")), "whole chain"),
    nft.Rule(nft.drop(), (nft.fragment(6, "first"),), "chain"),
)
"""A first fragment passes only with a part of its upper layer in it: else nothing says what it begins (RFC 7112 §5,
RFC 7113 §3)."""


def forgeries(allocation: Allocation) -> Iterator[tuple[str, tuple[nft.Match, ...]]]:
    """What an endpoint may not send, each with the guard's name."""
    mac = mac_bytes(allocation.mac)
    for kind in ethertypes.TAGS:
        yield "tag", (nft.payload("link", 12, ethertypes.octets(kind)),)
    yield "mac", (nft.ether_source(allocation.mac, negate=True),)
    arp = nft.ether_type("arp")
    yield "arp", (arp, nft.payload("network", 8, mac, negate=True))
    four = [ip_network(one.ip) for one in allocation.addresses if one.version == 4]
    six = [ip_network(one.ip) for one in (*allocation.addresses, link_local(allocation.mac)) if one.version == 6]
    senders = [nft.payload("network", 14, one.network_address.packed, negate=True) for one in (*four, UNSPECIFIED_V4)]
    yield "arp", (arp, *senders)
    foreign = [nft.source(one, negate=True) for one in four]
    yield "ipv4", (*foreign, nft.source(UNSPECIFIED_V4, negate=True))
    yield "ipv4", (nft.source(UNSPECIFIED_V4), nft.transport("udp"), nft.destination_port(67, negate=True))
    yield "ipv6", tuple(nft.source(one, negate=True) for one in (*six, UNSPECIFIED_V6))
    targets = [nft.payload("transport", 8, one.network_address.packed, negate=True) for one in six]
    yield "discovery", (nft.icmp(6, ADVERTISEMENT), *targets)
    for kind in (ROUTER_ADVERTISEMENT, REDIRECT):
        yield "discovery", (nft.icmp(6, kind),)
    for port in (67, 547):
        yield "dhcp", (nft.transport("udp"), nft.source_port(port))


def guarded_bridge(
    lab: Lab, against: Callable[[Allocation], Drops] = forgeries, *, last: tuple[nft.Rule, ...] = WHOLE_CHAIN
) -> Design:
    """The guard drops what an endpoint sends with another MAC or IP address than its own, in its ARP and neighbour
    discovery as well, what only routers and DHCP servers send, and what is tagged; or what it is `against`. The rules
    `last` decide on the rest."""

    def connect(allocation: Allocation) -> None:
        """The guard is there before the link."""
        rules = tuple(
            nft.Rule(nft.drop(), (nft.in_interface(allocation.port), *match), name)
            for name, match in against(allocation)
        )
        port = nft.in_interface(allocation.port)
        rest = tuple(nft.Rule(one.action, (port, *one.matches), one.comment) for one in last)
        chain = nft.Chain("prerouting", (*rules, *rest), hook="prerouting", priority=BEFORE_FORWARDING)
        nft.install(allocation.host.namespace, nft.Table("bridge", f"guard-{allocation.port}", (chain,)))
        plug(allocation)

    def disconnect(allocation: Allocation) -> None:
        """The guard goes after the link."""
        unplug(allocation)
        nft.remove(allocation.host.namespace, nft.Table("bridge", f"guard-{allocation.port}"))

    return replace(flat_bridge(lab), connect=connect, disconnect=disconnect)
