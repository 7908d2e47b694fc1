"""An underlay that carries no multicast beyond what address resolution and group membership need."""

from __future__ import annotations

from typing import Final

from conformance.lab.namespace import Namespace
from conformance.lab.nftables.action import Accept, Drop
from conformance.lab.nftables.match import EtherDestination
from conformance.lab.nftables.table import Chain, Rule, Table, install

_PASSING: Final = (
    Rule(Accept(), (EtherDestination("ff:ff:ff:ff:ff:ff"),), "broadcast"),
    Rule(Accept(), (EtherDestination("33:33:ff:00:00:00", "ff:ff:ff:00:00:00"),), "solicited node"),
    Rule(Accept(), (EtherDestination("33:33:00:00:00:01"),), "all nodes"),
    Rule(Accept(), (EtherDestination("33:33:00:00:00:02"),), "all routers"),
    Rule(Accept(), (EtherDestination("33:33:00:00:00:16"),), "MLD"),
)
_BLOCKED: Final = (
    Rule(Drop(), (EtherDestination("01:00:5e:00:00:00", "ff:ff:ff:80:00:00"),), "IPv4 multicast"),
    Rule(Drop(), (EtherDestination("33:33:00:00:00:00", "ff:ff:00:00:00:00"),), "IPv6 multicast"),
)


def block_underlay_multicast(rack: Namespace) -> None:
    """Drop IPv4 and IPv6 multicast between the ports of the top-of-rack, except what ND and MLD need.

    Broadcast (ARP, DHCP) and groups that are neither IPv4 nor IPv6 pass.
    """
    chain = Chain("forward", (*_PASSING, *_BLOCKED), hook="forward")
    install(rack, Table("bridge", "underlay", (chain,)))
