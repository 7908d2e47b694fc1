"""macvlan-tenants: a VXLAN segment for each tenant, which is the parent of its endpoints' macvlan interfaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from conformance.adapters.linux.macvlan import put_on
from conformance.adapters.linux.network import INTERFACE, Allocation, Design
from conformance.adapters.linux.pool import Pool
from conformance.adapters.linux.tenants import TENANTS, check_tenant
from conformance.adapters.linux.vxlan import overlay, replication, room_for, tunnel
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab

FIRST_VNI: Final = 101


class TenantBooks:
    """Who has which address of the overlay, for each tenant apart: both may give out the same.

    Unasked each gives out those of its own half, so that two tenants differ where nobody wants them to be the same.
    """

    def __init__(self, lab: Lab) -> None:
        prefixes = lab.testbed.overlay
        self._pools: dict[tuple[str, int], Pool] = {}
        for place, tenant in enumerate(TENANTS):
            self._pools[tenant, 4] = Pool.part_of(prefixes.ipv4, list(prefixes.ipv4.subnets())[place])
            self._pools[tenant, 6] = Pool.part_of(prefixes.ipv6, list(prefixes.ipv6.subnets())[place])

    def allocations_of(self, tenant: str, version: int) -> Pool:
        """The addresses of one tenant. Raises AdapterError for a tenant that there is not."""
        check_tenant(tenant)
        return self._pools[tenant, version]


def make_segments(lab: Lab, count: int) -> None:
    """On every host a VXLAN interface for each of so many tenants, and its replication list."""
    mtu = room_for(lab)
    for host in lab.hosts.values():
        for vni in range(FIRST_VNI, FIRST_VNI + count):
            name = interface(vni)
            netlink.transact(host.namespace, [tunnel(name, host, vni=vni, mtu=mtu), rtnetlink.quiet(name)])
            netlink.transact(host.namespace, [rtnetlink.up(name), *replication(lab, host, name)])


def interface(vni: int) -> str:
    """The name of a segment's interface."""
    return f"vx-{vni}"


STEPS: Final = (
    "per tenant on each host: a VXLAN interface (VNIs from 101, no learning), without addresses of the host's",
    "static FDB of it: flooded frames to every other host, each endpoint's MAC to its host",
    f"per endpoint: macvlan (bridge mode) {INTERFACE} on its tenant's VXLAN interface, addresses of the overlay",
)


def segment_of(host: Host, tenant: str) -> int:
    """The VNI of a tenant's segment: the same on every host."""
    del host
    return FIRST_VNI + TENANTS.index(tenant)


def macvlan_tenants(lab: Lab, vni: Callable[[Host, str], int] = segment_of) -> Design:
    """Each tenant is one link over all hosts, with addresses of its own; nothing is routed into or out of it."""
    books = TenantBooks(lab)

    def parent(allocation: Allocation) -> str:
        """The interface that a tenant's endpoints on a host share."""
        return interface(vni(allocation.host, allocation.tenant))

    cabled = Design(
        allocations=lambda _, tenant, version: books.allocations_of(tenant, version),
        start=lambda: make_segments(lab, len(TENANTS)),
        connect=lambda allocation: put_on(parent(allocation), allocation),
    )
    return overlay(lab, parent, cabled)
