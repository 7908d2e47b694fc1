"""Endpoints on the segment behind a bridge of Open vSwitch on each host, governed by flows.

The bridge takes over the uplink's address and routes. Checksums are computed where packets are made, since the
userspace datapath hands on what it reads.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from conformance.adapters.interface import AdapterError, Attachment, Endpoint
from conformance.adapters.interface.powers import Explaining, Filtering, Restarting
from conformance.adapters.linux.bridges import BRIDGE, await_port
from conformance.adapters.linux.flat_bridge import hand_over, uplink_mac
from conformance.adapters.linux.network import INTERFACE, Allocation, Design, Network, cable, unplug
from conformance.adapters.linux.pool import on_segments
from conformance.adapters.openvswitch.daemons import Switch
from conformance.adapters.openvswitch.flows import Member, flows
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local
from conformance.policy.document import Policy

UPLINK_PORT: Final = 1
FIRST_PORT: Final = 10
TAGS: Final[Mapping[str, int]] = {"red": 10, "blue": 20}
"""VLAN of each tenant; without a tenant an endpoint is in none."""


STEPS: Final = (
    "ovsdb-server and ovs-vswitchd in the foreground on each host, with their state in the host's own /run",
    f"bridge {BRIDGE} on each host, userspace datapath; it takes over the uplink's addresses",
    "per endpoint: veth into the bridge, in its tenant's VLAN; flows for what its port may send",
    "the policy as flows on every host, replaced in one bundle",
)


class GovernedSegment(Network):
    """The flat design, with Open vSwitch as its bridge."""

    powers: tuple[type, ...] = (Explaining, Filtering, Restarting)

    def __init__(self, lab: Lab, switches: Mapping[str, Switch], fail_mode: str) -> None:
        self._switches = switches
        self._fail_mode = fail_mode
        self._policy: Policy | None = None
        self._members: dict[str, tuple[str, Member]] = {}
        self._ports = itertools.count(FIRST_PORT)
        self._changes = threading.Lock()
        design = Design(
            allocations=on_segments(lab),
            start=self._start,
            connect=self._connect,
            await_connection=await_port,
            disconnect=self._disconnect,
        )
        super().__init__(lab, design)

    def _start(self) -> None:
        """A bridge with the uplink on every host, and its flows. Raises AdapterError."""
        link.compute_checksums(self.lab.client.namespace, self.lab.client.uplink)
        for host in self.lab.hosts.values():
            self._bridge(host)
        self._enforce()

    def _bridge(self, host: Host) -> None:
        mac = uplink_mac(host)
        settings = ("datapath_type=netdev", f"fail_mode={self._fail_mode}", f"other-config:hwaddr={mac}")
        self._switches[host.name].configure(
            ["add-br", BRIDGE],
            ["set", "bridge", BRIDGE, *settings],
            ["add-port", BRIDGE, host.uplink],
            ["set", "interface", host.uplink, f"ofport_request={UPLINK_PORT}"],
        )
        hand_over(self.lab, host, mac)

    # --- what a scenario asks ---------------------------------------------------------------------------------
    def apply(self, policy: Policy) -> None:
        """Replace the flows of every host. Raises AdapterError."""
        with self._changes:
            self._policy = policy
            self._enforce()

    def restart(self, host: Host) -> None:
        """The daemons on the same database, then the flows, which are in none. The bridge's own interface outlives
        them, with the host's addresses. Raises AdapterError."""
        with self._changes:
            self._switches[host.name].restart()
            self._enforce()

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Into the VLAN of its tenant, if it has one."""
        if request.tenant and request.tenant not in TAGS:
            raise AdapterError(f"{request.name}: there is no tenant {request.tenant!r}; there are {', '.join(TAGS)}")
        labels = {**request.labels, **({"tenant": request.tenant} if request.tenant else {})}
        return super().attach(host, replace(request, labels=labels))

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The flows as the switch shows them, and what it makes of fragments."""
        switch = self._switches[host.name]
        dumped = switch.flows(BRIDGE)
        fragments = switch.ask("dpctl/ipf-get-status").splitlines()
        return {"rules": [{"kind": "rule", "flow": line} for line in dumped], "fragments": fragments}

    # --- how an endpoint is cabled ----------------------------------------------------------------------------
    def _connect(self, allocation: Allocation) -> None:
        """Every host knows the endpoint before its port is in the bridge."""
        number = next(self._ports)
        own = (*(one.ip for one in allocation.addresses), link_local(allocation.mac).ip)
        with self._changes:
            self._members[allocation.name] = (
                allocation.host.name,
                Member(number, allocation.mac, own, allocation.labels),
            )
            self._enforce()
        netlink.transact(allocation.host.namespace, [cable(allocation)])
        netlink.transact(allocation.host.namespace, [rtnetlink.quiet(allocation.port), rtnetlink.up(allocation.port)])
        link.compute_checksums(allocation.namespace, INTERFACE)
        tag = TAGS.get(allocation.labels.get("tenant", ""))
        self._switches[allocation.host.name].configure(
            ["add-port", BRIDGE, allocation.port, *([f"tag={tag}"] if tag else [])],
            ["set", "interface", allocation.port, f"ofport_request={number}"],
        )

    def _disconnect(self, allocation: Allocation) -> None:
        """Its port first, then what was known of it."""
        self._switches[allocation.host.name].configure(["del-port", BRIDGE, allocation.port])
        unplug(allocation)
        with self._changes:
            self._members.pop(allocation.name, None)
            self._enforce()

    def _enforce(self) -> None:
        for name, switch in self._switches.items():
            known = [one if place == name else replace(one, port=0) for place, one in self._members.values()]
            switch.replace_flows(BRIDGE, list(flows(self._policy, known)))
