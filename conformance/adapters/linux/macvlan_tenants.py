"""macvlan-tenants: a VXLAN segment for each tenant, which is the parent of its endpoints' macvlan interfaces."""

from __future__ import annotations

from typing import ClassVar, Final

from conformance.adapters.interface import AdapterError, Attachment, Endpoint
from conformance.adapters.linux.macvlan import BRIDGE_MODE
from conformance.adapters.linux.network import INTERFACE, Allocation
from conformance.adapters.linux.pool import Pool
from conformance.adapters.linux.tenants import TENANTS
from conformance.adapters.linux.vxlan import Overlay, replication, room_for, tunnel
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab

FIRST_VNI: Final = 101


class TenantBooks:
    """Who has which address of the overlay, for each tenant apart: both may give out the same.

    Unasked each gives out those of its own half, so that two tenants differ where nobody wants them to be the same.
    """

    def __init__(self, lab: Lab) -> None:
        overlay = lab.testbed.overlay
        self._pools: dict[tuple[str, int], Pool] = {}
        for place, tenant in enumerate(TENANTS):
            self._pools[tenant, 4] = Pool.part_of(overlay.ipv4, list(overlay.ipv4.subnets())[place])
            self._pools[tenant, 6] = Pool.part_of(overlay.ipv6, list(overlay.ipv6.subnets())[place])

    def allocations_of(self, tenant: str, version: int) -> Pool:
        """The addresses of one tenant."""
        return self._pools[tenant, version]


def known_tenant(request: Attachment) -> None:
    """Raises AdapterError for a tenant that there is not."""
    if request.tenant not in TENANTS:
        raise AdapterError(f"{request.name}: there is no tenant {request.tenant!r}; there are {', '.join(TENANTS)}")


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


class MacvlanTenants(Overlay):
    """Each tenant is one link over all hosts, with addresses of its own; nothing is routed into or out of it."""

    steps: ClassVar[tuple[str, ...]] = (
        "per tenant on each host: a VXLAN interface (VNIs from 101, no learning), without addresses of the host's",
        "static FDB of it: flooded frames to every other host, each endpoint's MAC to its host",
        f"per endpoint: macvlan (bridge mode) {INTERFACE} on its tenant's VXLAN interface, addresses of the overlay",
    )

    def __init__(self, lab: Lab) -> None:
        self._tenant_pools = TenantBooks(lab)
        super().__init__(lab)

    def pool(self, host: Host, version: int) -> Pool:
        """None is of the host's own."""
        return Pool.on_segment(host, version)

    def allocations_of(self, host: Host, tenant: str, version: int) -> Pool:
        """The tenant's own."""
        del host
        return self._tenant_pools.allocations_of(tenant, version)

    def vni(self, host: Host, tenant: str) -> int:
        """The segment of a tenant: the same on every host."""
        del host
        return FIRST_VNI + TENANTS.index(tenant)

    def parent(self, host: Host, tenant: str) -> str:
        """The interface that a tenant's endpoints on a host share."""
        return interface(self.vni(host, tenant))

    def tunnel_of(self, allocation: Allocation) -> str:
        """That of its tenant."""
        return self.parent(allocation.host, allocation.tenant)

    def start(self) -> None:
        """The tenants' tunnels and their replication lists, on every host."""
        make_segments(self.lab, len(TENANTS))

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """On the interface of its tenant."""
        known_tenant(request)
        return super().attach(host, request)

    def connect(self, allocation: Allocation) -> None:
        """The interface is made straight in the endpoint's namespace; the other hosts are told where it is."""
        made = rtnetlink.link(
            INTERFACE, "macvlan", data=BRIDGE_MODE, mtu=allocation.mtu, mac=allocation.mac,
            parent=self.parent(allocation.host, allocation.tenant), descriptor=allocation.namespace.descriptor,
        )  # fmt: skip
        netlink.transact(allocation.host.namespace, [made])
        self.tell(allocation)
