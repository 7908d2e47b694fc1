"""An underlay that carries no multicast beyond what address resolution and group membership need."""

from __future__ import annotations

from typing import Final

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.nftables.action import accept, drop
from conformance.lab.nftables.match import ether_destination
from conformance.lab.nftables.table import Chain, Rule, Table, install
from conformance.protocols.mac import BROADCAST

_PASSING: Final = {
    "broadcast": ether_destination(BROADCAST),
    "solicited node": ether_destination("33:33:ff:00:00:00", "ff:ff:ff:00:00:00"),
    "all nodes": ether_destination("33:33:00:00:00:01"),
    "all routers": ether_destination("33:33:00:00:00:02"),
    "MLD": ether_destination("33:33:00:00:00:16"),
}
_BLOCKED: Final = {
    "IPv4 multicast": ether_destination("01:00:5e:00:00:00", "ff:ff:ff:80:00:00"),
    "IPv6 multicast": ether_destination("33:33:00:00:00:00", "ff:ff:00:00:00:00"),
}


def block_underlay_multicast(rack: Namespace) -> None:
    """Drop IPv4 and IPv6 multicast between the ports of the top-of-rack, except what ND and MLD need.

    Broadcast (ARP, DHCP) and groups that are neither IPv4 nor IPv6 pass.
    """
    passing = [Rule(accept(), (match,), comment) for comment, match in _PASSING.items()]
    blocked = [Rule(drop(), (match,), comment) for comment, match in _BLOCKED.items()]
    install(rack, Table("bridge", "underlay", (Chain("forward", (*passing, *blocked), hook="forward"),)))
