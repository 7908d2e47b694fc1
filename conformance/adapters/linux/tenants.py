"""tenant-bridges: a bridge for each tenant on each host, the host as everybody's gateway, nothing between tenants."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from itertools import product
from typing import ClassVar, Final

from conformance.adapters.interface import AdapterError, Address, Attachment, Endpoint, Interface
from conformance.adapters.linux.network import INTERFACE, Allocation, Network, mac_of
from conformance.adapters.linux.pool import Pool
from conformance.lab import nftables as nft
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, link_local

TENANTS: Final = ("red", "blue")


class TenantBridges(Network):
    """Each tenant has half of the host's prefixes. What one tenant's bridge sends to another's is dropped."""

    steps = (
        "per tenant on each host: a bridge with the first addresses of its half of the host's workload prefixes",
        "net.ipv4.ip_forward = 1, net.ipv6.conf.all.forwarding = 1; nftables: drop what one bridge sends to another",
        "per endpoint: veth from its tenant's bridge to eth0, addresses of that half, default routes to the bridge",
    )
    separated: ClassVar[tuple[int, ...]] = (4, 6)
    """IP versions between whose tenants nothing is forwarded."""

    def pool(self, host: Host, version: int) -> Pool:
        """The whole of the host's prefix: which half an endpoint is of, its tenant says."""
        prefix = host.workload_ipv4 if version == 4 else host.workload_ipv6
        return Pool.of(prefix, prefix.prefixlen + 1)

    def start(self) -> None:
        """Bridges, forwarding and the rule between tenants, on every host."""
        for host in self.lab.hosts.values():
            self._free = {**getattr(self, "_free", {}), **{(host.name, one): 1 for one in TENANTS}}
            for tenant in TENANTS:
                mac = mac_of(f"{host.name} {bridge(tenant)}")
                made = rtnetlink.link(bridge(tenant), "bridge", mtu=host.mtu, mac=mac)
                own = [
                    rtnetlink.address(bridge(tenant), one, dad=False) for one in (link_local(mac), *gate(host, tenant))
                ]
                netlink.transact(host.namespace, [made])
                netlink.transact(host.namespace, [*own, rtnetlink.up(bridge(tenant))])
            host.namespace.sysctl("net.ipv4.ip_forward", 1)
            host.namespace.sysctl("net.ipv6.conf.all.forwarding", 1)
            nft.install(host.namespace, nft.Table("inet", "tenants", (self.between(),)))

    def between(self) -> nft.Chain:
        """What is not forwarded: from a bridge of the host to another, and what comes in from another tenant's half."""
        rules = []
        for host, far in product(self.lab.hosts.values(), repeat=2):
            for own, stranger in (TENANTS, TENANTS[::-1]):
                (four, six), (other_four, other_six) = halves(host, own), halves(far, stranger)
                if 4 in self.separated:
                    rules.append(_between(nft.source(four), nft.destination(other_four)))
                if 6 in self.separated:
                    rules.append(_between(nft.source(six), nft.destination(other_six)))
        return nft.Chain("forward", tuple(rules), hook="forward")

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach to the tenant's bridge, at the next addresses of its half."""
        if request.tenant not in TENANTS:
            raise AdapterError(f"{request.name}: there is no tenant {request.tenant!r}; there are {', '.join(TENANTS)}")
        with self._lock:
            self._free[host.name, request.tenant] += 1
            number = self._free[host.name, request.tenant]
        four, six = halves(host, request.tenant)
        wishes: tuple[Interface, ...] = (
            IPv4Interface((four[number], four.prefixlen)),
            IPv6Interface((six[number], six.prefixlen)),
        )
        labels = {**request.labels, "tenant": request.tenant}
        return super().attach(host, replace(request, addresses=wishes, labels=labels))

    def connect(self, allocation: Allocation) -> None:
        """A veth cable into the tenant's bridge."""
        cable = rtnetlink.veth(
            allocation.port, INTERFACE, allocation.namespace.descriptor, mtu=allocation.mtu, far_mac=allocation.mac
        )
        netlink.transact(allocation.host.namespace, [cable])
        port = [
            rtnetlink.quiet(allocation.port),
            rtnetlink.up(allocation.port, master=bridge(allocation.labels["tenant"])),
        ]
        netlink.transact(allocation.host.namespace, port)

    def await_connection(self, allocation: Allocation) -> None:
        """Until the kernel has noticed the carrier of the bridge's port."""
        link.await_link(allocation.host.namespace, allocation.port)

    def routes(self, allocation: Allocation) -> list[netlink.Request]:
        """Default routes to the tenant's bridge."""
        gates = (str(one.ip) for one in gate(allocation.host, allocation.labels["tenant"]))
        return [rtnetlink.route(link.everything(one), via=one, link=INTERFACE) for one in gates]

    def gateways(self, host: Host) -> tuple[Address, ...]:
        """Not told: they differ from tenant to tenant."""
        del host
        return ()


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
