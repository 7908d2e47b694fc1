"""routed-64: one IPv6 /64 and one IPv4 prefix per host, every endpoint on a link of its own, routed by the host.

No bridge, no translation, no filter: an endpoint is a routed address like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Interface
from typing import Final

from conformance.adapters.interface import Address
from conformance.adapters.linux.network import INTERFACE, Allocation, Design, cable, default_routes
from conformance.adapters.linux.pool import Pool, by_host
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab

GATEWAY: Final = IPv6Interface("fe80::1/64")
"""The host on every endpoint's link. For IPv4 the host answers there for its own underlay address: the link is
unnumbered, as RFC 1812 §2.2.7 has it."""


STEPS: Final = (
    "net.ipv4.ip_forward = 1, net.ipv6.conf.all.forwarding = 1 on each host",
    "per endpoint: veth; a /32 and a /128 of the host's workload prefixes on eth0, a route to each on the host",
    f"per endpoint: default routes to {GATEWAY.ip} and to the host's own IPv4 address, both on eth0",
)


def routed(lab: Lab) -> Design:
    """The host forwards between its uplink and the endpoints' links."""

    def start() -> None:
        for host in lab.hosts.values():
            host.namespace.sysctl("net.ipv4.ip_forward", 1)
            host.namespace.sysctl("net.ipv6.conf.all.forwarding", 1)

    return Design(
        allocations=by_host(lab, _single_addresses),
        start=start,
        connect=_connect,
        gateways=lambda host: (host.ipv4.ip, IPv6Address(GATEWAY.ip)),
        routes=_own_routes,
    )


def _single_addresses(host: Host, version: int) -> Pool:
    """The host's workload prefix, one single address at a time."""
    prefix = host.workload_ipv4 if version == 4 else host.workload_ipv6
    return Pool.of(prefix, prefix.max_prefixlen)


def _connect(allocation: Allocation) -> None:
    """A veth cable, and a host route to each address through it."""
    netlink.transact(allocation.host.namespace, [cable(allocation)])
    steps = [
        rtnetlink.quiet(allocation.port),
        rtnetlink.up(allocation.port),
        rtnetlink.address(allocation.port, GATEWAY, dad=False),
    ]
    netlink.transact(allocation.host.namespace, [*steps, *host_routes(allocation)])


def host_routes(allocation: Allocation) -> list[netlink.Request]:
    """The host's routes to an endpoint's addresses, through the endpoint's link."""
    host = allocation.host
    own = {4: str(host.ipv4.ip), 6: str(host.ipv6.ip)}
    return [
        rtnetlink.route(address.network, link=allocation.port, source=own[address.version])
        for address in allocation.addresses
    ]


def _own_routes(allocation: Allocation, gateways: Sequence[Address]) -> list[netlink.Request]:
    """The IPv4 gateway is on the link, although no prefix says so."""
    on_link = [rtnetlink.route(rtnetlink.single(allocation.host.ipv4.ip).network, link=INTERFACE)]
    has_ipv4 = any(address.version == 4 for address in allocation.addresses)
    return [*(on_link if has_ipv4 else []), *default_routes(allocation, gateways)]
