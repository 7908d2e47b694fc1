"""The lab: the stations of a testbed as namespaces, cabled to a top-of-rack that is not the implementation's."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from itertools import islice
from pathlib import Path
from typing import Any, Self

from conformance.lab import link
from conformance.lab.namespace import Namespace
from conformance.lab.process import Daemon
from conformance.lab.sysctls import pin
from conformance.testbed import HostStation, Station, Testbed

UPLINK = "eth0"


def documentation_mac(number: int) -> str:
    """The `number`-th (0..255) unicast MAC address reserved for documentation (RFC 7042 §2.1.2)."""
    return f"00:00:5e:00:53:{number:02x}"


class Node:
    """A station of the lab: a namespace with an uplink into one segment."""

    def __init__(self, name: str, namespace: Namespace, station: Station, testbed: Testbed, logs: Path) -> None:
        segment = testbed.segments[station.segment]
        self.name = name
        self.namespace = namespace
        self.station = station
        self.uplink = UPLINK
        self.mtu = testbed.segment_mtu(station.segment)
        self.ipv4 = IPv4Interface((station.ipv4, segment.ipv4.prefixlen))
        self.ipv6 = IPv6Interface((station.ipv6, segment.ipv6.prefixlen))
        self.gateway_ipv4 = segment.router_ipv4
        self.gateway_ipv6 = segment.router_ipv6
        self.logs = logs
        self.sysctls: Mapping[str, str] = {}

    def run(
        self, command: Sequence[str], *, timeout: float, text: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on this station to its end (see Namespace.run)."""
        return self.namespace.run(command, timeout=timeout, text=text, environment=environment)

    def start(self, command: Sequence[str], *, log: str, environment: Mapping[str, str] | None = None) -> Daemon:
        """Start a daemon in the foreground; its output is kept in the recording as ``logs/STATION-LOG.log``."""
        return self.namespace.start(command, self.logs / f"{self.name}-{log}.log", environment=environment)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this station."""
        return self.namespace.socket(family, kind, protocol)

    def netlink(self, method: str, *arguments: Any, **named: Any) -> list[Any]:
        """One rtnetlink request on this station (see Namespace.netlink)."""
        return self.namespace.netlink(method, *arguments, **named)


class Host(Node):
    """A host that the implementation runs on."""

    station: HostStation

    def __init__(
        self, name: str, namespace: Namespace, station: HostStation, testbed: Testbed, logs: Path, folder: Path
    ) -> None:
        super().__init__(name, namespace, station, testbed, logs)
        self.workload_ipv4 = station.workload_ipv4
        self.workload_ipv6 = station.workload_ipv6
        self.pool_ipv4 = station.pool_ipv4
        self.pool_ipv6 = station.pool_ipv6
        self.folder = folder
        self._pools: dict[tuple[str, int], Iterator[Any]] = {}

    def next_pool_address(self, version: int) -> IPv4Interface | IPv6Interface:
        """The next free address of the segment for an endpoint that lives on the segment itself."""
        network = self.pool_ipv4 if version == 4 else self.pool_ipv6
        length = (self.ipv4 if version == 4 else self.ipv6).network.prefixlen
        pool = self._pools.setdefault(("pool", version), islice(network.hosts(), 0, None))
        return ip_interface(f"{next(pool)}/{length}")


class Lab:
    """The stations of one testbed, ready to send. Make it inside a sandbox; use it as a context manager."""

    def __init__(self, testbed: Testbed, folder: Path) -> None:
        self.testbed = testbed
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._resources = ExitStack()
        self.hosts: dict[str, Host] = {}
        try:
            self._build()
        except BaseException:
            self._resources.close()
            raise

    def namespace(self, name: str, *, mounts: bool = False) -> Namespace:
        """A further namespace of the lab (for an endpoint), with pinned sysctls and loopback up, closed with the lab."""
        namespace = self._resources.enter_context(Namespace.create(name, mounts=mounts))
        pin(namespace)
        link.change(namespace, "lo", state="up")
        return namespace

    def keep(self, namespace: Namespace) -> Namespace:
        """Close an adopted namespace with the lab."""
        return self._resources.enter_context(namespace)

    def _build(self) -> None:
        self.rack = self.namespace("rack")
        for number, name in enumerate(self.testbed.segments):
            link.add(
                self.rack, name, "bridge", address=documentation_mac(0xF0 + number), mtu=self.testbed.segment_mtu(name),
                br_mcast_snooping=0,
            )  # fmt: skip
            link.quiet(self.rack, name)
            link.change(self.rack, name, state="up")
        self.router = self._router() if self.testbed.routed else None
        for number, (name, station) in enumerate(self.testbed.hosts.items(), start=1):
            folder = self.folder / name
            folder.mkdir(exist_ok=True)
            namespace = self.namespace(name, mounts=True)
            host = Host(name, namespace, station, self.testbed, self.logs, folder)
            self._connect(host, number)
            self.hosts[name] = host
        self.client = Node("client", self.namespace("client"), self.testbed.client, self.testbed, self.logs)
        self._connect(self.client, 0x0C)
        self._route()
        if not self.testbed.underlay.multicast:
            from conformance.lab.nftables import block_underlay_multicast

            block_underlay_multicast(self.rack)

    def _router(self) -> Namespace:
        router = self.namespace("router")
        router.sysctl("net.ipv4.ip_forward", 1)
        router.sysctl("net.ipv6.conf.all.forwarding", 1)
        for number, (name, segment) in enumerate(self.testbed.segments.items()):
            self.plug(router, name, name, "router", mac=documentation_mac(0xE0 + number))
            assert segment.router_ipv4 and segment.router_ipv6
            link.address(router, name, IPv4Interface((segment.router_ipv4, segment.ipv4.prefixlen)))
            link.address(router, name, IPv6Interface((segment.router_ipv6, segment.ipv6.prefixlen)), dad=False)
        return router

    def plug(self, namespace: Namespace, interface: str, segment: str, port: str, *, mac: str | None = None) -> None:
        """Cable `interface` of a namespace to a new port ``port.segment`` of the top-of-rack; both ends are up."""
        mtu = self.testbed.segment_mtu(segment)
        rack_port = f"{port}.{segment}"[:15]
        link.veth(self.rack, rack_port, namespace, interface, mtu=mtu, far_mac=mac)
        link.quiet(self.rack, rack_port)
        link.change(self.rack, rack_port, master=link.index(self.rack, segment), state="up")
        link.change(namespace, interface, state="up")

    def _connect(self, node: Node, number: int) -> None:
        self.plug(node.namespace, UPLINK, node.station.segment, node.name, mac=documentation_mac(number))
        link.address(node.namespace, UPLINK, node.ipv4)
        link.address(node.namespace, UPLINK, node.ipv6, dad=False)

    def _route(self) -> None:
        """Ordinary routes: everybody reaches every host's workload prefixes through that host."""
        for node in [*self.hosts.values(), self.client]:
            for gateway in (node.gateway_ipv4, node.gateway_ipv6):
                if gateway is not None:
                    link.default_route(node.namespace, str(gateway))
        for host in self.hosts.values():
            if self.router is not None:
                users = [self.router]
            else:
                users = [n.namespace for n in [*self.hosts.values(), self.client] if n is not host]
            for user in users:
                link.route(user, host.workload_ipv4, via=str(host.ipv4.ip))
                link.route(user, host.workload_ipv6, via=str(host.ipv6.ip))

    def gateway(self, version: int, host: Host) -> IPv4Address | IPv6Address | None:
        """The router's address in the host's segment, None where there is no router."""
        return host.gateway_ipv4 if version == 4 else host.gateway_ipv6

    def close(self) -> None:
        """Leave every namespace; the kernel removes what nobody holds any more."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
