"""mover, overlay-mover: endpoints that move between the hosts, and the kernel's own announcements.

The new place is cabled beforehand and silent; when the endpoint moves, the old one is taken away and the new one gets
the addresses. Whatever is then announced is the kernel's: with `arp_notify` an ARP announcement of each address when
the interface is told its MAC address, with `ndisc_notify` a neighbour advertisement of each address when it is usable.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from conformance import limits
from conformance.adapters.interface import Endpoint, Reported
from conformance.adapters.interface.powers import Attempting, MoveKind, MoveStyle, Moving
from conformance.adapters.linux.network import (
    INTERFACE,
    Allocation,
    Design,
    Network,
    mac_of,
    refusals,
    refuse_duplicates,
)
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local

STEPS: Final = (
    "per move: the new place is cabled and forwards; the old interface is removed; the new one gets the addresses",
    "where notify is set: net.ipv4.conf.eth0.arp_notify = 1, net.ipv6.conf.eth0.ndisc_notify = 1",
)


@dataclass(frozen=True, slots=True)
class Relocation:
    """One endpoint's move from its old place to its new one, which is cabled."""

    old: Allocation
    new: Allocation
    kind: MoveKind


def opened(namespace: Namespace) -> None:
    """Nothing more is to be done to a new place."""
    del namespace


def leave(design: Design, move: Relocation) -> None:
    """The old place goes, with its interface."""
    design.disconnect(move.old)


def take_up(design: Design, move: Relocation) -> None:
    """Addresses and routes at the new place. IPv4 ones are announced with the MAC address, which comes after them,
    IPv6 ones when they are usable: no address twice."""
    new = move.new
    four = [address for address in new.addresses if address.version == 4]
    six = [address for address in new.addresses if address.version == 6]
    steps = [rtnetlink.address(INTERFACE, address) for address in four]
    steps.append(rtnetlink.hardware_address(INTERFACE, new.mac))
    steps += [rtnetlink.address(INTERFACE, address) for address in (*six, link_local(new.mac))]
    netlink.transact(new.namespace, [*steps, *design.routes_of(new)])


def announce(move: Relocation, version: int) -> None:
    """Nothing: what is announced is the kernel's."""
    del move, version


@dataclass(frozen=True, kw_only=True)
class Handover:
    """How endpoints move, part by part.

    A migration takes MAC and addresses along as they are, without detection of duplicates, as a virtual machine does; a
    restart or failover gives the addresses to a new interface, which detects them.
    """

    moves: tuple[MoveKind, ...] = ("migrate", "restart", "failover")
    styles: tuple[MoveStyle, ...] = ("silent", "silent", "silent", "talking")
    """The attempts of each kind (see scenarios/move.py)."""
    detects_again: bool = True
    """Whether a new interface detects duplicates of the addresses that it is given."""
    opened: Callable[[Namespace], None] = opened
    """What is done to the namespace of a new place, once it is cabled."""
    leave: Callable[[Design, Relocation], None] = leave
    """End what is at the old place."""
    take_up: Callable[[Design, Relocation], None] = take_up
    """Give the new place the addresses."""
    announce: Callable[[Relocation, int], None] = announce
    """What the mover itself announces of one IP version, when its addresses are usable."""


IN_DUE_FORM: Final = Handover()
ACROSS_SUBNETS: Final = Handover(moves=("failover",))
"""In an overlay, whose tunnels learn where an endpoint has gone, an address may go to a host of any subnet."""


class Mover(Network):
    """A network whose endpoints move. With `notify` the kernel announces what moved."""

    powers: tuple[type, ...] = (Moving, Attempting)

    def __init__(self, lab: Lab, design: Design, handover: Handover = IN_DUE_FORM, *, notify: bool = False) -> None:
        super().__init__(lab, design)
        self.handover = handover
        self.notify = notify
        self._targets: dict[str, Allocation] = {}
        self._ports = itertools.count(1)

    @property
    def moves(self) -> tuple[MoveKind, ...]:
        """The kinds of move that it makes."""
        return self.handover.moves

    @property
    def styles(self) -> tuple[MoveStyle, ...]:
        """The attempts of each kind."""
        return self.handover.styles

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:
        """The new place, cabled up to the host's bridge, without addresses: nothing is sent from there."""
        old: Allocation = endpoint.handle
        namespace = self.station(endpoint.name)
        mac = old.mac if kind == "migrate" else mac_of(f"{endpoint.name} after {kind}")
        allocation = replace(old, host=to, namespace=namespace, port=f"new{next(self._ports)}", mac=mac)
        with refusals(endpoint.name):
            namespace.sysctl("net.ipv4.conf.default.arp_notify", int(self.notify))
            namespace.sysctl("net.ipv6.conf.default.ndisc_notify", int(self.notify))
            if kind == "migrate" or not self.handover.detects_again:
                namespace.sysctl("net.ipv6.conf.default.accept_dad", 0)
            self.design.connect(allocation)
            netlink.transact(namespace, [rtnetlink.quiet(INTERFACE), rtnetlink.up(INTERFACE)])
            self.design.await_connection(allocation)
            link.await_link(namespace, INTERFACE)
            self.handover.opened(namespace)
        self._targets[endpoint.name] = allocation
        return namespace

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """Take the old place away, give the new one the addresses. Raises AdapterError."""
        if endpoint.name not in self._targets:
            self.target_namespace(endpoint, to, kind)
        new = self._targets.pop(endpoint.name)
        move = Relocation(endpoint.handle, new, kind)
        with refusals(endpoint.name):
            self.handover.leave(self.design, move)
            self.handover.take_up(self.design, move)
            self.handover.announce(move, 4)
            failed = link.await_dad(new.namespace, INTERFACE, limits.DAD_SETTLED)
            self.handover.announce(move, 6)
        refuse_duplicates(endpoint.name, failed)
        reported = Reported(new.addresses, new.mac, new.mtu, endpoint.reported.gateways)
        return Endpoint(endpoint.name, to.name, new.namespace, INTERFACE, reported, handle=new)
