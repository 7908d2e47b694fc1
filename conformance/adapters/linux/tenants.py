"""tenant-bridges: a bridge for each tenant on each host, the host as everybody's gateway, nothing between tenants."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from itertools import product
from typing import Final

from conformance.adapters.interface import AdapterError, Address
from conformance.adapters.linux.bridges import await_port, plug
from conformance.adapters.linux.network import Allocation, Design, default_routes, mac_of
from conformance.adapters.linux.pool import Pool
from conformance.lab import nftables as nft
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local

TENANTS: Final = ("red", "blue")


STEPS: Final = (
    "per tenant on each host: a bridge with the first addresses of its half of the host's workload prefixes",
    "net.ipv4.ip_forward = 1, net.ipv6.conf.all.forwarding = 1; nftables: drop what one bridge sends to another, and "
    "what comes from a bridge under an address that is not its tenant's",
    "per endpoint: veth from its tenant's bridge to eth0, addresses of that half, default routes to the bridge",
)


def check_tenant(tenant: str) -> None:
    """Raises AdapterError for a tenant that there is not."""
    if tenant not in TENANTS:
        raise AdapterError(f"there is no tenant {tenant!r}; there are {', '.join(TENANTS)}")


def tenant_bridges(lab: Lab, separated: tuple[int, ...] = (4, 6), *, bound: bool = True) -> Design:
    """Each tenant has half of the host's prefixes. What one tenant's bridge sends to another's is dropped, of the IP
    versions `separated`; so is, if `bound`, what it sends under an address that is not its tenant's."""
    pools: dict[tuple[str, str, int], Pool] = {
        (host.name, tenant, half.version): Pool.of(half, half.prefixlen, skip=1)
        for host, tenant in product(lab.hosts.values(), TENANTS)
        for half in halves(host, tenant)
    }

    def allocations(host: Host, tenant: str, version: int) -> Pool:
        check_tenant(tenant)
        return pools[host.name, tenant, version]

    def start() -> None:
        for host in lab.hosts.values():
            for tenant in TENANTS:
                _make_bridge(host, tenant)
            host.namespace.sysctl("net.ipv4.ip_forward", 1)
            host.namespace.sysctl("net.ipv6.conf.all.forwarding", 1)
            nft.install(host.namespace, nft.Table("inet", "tenants", (between(lab, separated),)))
            if bound:
                nft.install(host.namespace, nft.Table("inet", "sources", (own_sources(host, separated),)))

    return Design(
        allocations=allocations,
        start=start,
        connect=lambda allocation: plug(allocation, bridge(allocation.tenant)),
        await_connection=await_port,
        gateways=lambda _: (),  # not reported: they differ from tenant to tenant
        routes=_routes,
    )


def _make_bridge(host: Host, tenant: str) -> None:
    mac = mac_of(f"{host.name} {bridge(tenant)}")
    made = rtnetlink.link(bridge(tenant), "bridge", mtu=host.mtu, mac=mac)
    own = [rtnetlink.address(bridge(tenant), one, dad=False) for one in (link_local(mac), *gate(host, tenant))]
    netlink.transact(host.namespace, [made])
    netlink.transact(host.namespace, [*own, rtnetlink.up(bridge(tenant))])


def between(lab: Lab, separated: tuple[int, ...]) -> nft.Chain:
    """What is not forwarded: from a bridge of the host to another, and what comes in from another tenant's half."""
    rules = []
    for host, far in product(lab.hosts.values(), repeat=2):
        for own, stranger in (TENANTS, TENANTS[::-1]):
            (four, six), (other_four, other_six) = halves(host, own), halves(far, stranger)
            if 4 in separated:
                rules.append(_between(nft.source(four), nft.destination(other_four)))
            if 6 in separated:
                rules.append(_between(nft.source(six), nft.destination(other_six)))
    return nft.Chain("forward", tuple(rules), hook="forward")


def own_sources(host: Host, versions: tuple[int, ...]) -> nft.Chain:
    """What is not forwarded from a tenant's bridge: packets under an address that is not of its half. Without it, a
    tenant would reach the other one under an address of neither."""
    rules = [
        nft.Rule(nft.drop(), (nft.in_interface(bridge(tenant)), nft.source(half, negate=True)), "not its tenant's")
        for tenant in TENANTS
        for half in halves(host, tenant)
        if half.version in versions
    ]
    return nft.Chain("forward", tuple(rules), hook="forward")


def _routes(allocation: Allocation, gateways: Sequence[Address]) -> list[netlink.Request]:
    """Default routes to the tenant's bridge."""
    del gateways
    return default_routes(allocation, [one.ip for one in gate(allocation.host, allocation.tenant)])


def _between(*ends: nft.Match) -> nft.Rule:
    return nft.Rule(nft.drop(), ends, "between tenants")


def bridge(tenant: str) -> str:
    """The name of a tenant's bridge."""
    return f"br-{tenant}"


def halves(host: Host, tenant: str) -> tuple[IPv4Network, IPv6Network]:
    """A tenant's half of the host's prefixes."""
    place = TENANTS.index(tenant)
    return list(host.workload_ipv4.subnets())[place], list(host.workload_ipv6.subnets())[place]


def gate(host: Host, tenant: str) -> tuple[IPv4Interface, IPv6Interface]:
    """The addresses of a tenant's bridge."""
    four, six = halves(host, tenant)
    return IPv4Interface((four[1], four.prefixlen)), IPv6Interface((six[1], six.prefixlen))
