"""Conflicts over IPv4 addresses: somebody claims one that is in use, and an endpoint asks for one that somebody has."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Interface

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment
from conformance.families.move.scenario_observers import THIRD, Observer
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.protocols import arp
from conformance.provoking.context import Context
from conformance.provoking.silence import keep_silent
from conformance.recording.events.addressing import AddressClaimed, OccupiedAsked, OccupiedAttached, OccupiedRefused

CLAIMS = 2
"""The second claim comes within DEFEND_INTERVAL, 10 s, of the first one (RFC 5227 §1.1)."""
OCCUPANT = "occupied"


def contest(context: Context, watching: Sequence[Observer], name: str) -> None:
    """A station that takes no part claims the first IPv4 address of the endpoint `name`, twice; then an endpoint is
    attached that asks for an address of that station's."""
    for third in watching:
        own = [one for one in third.addresses if isinstance(one, IPv4Interface)]
        if third.name == THIRD and own:
            _claim(context, third, name)
            _occupy(context, third, own[0])


def _claim(context: Context, third: Observer, name: str) -> None:
    """RFC 5227 §2.4: an ARP packet whose sender has the endpoint's address and another MAC address."""
    found = [one for one in context.addresses(context.endpoints[name], "ipv4") if one.version == 4]
    with third.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for address in found[:1]:
            for _ in range(CLAIMS):
                context.event(AddressClaimed(where=name, address=str(address), by=third.name, mac=third.mac))
                sender.sendto(arp.request(third.mac, address, address), (third.interface, 0))
                keep_silent(limits.CLAIM_ANSWER)


def _occupy(context: Context, third: Observer, own: IPv4Interface) -> None:
    """The station takes one more address of the link, and an endpoint of the first host asks for it."""
    wanted = IPv4Interface((own.network[-5], own.network.prefixlen))
    netlink.transact(third.namespace, [rtnetlink.address(third.interface, rtnetlink.single(wanted.ip))])
    context.event(OccupiedAsked(where=OCCUPANT, address=str(wanted.ip), by=third.name))
    try:
        endpoint = context.attach(context.hosts[0], Attachment(OCCUPANT, addresses=(wanted,)))
    except AdapterError as problem:
        context.event(OccupiedRefused(where=OCCUPANT, problem=str(problem)))
        return
    addresses = tuple(one.address for one in context.interface(endpoint).addresses)
    context.event(OccupiedAttached(where=OCCUPANT, addresses=addresses))
    context.endpoints.pop(OCCUPANT)
    context.states.pop(OCCUPANT)
