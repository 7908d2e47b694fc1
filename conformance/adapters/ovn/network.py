"""Logical switches over two hosts: the underlay's segments behind localnet ports, and tenants' networks in Geneve."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from conformance.adapters.interface import Address
from conformance.adapters.interface.powers import Explaining, Filtering, Restarting
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.flat_bridge import hand_over
from conformance.adapters.linux.macvlan_tenants import TenantBooks
from conformance.adapters.linux.network import INTERFACE, Allocation, Design, Network, cable, default_routes, unplug
from conformance.adapters.linux.pool import Pool, on_segments
from conformance.adapters.linux.tenants import TENANTS
from conformance.adapters.openvswitch.daemons import Switch
from conformance.adapters.openvswitch.daemons import start as start_switch
from conformance.adapters.ovn.acls import commands, members
from conformance.adapters.ovn.daemons import SOUTHBOUND, Central, Controller
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local
from conformance.lab.snapshot import interfaces
from conformance.policy.document import Labels, Policy

INTEGRATION: Final = "br-int"
PHYSICAL: Final = "physical"
"""What the bridge with the uplink is called in OVN's own terms."""
ROOM: Final = 58
"""Bytes that Geneve over IPv4 takes with the one option that OVN sends: 14 + 8 + 8 + 8 + 20 (RFC 8926 §3)."""


STEPS: Final = (
    "Open vSwitch on each host, userspace datapath; a bridge that takes over the uplink's addresses, and br-int",
    "on the first host ovsdb-server with OVN's databases and ovn-northd, on each host ovn-controller (Geneve)",
    "a logical switch with a localnet port for each segment, one in Geneve for each tenant",
    "per endpoint: veth into br-int, a logical port with its addresses as port security",
    "the policy as ACLs of port groups, in one transaction that every controller has applied",
)


class OvnNetwork(Network):
    """Endpoints without a tenant are on the segment; those of a tenant are on a logical switch of its own."""

    powers: tuple[type, ...] = (Explaining, Filtering, Restarting)

    def __init__(self, lab: Lab, resources: ExitStack) -> None:
        self._resources = resources
        self._ports: dict[str, Labels] = {}
        self._policy: Policy | None = None
        self._changes = threading.Lock()
        self._tenant_pools = TenantBooks(lab)
        self._segment_pools = on_segments(lab)
        design = Design(
            allocations=self._allocations,
            start=self._start,
            connect=self._connect,
            disconnect=self._disconnect,
            mtu=lambda host: host.mtu - ROOM,  # what both kinds of networks bear
            routes=_segment_routes,
        )
        super().__init__(lab, design)

    def _allocations(self, host: Host, tenant: str, version: int) -> Pool:
        """A tenant's own addresses, the same prefix for each, or the segment's."""
        return (
            self._tenant_pools.allocations_of(tenant, version) if tenant else self._segment_pools(host, tenant, version)
        )

    # --- the hosts ----------------------------------------------------------------------------------------------
    def _start(self) -> None:
        """Switches, databases, controllers, and the logical switches. Raises AdapterError."""
        link.compute_checksums(self.lab.client.namespace, self.lab.client.uplink)
        hosts = list(self.lab.hosts.values())
        self._switches = {host.name: self._switch(host, hosts[0]) for host in hosts}
        self._central = Central(hosts[0], self._resources)
        self._controllers = {host.name: Controller(host, self._resources) for host in hosts}
        for controller in self._controllers.values():
            self._central.await_chassis(controller)
        made: list[Sequence[str]] = [["ls-add", tenant] for tenant in TENANTS]
        for segment in sorted({host.station.segment for host in hosts}):
            port = f"{segment}-uplink"
            made += [
                ["ls-add", segment],
                ["lsp-add", segment, port],
                ["lsp-set-type", port, "localnet"],
                ["lsp-set-addresses", port, "unknown"],
                ["lsp-set-options", port, f"network_name={PHYSICAL}"],
            ]
        self._central.configure(*made)

    def _switch(self, host: Host, central: Host) -> Switch:
        switch = start_switch(host, self._resources)
        mac = next(one.mac for one in interfaces(host.namespace) if one.name == host.uplink)
        timers = {
            "system-id": host.name,
            "ovn-remote": f"tcp:{central.ipv4.ip}:{SOUTHBOUND}",
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": str(host.ipv4.ip),
            "ovn-bridge-mappings": f"{PHYSICAL}:{BRIDGE}",
            "ovn-bridge-datapath-type": "netdev",
            "ovn-monitor-all": "true",
        }
        switch.configure(
            ["add-br", BRIDGE],
            ["set", "bridge", BRIDGE, "datapath_type=netdev", f"other-config:hwaddr={mac}"],
            ["add-port", BRIDGE, host.uplink],
            ["add-br", INTEGRATION],
            ["set", "bridge", INTEGRATION, "datapath_type=netdev", "fail_mode=secure"],
            ["set", "Open_vSwitch", ".", *(f'external-ids:{key}="{value}"' for key, value in timers.items())],
        )
        hand_over(self.lab, host, mac)
        return switch

    # --- what a scenario asks ---------------------------------------------------------------------------------
    def apply(self, policy: Policy) -> None:
        """Replace port groups and ACLs. Raises AdapterError."""
        with self._changes:
            self._central.configure(*commands(policy, self._ports))
            self._policy = policy

    def restart(self, host: Host) -> None:
        """Open vSwitch's daemons and ovn-controller; endpoints' ports are in their database. Raises AdapterError."""
        with self._changes:
            self._controllers[host.name].stop()
            self._switches[host.name].restart()
            self._controllers[host.name].start()
            self._central.configure(["sync"])

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The flows that the controller made, what the tunnels are, and what the switch makes of fragments."""
        switch = self._switches[host.name]
        flows = [{"kind": "rule", "flow": line} for line in switch.flows(INTEGRATION)]
        tunnels, fragments = (
            switch.ask(what).splitlines() for what in ("ofproto/list-tunnels", "dpctl/ipf-get-status")
        )
        return {"rules": flows, "tunnels": tunnels, "fragments": fragments}

    # --- how an endpoint is cabled ----------------------------------------------------------------------------
    def _connect(self, allocation: Allocation) -> None:
        """The logical port is known before there is anything to bind to it."""
        own = (*(str(one.ip) for one in allocation.addresses), str(link_local(allocation.mac).ip))
        timers = " ".join((allocation.mac, *own))
        with self._changes:
            self._ports[allocation.name] = allocation.labels
            self._central.configure(
                ["lsp-add", allocation.tenant or allocation.host.station.segment, allocation.name],
                ["lsp-set-addresses", allocation.name, timers],
                ["lsp-set-port-security", allocation.name, timers],
            )
            self._group()
        netlink.transact(allocation.host.namespace, [cable(allocation)])
        netlink.transact(allocation.host.namespace, [rtnetlink.quiet(allocation.port), rtnetlink.up(allocation.port)])
        link.compute_checksums(allocation.namespace, INTERFACE)
        self._switches[allocation.host.name].configure(
            ["add-port", INTEGRATION, allocation.port],
            ["set", "interface", allocation.port, f"external-ids:iface-id={allocation.name}"],
        )
        self._central.await_port(allocation.name)
        self._central.configure(["sync"])

    def _disconnect(self, allocation: Allocation) -> None:
        """Its port first, then what was known of it."""
        self._switches[allocation.host.name].configure(["--if-exists", "del-port", INTEGRATION, allocation.port])
        unplug(allocation)
        with self._changes:
            self._ports.pop(allocation.name, None)
            self._group()
            self._central.configure(["--if-exists", "lsp-del", allocation.name])

    def _group(self) -> None:
        """Put every port into its groups, once the database has it: ovn-nbctl finds none that is of the same
        transaction."""
        if self._policy is not None:
            groups = members(self._policy, self._ports).items()
            self._central.configure(
                *(
                    ["pg-set-ports", group, *names] if names else ["clear", "Port_Group", group, "ports"]
                    for group, names in groups
                )
            )


def _segment_routes(allocation: Allocation, gateways: Sequence[Address]) -> list[netlink.Request]:
    """Default routes on the segment only."""
    return [] if allocation.tenant else default_routes(allocation, gateways)
