"""What faults do to an endpoint that the reference network has just attached, and to the ways that lead to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from conformance import limits
from conformance.adapters.interface import Endpoint, Interface
from conformance.adapters.linux.network import INTERFACE, Allocation
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.recording.model import InterfaceState, Record

Alteration = Callable[[Host, Endpoint], Endpoint]


def lease_of(endpoint: Endpoint) -> Allocation:
    """What the reference network wrote down of the endpoint."""
    assert isinstance(endpoint.handle, Allocation)
    return endpoint.handle


def telling(endpoint: Endpoint, **changes: Any) -> Endpoint:
    """The same endpoint, of which something else is reported: `addresses`, `mac`, `mtu`, `gateways`."""
    return replace(endpoint, reported=replace(endpoint.reported, **changes))


def given(endpoint: Endpoint, *addresses: Interface) -> Endpoint:
    """The endpoint with further addresses, reported like the others. Their detection is over, whatever it found."""
    netlink.transact(endpoint.namespace, [rtnetlink.address(INTERFACE, address) for address in addresses])
    link.await_dad(endpoint.namespace, INTERFACE, limits.DAD_SETTLED)
    return telling(endpoint, addresses=(*endpoint.reported.addresses, *addresses))


def routed(host: Host, endpoint: Endpoint, *addresses: Interface) -> None:
    """Routes of a routed network's host to further addresses of an endpoint."""
    port = lease_of(endpoint).port
    netlink.transact(host.namespace, [rtnetlink.route(address.network, link=port) for address in addresses])


def lead(lab: Lab, host: Host, *prefixes: rtnetlink.Network) -> None:
    """Routes to `prefixes` through `host`, for everybody else of the lab."""
    others = [other.namespace for other in lab.hosts.values() if other is not host]
    users = [lab.router] if lab.router is not None else [*others, lab.client.namespace]
    for prefix in prefixes:
        via = host.ipv4 if prefix.version == 4 else host.ipv6
        for user in users:
            link.route(user, prefix, via=str(via.ip))


def letter(name: str) -> str:
    """Which endpoint of its host it is: the last character of its name."""
    return name[-1]


def number(host: Host, lab: Lab) -> int:
    """Which host of the lab it is, from 1."""
    return list(lab.hosts).index(host.name) + 1


def interfaces(record: Record, moment: str = "after") -> Iterator[tuple[str, InterfaceState]]:
    """Name and interface of every endpoint as a snapshot shows them: a witness that no check of attach looks at."""
    names = {endpoint.name: endpoint.interface for endpoint in record.endpoints}
    for snapshot in record.snapshots:
        for interface in snapshot.interfaces:
            if snapshot.moment == moment and names.get(snapshot.where) == interface.name:
                yield snapshot.where, interface


def has_address(prefix: rtnetlink.Network | str, flag: str = "") -> Callable[[Record], str | None]:
    """A witness: in a snapshot two or more endpoints, or one whose address has `flag`, have an address of `prefix`."""
    wanted = ip_network(prefix)

    def witness(record: Record) -> str | None:
        found = [
            f"{name} has {address.address} {' '.join(address.flags)}"
            for name, interface in interfaces(record)
            for address in interface.addresses
            if ip_address(address.address) in wanted and (not flag or flag in address.flags)
        ]
        return ", ".join(found) if len(found) > (0 if flag else 1) else None

    return witness


def in_background(work: Callable[[], None], namespace: Namespace) -> None:
    """A part of the network that runs beside everything else, until its lab is gone."""

    def run() -> None:
        with suppress(OSError, RuntimeError, LookupError):
            work()

    threading.Thread(target=run, name=f"fault-{namespace.name}", daemon=True).start()
