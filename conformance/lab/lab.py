"""The lab: the stations of a testbed as namespaces, cabled to a top-of-rack that is not the implementation's."""

from __future__ import annotations

import copy
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from pathlib import Path
from typing import Any, Self

from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.kernel.process import Daemon
from conformance.lab.kernel.sysctls import pin
from conformance.protocols.mac import mac_bytes
from conformance.testbed import HostStation, Station, Testbed

UPLINK = "eth0"
PARTNERS = "partners"
"""Where our ends of the hosts' ports lie, as their taps call it."""
PORT = "port"
"""Name of a host's ports with partners, before their number (from 1)."""
BUILDERS = 2
"""Stations built at the same time: making a namespace and its mounts waits for the kernel most of the time."""
BRIDGE_SNOOPING = 23
"""IFLA_BR_MCAST_SNOOPING."""
UNLIMITED = ("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit")
"""The lab's own router reports every packet: behind a translator many senders share one address, and the kernel's
limit for each address (RFC 1812 §4.3.2.8, RFC 4443 §2.4 (f)) would hide what the implementation does with reports."""


def documentation_mac(number: int) -> str:
    """The `number`-th (0..255) unicast MAC address reserved for documentation (RFC 7042 §2.1.2)."""
    return f"00:00:5e:00:53:{number:02x}"


def link_local(mac: str) -> IPv6Interface:
    """The link-local address that the kernel makes of a MAC address (RFC 4291 appendix A, modified EUI-64)."""
    octets = mac_bytes(mac)
    identifier = bytes((octets[0] ^ 0x02, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    return IPv6Interface((b"\xfe\x80" + bytes(6) + identifier, 64))


@dataclass(frozen=True, slots=True)
class Cable:
    """A cable from `interface` of a host to `far` in the partners' namespace; both ends are up, without addresses."""

    interface: str
    mac: str
    far: str
    far_mac: str


class Node:
    """A station of the lab: a namespace with an uplink into one segment."""

    def __init__(self, name: str, namespace: Namespace, station: Station, testbed: Testbed, *, logs: Path) -> None:
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

    def start(
        self,
        command: Sequence[str],
        *,
        log: str,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> Daemon:
        """Start a daemon in the foreground; its output is kept in the recording as ``logs/STATION-LOG.log``.

        It inherits `descriptors` under the same numbers.
        """
        place = self.logs / f"{self.name}-{log}.log"
        return self.namespace.start(command, place, environment=environment, descriptors=descriptors)

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
        self, name: str, namespace: Namespace, station: HostStation, testbed: Testbed, *, logs: Path, folder: Path
    ) -> None:
        super().__init__(name, namespace, station, testbed, logs=logs)
        self.workload_ipv4 = station.workload_ipv4
        self.workload_ipv6 = station.workload_ipv6
        self.pool_ipv4 = station.pool_ipv4
        self.pool_ipv6 = station.pool_ipv6
        self.folder = folder
        self.cables: tuple[Cable, ...] = ()
        self._pools: dict[int, Iterator[Any]] = {}
        self._lock = threading.Lock()

    def next_pool_address(self, version: int) -> IPv4Interface | IPv6Interface:
        """The next free address of the segment for an endpoint that lives on the segment itself. Raises LookupError."""
        network = self.pool_ipv4 if version == 4 else self.pool_ipv6
        length = (self.ipv4 if version == 4 else self.ipv6).network.prefixlen
        with self._lock:
            pool = self._pools.setdefault(version, iter(network.hosts()))
            found = next(pool, None)
        if found is None:
            raise LookupError(f"{self.name}: the pool {network} has no address left")
        return ip_interface(f"{found}/{length}")


class Lab:
    """The stations of one testbed, ready to send. Make it inside a sandbox; use it as a context manager.

    What is made once for all labs of a run is kept in `shared`, under a lock. `lifeline` leads to the custodian that
    lends the machine's NICs, for a testbed that names some.
    """

    def __init__(
        self,
        testbed: Testbed,
        folder: Path,
        *,
        logs: Path | None = None,
        shared: Path | None = None,
        lifeline: socket.socket | None = None,
    ) -> None:
        self._lifeline = lifeline
        self.testbed = testbed
        self.folder = folder
        self.logs = logs or folder / "logs"
        self.shared = shared or folder
        folder.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        self._resources = ExitStack()
        self.hosts: dict[str, Host] = {}
        try:
            self._build()
        except BaseException:
            self._resources.close()
            raise

    def namespace(self, name: str, *, mounts: bool = False) -> Namespace:
        """A further namespace (for an endpoint), with pinned sysctls and loopback up, closed with the lab.

        May be called from several threads.
        """
        namespace = self._resources.enter_context(Namespace.create(name, mounts=mounts))
        pin(namespace)
        netlink.transact(namespace, [rtnetlink.up("lo")])
        return namespace

    def keep(self, namespace: Namespace) -> Namespace:
        """Close an adopted namespace with the lab."""
        return self._resources.enter_context(namespace)

    def part(self, *names: str) -> Lab:
        """This lab as seen by an implementation that has only these of its hosts; it is closed with the whole."""
        seen = copy.copy(self)
        seen.hosts = {name: self.hosts[name] for name in names}
        return seen

    def _build(self) -> None:
        self.rack = self.namespace("rack")
        self.rack.sysctl("net.ipv6.conf.default.addr_gen_mode", rtnetlink.NO_LINK_LOCAL)
        netlink.transact(self.rack, [self._bridge(number, name) for number, name in enumerate(self.testbed.segments)])
        self.router = self._router() if self.testbed.routed else None
        with ThreadPoolExecutor(BUILDERS, thread_name_prefix="lab") as builders:
            client = builders.submit(self._client)
            self.hosts = {host.name: host for host in builders.map(self._host, self.testbed.hosts)}
            self.client = client.result()
        self.partners = self._partners() if self.testbed.links else None
        if not self.testbed.underlay.multicast:
            from conformance.lab.nftables import block_underlay_multicast

            block_underlay_multicast(self.rack)

    def _bridge(self, number: int, segment: str) -> netlink.Request:
        return rtnetlink.link(
            segment,
            "bridge",
            data={BRIDGE_SNOOPING: b"\0"},
            mtu=self.testbed.segment_mtu(segment),
            mac=documentation_mac(0xF0 + number),
            up=True,
        )

    def _router(self) -> Namespace:
        router = self.namespace("router")
        router.sysctl("net.ipv4.ip_forward", 1)
        router.sysctl("net.ipv6.conf.all.forwarding", 1)
        for key in UNLIMITED:
            router.sysctl(key, 0)
        for number, (name, segment) in enumerate(self.testbed.segments.items()):
            assert segment.router_ipv4 is not None
            assert segment.router_ipv6 is not None
            addresses = (
                IPv4Interface((segment.router_ipv4, segment.ipv4.prefixlen)),
                IPv6Interface((segment.router_ipv6, segment.ipv6.prefixlen)),
            )
            self.plug(router, name, name, "router", mac=documentation_mac(0xE0 + number), addresses=addresses)
        behind = [rtnetlink.route(destination, via=gateway) for destination, gateway in self._workload_routes()]
        netlink.transact(router, behind)
        return router

    def plug(
        self,
        namespace: Namespace,
        interface: str,
        segment: str,
        port: str,
        *,
        mac: str | None = None,
        addresses: Sequence[IPv4Interface | IPv6Interface] = (),
        routes: Sequence[tuple[link.Network, str]] = (),
    ) -> None:
        """Cable `interface` of a namespace to a new port ``port.segment`` of the top-of-rack; both ends are up.

        `addresses` are set without duplicate address detection, and with them the link-local address, without which a
        router could not resolve neighbours for two seconds; `routes` are (destination, gateway).
        """
        mtu = self.testbed.segment_mtu(segment)
        rack_port = f"{port}.{segment}"[:15]
        cable = rtnetlink.veth(
            rack_port, interface, namespace.descriptor, mtu=mtu, far_mac=mac, master=segment, up=True
        )
        netlink.transact(self.rack, [cable])
        own = [rtnetlink.address(interface, one, dad=False) for one in addresses]
        behind = [rtnetlink.route(destination, via=gateway) for destination, gateway in routes]
        local = [rtnetlink.address(interface, link_local(mac), dad=False)] if addresses and mac else []
        netlink.transact(namespace, [*local, rtnetlink.up(interface), *own, *behind])
        link.await_link(namespace, interface)
        link.await_link(self.rack, rack_port)
        if addresses:
            link.await_groups(namespace, interface)

    def _host(self, name: str) -> Host:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        station = self.testbed.hosts[name]
        namespace = self.namespace(name, mounts=True)
        host = Host(name, namespace, station, self.testbed, logs=self.logs, folder=folder)
        self._connect(host, list(self.testbed.hosts).index(name) + 1)
        return host

    def _client(self) -> Node:
        client = Node("client", self.namespace("client"), self.testbed.client, self.testbed, logs=self.logs)
        self._connect(client, 0x0C)
        return client

    def _connect(self, node: Node, number: int) -> None:
        self.plug(
            node.namespace,
            UPLINK,
            node.station.segment,
            node.name,
            mac=documentation_mac(number),
            addresses=(node.ipv4, node.ipv6),
            routes=self.routes(node),
        )

    def _partners(self) -> Namespace:
        """The namespace in which our end of every host's port lies."""
        partners = self.namespace(PARTNERS)
        for number, host in enumerate(self.hosts.values(), 1):
            host.cables = tuple(
                Cable(
                    f"{PORT}{port}",
                    documentation_mac(0x10 * number + port),
                    f"{host.name}p{port}",
                    documentation_mac(0x80 + 0x10 * number + port),
                )
                for port in range(1, self.testbed.ports + 1)
            )
            host.cables = tuple(self._physical(host, cable) for cable in host.cables)
            for cable in host.cables:
                if not cable.interface:
                    continue
                ends = rtnetlink.veth(
                    cable.interface,
                    cable.far,
                    partners.descriptor,
                    mtu=host.mtu,
                    near_mac=cable.mac,
                    far_mac=cable.far_mac,
                )
                netlink.transact(host.namespace, [ends])
                for namespace, name in ((host.namespace, cable.interface), (partners, cable.far)):
                    netlink.transact(namespace, [rtnetlink.quiet(name), rtnetlink.up(name)])
        for host in self.hosts.values():
            for cable in host.cables:
                if cable.interface:
                    link.await_link(host.namespace, cable.interface)
        self._borrow(partners)
        for host in self.hosts.values():
            for cable in host.cables:
                link.await_link(partners, cable.far)
        return partners

    def _physical(self, host: Host, cable: Cable) -> Cable:
        """The cable as it is where our end is a NIC of the machine: what the device at the other end is called is not
        for us to say."""
        port = cable.interface.removeprefix(PORT)
        outside = f"{host.name}.{port}" in self.testbed.physical
        return Cable("", "", cable.far, "") if outside else cable

    def _borrow(self, partners: Namespace) -> None:
        """Our ends that are NICs of the machine, moved here; the custodian brings them back. Raises RuntimeError."""
        if not self.testbed.physical:
            return
        from conformance.lab.sandbox.custody import Refusal, borrow

        if self._lifeline is None:
            raise RuntimeError(f"testbed {self.testbed.name}: its NICs are lent to a recording alone")
        names = {port: f"{port.rpartition('.')[0]}p{port.rpartition('.')[2]}" for port in self.testbed.physical}
        try:
            borrow(self._lifeline, partners, {nic: names[port] for port, nic in self.testbed.physical.items()})
        except (Refusal, TimeoutError) as problem:
            raise RuntimeError(f"testbed {self.testbed.name}: physical: {problem}") from None

    def dial(self, address: str, port: int) -> socket.socket:
        """A connection to a device from the machine itself, for a lab whose testbed names NICs. Raises OSError."""
        from conformance.lab.sandbox.custody import dial

        if self._lifeline is None:
            raise OSError(f"the testbed {self.testbed.name} names no NIC, so nobody outside of the lab connects for it")
        return dial(self._lifeline, address, port)

    def routes(self, node: Node) -> list[tuple[link.Network, str]]:
        """Ordinary routes of a station, as (destination, gateway): everybody reaches every host's workload prefixes
        through that host, and everything else through the router, where there is one."""
        gateways = [str(gateway) for gateway in (node.gateway_ipv4, node.gateway_ipv6) if gateway is not None]
        routes = [(link.everything(gateway), gateway) for gateway in gateways]
        return routes if self.testbed.routed else routes + self._workload_routes(besides=node.name)

    def _workload_routes(self, *, besides: str = "") -> list[tuple[link.Network, str]]:
        return [
            (prefix, str(via))
            for name, host in self.testbed.hosts.items()
            if name != besides
            for prefix, via in ((host.workload_ipv4, host.ipv4), (host.workload_ipv6, host.ipv6))
        ]

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
