"""routed-64: one IPv6 /64 and one IPv4 prefix per host, every endpoint on a link of its own, routed by the host.

No bridge, no translation, no filter: an endpoint is a routed address like any other.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Interface
from typing import ClassVar, Final

from conformance.adapters.interface import Address
from conformance.adapters.linux.network import INTERFACE, Allocation, Network
from conformance.adapters.linux.pool import Pool
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host

GATEWAY: Final = IPv6Interface("fe80::1/64")
"""The host on every endpoint's link. For IPv4 the host answers there for its own underlay address: the link is
unnumbered, as RFC 1812 §2.2.7 has it."""


class Routed(Network):
    """The host forwards between its uplink and the endpoints' links."""

    steps: ClassVar[tuple[str, ...]] = (
        "net.ipv4.ip_forward = 1, net.ipv6.conf.all.forwarding = 1 on each host",
        "per endpoint: veth; a /32 and a /128 of the host's workload prefixes on eth0, a route to each on the host",
        f"per endpoint: default routes to {GATEWAY.ip} and to the host's own IPv4 address, both on eth0",
    )

    def pool(self, host: Host, version: int) -> Pool:
        """The host's workload prefix, one single address at a time."""
        prefix = host.workload_ipv4 if version == 4 else host.workload_ipv6
        return Pool.of(prefix, prefix.max_prefixlen)

    def gateways(self, host: Host) -> tuple[Address, ...]:
        """The host itself."""
        return host.ipv4.ip, IPv6Address(GATEWAY.ip)

    def start(self) -> None:
        """Let every host forward."""
        for host in self.lab.hosts.values():
            host.namespace.sysctl("net.ipv4.ip_forward", 1)
            host.namespace.sysctl("net.ipv6.conf.all.forwarding", 1)

    def connect(self, allocation: Allocation) -> None:
        """A veth cable, and a host route to each address through it."""
        host = allocation.host
        cable = rtnetlink.veth(
            allocation.port, INTERFACE, allocation.namespace.descriptor, mtu=allocation.mtu, far_mac=allocation.mac
        )
        netlink.transact(host.namespace, [cable])
        routes = [
            rtnetlink.route(
                address.network, link=allocation.port, source=str((host.ipv4, host.ipv6)[address.version == 6].ip)
            )
            for address in allocation.addresses
        ]
        steps = [
            rtnetlink.quiet(allocation.port),
            rtnetlink.up(allocation.port),
            rtnetlink.address(allocation.port, GATEWAY, dad=False),
        ]
        netlink.transact(host.namespace, [*steps, *routes])

    def routes(self, allocation: Allocation) -> list[netlink.Request]:
        """The IPv4 gateway is on the link, although no prefix says so."""
        on_link = [rtnetlink.route(rtnetlink.single(allocation.host.ipv4.ip).network, link=INTERFACE)]
        has_ipv4 = any(address.version == 4 for address in allocation.addresses)
        return [*(on_link if has_ipv4 else []), *super().routes(allocation)]
