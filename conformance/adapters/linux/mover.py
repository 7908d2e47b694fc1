"""mover, overlay-mover: endpoints that move between the hosts, and the kernel's own announcements.

The new place is cabled beforehand and silent; when the endpoint moves, the old one is taken away and the new one gets
the addresses. Whatever is then announced is the kernel's: with `arp_notify` an ARP announcement of each address when
the interface is told its MAC address, with `ndisc_notify` a neighbour advertisement of each address when it is usable.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import ClassVar

from conformance import limits
from conformance.adapters.interface import AdapterError, Endpoint, Reported
from conformance.adapters.interface.powers import MoveKind, Moving
from conformance.adapters.linux.bridges import BridgeNetwork
from conformance.adapters.linux.flat_bridge import FlatBridge
from conformance.adapters.linux.network import INTERFACE, Allocation, mac_of, refusals
from conformance.adapters.linux.vxlan import Vxlan
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local


class Moves(BridgeNetwork):
    """Moves of every kind: a migration takes MAC and addresses along as they are, without detection of duplicates, as
    a virtual machine does; a restart or failover gives the addresses to a new interface, which detects them."""

    powers: tuple[type, ...] = (Moving,)
    moves: tuple[MoveKind, ...] = ("migrate", "restart", "failover")
    detects_again = True
    """Whether a new interface detects duplicates of the addresses that it is given."""
    moving: ClassVar[tuple[str, ...]] = (
        "per move: the new place is cabled and forwards; the old interface is removed; the new one gets the addresses",
        "where notify is set: net.ipv4.conf.eth0.arp_notify = 1, net.ipv6.conf.eth0.ndisc_notify = 1",
    )

    def __init__(self, lab: Lab, *, notify: bool = False) -> None:
        self.notify = notify
        self._landings: dict[str, Allocation] = {}
        self._ports = itertools.count(1)
        super().__init__(lab)

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:
        """The new place, cabled up to the host's bridge, without addresses: nothing is sent from there."""
        old: Allocation = endpoint.handle
        namespace = self.station(endpoint.name)
        mac = old.mac if kind == "migrate" else mac_of(f"{endpoint.name} after {kind}")
        allocation = replace(old, host=to, namespace=namespace, port=f"new{next(self._ports)}", mac=mac)
        with refusals(endpoint.name):
            namespace.sysctl("net.ipv4.conf.default.arp_notify", int(self.notify))
            namespace.sysctl("net.ipv6.conf.default.ndisc_notify", int(self.notify))
            if kind == "migrate" or not self.detects_again:
                namespace.sysctl("net.ipv6.conf.default.accept_dad", 0)
            self.connect(allocation)
            netlink.transact(namespace, [rtnetlink.quiet(INTERFACE), rtnetlink.up(INTERFACE)])
            self.await_connection(allocation)
            link.await_link(namespace, INTERFACE)
        self._landings[endpoint.name] = allocation
        return namespace

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """Take the old place away, give the new one the addresses. Raises AdapterError."""
        if endpoint.name not in self._landings:
            self.target_namespace(endpoint, to, kind)
        old: Allocation = endpoint.handle
        new = self._landings.pop(endpoint.name)
        with refusals(endpoint.name):
            self.leave(old)
            self.take_up(new)
            self.announce(old, new, 4)
            failed = link.await_dad(new.namespace, INTERFACE, limits.DAD_SETTLED)
            self.announce(old, new, 6)
        if failed:
            taken = ", ".join(str(address) for address in failed)
            raise AdapterError(f"{endpoint.name}: duplicate address detection failed: {taken} is in use")
        reported = Reported(new.addresses, new.mac, new.mtu, endpoint.reported.gateways)
        return Endpoint(endpoint.name, to.name, new.namespace, INTERFACE, reported, handle=new)

    def leave(self, old: Allocation) -> None:
        """The old place goes, with its interface."""
        self.disconnect(old)

    def take_up(self, new: Allocation) -> None:
        """Addresses and routes at the new place. IPv4 ones are announced with the MAC address, which comes after them,
        IPv6 ones when they are usable: no address twice."""
        four = [address for address in new.addresses if address.version == 4]
        six = [address for address in new.addresses if address.version == 6]
        steps = [rtnetlink.address(INTERFACE, address) for address in four]
        steps.append(rtnetlink.hardware_address(INTERFACE, new.mac))
        steps += [rtnetlink.address(INTERFACE, address) for address in (*six, link_local(new.mac))]
        netlink.transact(new.namespace, [*steps, *self.routes(new)])

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """What the mover itself announces of one family, when its addresses are usable: nothing, it is the kernel's."""


class Mover(Moves, FlatBridge):
    """On the underlay's own segment."""

    steps = (*FlatBridge.steps, *Moves.moving)


class OverlayMover(Moves, Vxlan):
    """In an overlay, whose tunnels are told where an endpoint has gone: its address may go to a host of any subnet."""

    moves = ("failover",)
    steps = (*Vxlan.steps, *Moves.moving)
