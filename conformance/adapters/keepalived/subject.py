"""Addresses that keepalived moves: each endpoint is a virtual router, with a node on every host of its segment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Interface, Reported
from conformance.adapters.interface.powers import Explaining, MoveKind, Moving
from conformance.adapters.keepalived.configuration import Role, Settings, configuration
from conformance.adapters.keepalived.node import RouterNode
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.network import INTERFACE, Allocation, Network, mac_of, refusals
from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab

FIRST, OTHER = 150, 100
"""Priorities (RFC 5798 §6.1): of the node that is to begin as the master, and of the others."""


@dataclass(slots=True)
class Router:
    """The virtual router of one endpoint: its nodes by host, the master's host, and the addresses that it moves."""

    nodes: dict[str, RouterNode]
    master: str
    addresses: tuple[Interface, ...]
    own: dict[str, Interface]
    cables: dict[str, Allocation]


class Keepalived(Network):
    """Virtual routers on the underlay's own segment. Nodes are stations with an address that is theirs alone."""

    powers: tuple[type, ...] = (Explaining, Moving)
    moves: tuple[MoveKind, ...] = ("failover", "crash")

    def __init__(self, lab: Lab, program: str, settings: Settings) -> None:
        super().__init__(lab, replace(flat_bridge(lab), close=self._close))
        self._program = program
        self._settings = settings
        self._routers: dict[str, Router] = {}
        self._places: dict[tuple[str, str], Namespace] = {}
        self._count = 0
        self._guard = threading.Lock()

    def prepare(self, host: Host, name: str) -> Namespace:
        """The node of the endpoint on `host`, empty."""
        with self._guard:
            if (host.name, name) not in self._places:
                known = any(other == name for _, other in self._places)
                called = f"{name}@{host.name}" if known else name
                self._places[host.name, name] = self.lab.namespace(called, mounts=True)
            return self._places[host.name, name]

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Start the node on `host`, then, when it is the master, those on the other hosts. Raises AdapterError."""
        if request.peer:
            return super().attach(host, request)
        if request.publish:
            raise AdapterError(f"{request.name}: keepalived publishes no ports")
        addresses = self.take(host, request)
        with self._guard:
            self._count += 1
            number = self._count
        router = Router({}, host.name, addresses, {}, {})
        self._routers[request.name] = router
        with refusals(request.name):
            for place in self._hosts(host):
                self._add_node(router, place, request.name, number)
        self._begin(router)
        namespace, mac = router.nodes[host.name].namespace, _mac(request.name, host)
        gateways = tuple(one for one in self.design.gateways(host) if one.version in {a.version for a in addresses})
        reported = Reported(addresses, mac, None, gateways)
        return Endpoint(request.name, host.name, namespace, INTERFACE, reported)

    def _hosts(self, host: Host) -> list[Host]:
        """This host first, then the others of its segment: VRRP goes no further than a link."""
        mates = [other for other in self.lab.hosts.values() if other.station.segment == host.station.segment]
        return sorted(mates, key=lambda other: other is not host)

    def _add_node(self, router: Router, host: Host, name: str, number: int) -> None:
        """Cable a node into the host's bridge, with an address for VRRP to be sent from. It is a router."""
        namespace = self.prepare(host, name)
        for key in ("net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding"):
            namespace.sysctl(key, 1)
        own = router.own[host.name] = self.design.allocations(host, "", 4).take()
        allocation = Allocation(name, host, namespace, f"vr{number}", _mac(name, host), (own,), host.mtu)
        router.cables[host.name] = allocation
        self.design.connect(allocation)
        netlink.transact(namespace, [rtnetlink.up(INTERFACE)])
        self.design.await_connection(allocation)
        single = rtnetlink.single(own.ip)
        netlink.transact(namespace, [rtnetlink.address(INTERFACE, single, scope=rtnetlink.LINK_SCOPE)])
        node = RouterNode(host, name, namespace, host.folder, self.lab.logs / f"{host.name}-{name}-keepalived.log")
        priority = FIRST if host.name == router.master else OTHER
        role = Role((number - 1) % 255 + 1, priority, node.fifo)
        node.configure(configuration(role, INTERFACE, router.addresses, self.design.gateways(host), self._settings))
        router.nodes[host.name] = node

    def _begin(self, router: Router) -> None:
        first, *others = router.nodes.values()
        first.start(self._program)
        first.await_state("MASTER", limits.DAEMON_START)
        for node in others:
            node.start(self._program)
        for node in others:
            node.await_state("BACKUP", limits.DAEMON_START)

    def detach(self, endpoint: Endpoint) -> None:
        """End keepalived on every node, which takes the addresses away, and the nodes' interfaces."""
        router = self._routers.pop(endpoint.name)
        self.give_back(self.lab.hosts[endpoint.host], router.addresses)
        for name, node in router.nodes.items():
            node.close()
            with refusals(endpoint.name):
                if name in router.cables:
                    self.design.disconnect(router.cables[name])
            self.give_back(self.lab.hosts[name], [router.own[name]])

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace | None:
        """The node that waits there as a backup; None where there is none."""
        del kind
        node = self._routers[endpoint.name].nodes.get(to.name)
        return None if node is None else node.namespace

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """End keepalived on the master's node, as for its maintenance, then it starts again, as a backup; for a crash
        the node loses its cable and everything on it, and stays away.

        Raises AdapterError, also where `to` is not on the same link.
        """
        router = self._routers[endpoint.name]
        if kind not in self.moves or to.name not in router.nodes or to.name == router.master:
            raise AdapterError(f"{endpoint.name}: VRRP does not move it to {to.name} by {kind}")
        old, new = router.nodes[router.master], router.nodes[to.name]
        if kind == "crash":
            with refusals(endpoint.name):
                self.design.disconnect(router.cables.pop(router.master))
            old.kill()
        else:
            old.stop()
        new.await_state("MASTER", limits.DAEMON_START)
        router.master = to.name
        if kind != "crash":
            old.start(self._program)
        reported = replace(endpoint.reported, mac=_mac(endpoint.name, to))
        return replace(endpoint, host=to.name, namespace=new.namespace, reported=reported)

    def explain(self, host: Host) -> Mapping[str, object]:
        """Who is master, as its own notification said."""
        del host
        return {"keepalived": {name: router.master for name, router in sorted(self._routers.items())}}

    def _close(self) -> None:
        """End every keepalived."""
        for router in self._routers.values():
            for node in router.nodes.values():
                node.close()


def _mac(name: str, host: Host) -> str:
    return mac_of(f"{name} on {host.name}")
