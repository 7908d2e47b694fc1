"""Who looks on while endpoints move: peers, the external client, a router, and a third station that takes no part."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import Final

from conformance import limits
from conformance.adapters.interface import Address, Endpoint
from conformance.lab.flow import Probe
from conformance.lab.kernel.monitor import NEIGHBOURS, Monitor
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import UPLINK, documentation_mac
from conformance.protocols import arp
from conformance.protocols.ndp import solicitation
from conformance.provoking.context import Stage
from conformance.recording.model import Family, Path

THIRD: Final = "third"
ROUTER: Final = "router"


@dataclass(frozen=True)
class Onlooker:
    """A station with its interface on a link, its MAC address and its addresses there (none: it is never on link)."""

    name: str
    namespace: Namespace
    path: Path
    interface: str = UPLINK
    mac: str = ""
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()

    def own(self, address: Address) -> IPv4Interface | IPv6Interface | None:
        """The onlooker's address in the prefix of `address`, None where that is not on its link."""
        return next((one for one in self.addresses if address in one.network and one.network.num_addresses > 1), None)


def onlookers(stage: Stage, monitor: Monitor) -> list[Onlooker]:
    """Everybody who has neighbour entries, with a monitor on each; the third station is made here."""
    found = [_third(stage)]
    for endpoint in stage.endpoints.values():
        if endpoint.name.endswith("p"):
            kernel = stage.states[endpoint.name].kernel
            addresses = tuple(
                ip_interface(f"{one.address}/{one.prefix_length}") for one in kernel.addresses if one.scope == "global"
            )
            found.append(
                Onlooker(endpoint.name, endpoint.namespace, "cross-host", endpoint.interface, kernel.mac, addresses)
            )
    if stage.lab.router is not None:
        found.append(Onlooker(ROUTER, stage.lab.router, "wire"))
        stage.tap(stage.lab.router, ROUTER, "observer")
    found.append(Onlooker(stage.lab.client.name, stage.lab.client.namespace, "inbound"))
    for one in found:
        monitor.watch(one.namespace, one.name, NEIGHBOURS)
    return found


def _third(stage: Stage) -> Onlooker:
    """A station on the hosts' segment that runs nothing of the implementation."""
    host = stage.hosts[0]
    namespace, mac = stage.lab.namespace(THIRD), documentation_mac(0xD0)
    stage.tap(namespace, THIRD, "observer")
    four = IPv4Interface((host.ipv4.network[-3], host.ipv4.network.prefixlen))
    six = IPv6Interface((host.ipv6.network[0xFFFD], host.ipv6.network.prefixlen))
    stage.lab.plug(namespace, UPLINK, host.station.segment, THIRD, mac=mac, addresses=(four, six))
    return Onlooker(THIRD, namespace, "wire", UPLINK, mac, (four, six))


def prime(stage: Stage, watching: Sequence[Onlooker], endpoints: Sequence[Endpoint]) -> None:
    """Everybody pings every address, so that neighbour entries and forwarding databases know where it is."""
    stage.run(list(_pings(stage, watching, endpoints)), limits.ANSWER)


def _pings(stage: Stage, watching: Sequence[Onlooker], endpoints: Sequence[Endpoint]) -> Iterator[Probe]:
    for one in watching:
        for endpoint in endpoints:
            for family in stage.families:
                for address in stage.addresses(endpoint, family):
                    if one.name not in (THIRD, ROUTER) or _routed_to(stage, one, address):
                        yield _ping(stage, one, endpoint, family, address)


def _routed_to(stage: Stage, one: Onlooker, address: Address) -> bool:
    """The third station knows nothing but its own link; a router asks for what is on one of its own."""
    networks = [one.own(address)] if one.name == THIRD else []
    segments = stage.lab.testbed.segments.values()
    return any(networks) or (one.name == ROUTER and any(address in s.ipv4 or address in s.ipv6 for s in segments))


def _ping(stage: Stage, one: Onlooker, endpoint: Endpoint, family: Family, address: Address) -> Probe:
    return Probe(
        id=stage.number(), purpose="prime", path=one.path, protocol="icmp", family=family, source=one.name,
        namespace=one.namespace, target=endpoint.name, destination=str(address),
    )  # fmt: skip


def ask(stage: Stage, watching: Sequence[Onlooker], names: Sequence[str]) -> None:
    """Somebody on the link asks once who has each address. Everybody who thinks so may answer."""
    with ExitStack() as outlets:
        opened = {
            one.name: outlets.enter_context(one.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            for one in watching
            if one.mac
        }
        for name in names:
            for state in stage.states[name].kernel.addresses:
                if state.scope == "global":
                    _ask(stage, watching, opened, name, ip_address(state.address))


def _ask(
    stage: Stage, watching: Sequence[Onlooker], opened: Mapping[str, socket.socket], name: str, address: Address
) -> None:
    for one in watching:
        own = one.own(address)
        if own is not None and one.name in opened:
            if isinstance(address, IPv4Address):
                assert isinstance(own.ip, IPv4Address)
                frame = arp.request(one.mac, own.ip, address)
            else:
                assert isinstance(own.ip, IPv6Address)
                frame = solicitation(address, own.ip, one.mac)
            stage.event("ask", name, address=str(address), by=one.name, mac=one.mac)
            opened[one.name].sendto(frame, (one.interface, 0))
            return
    stage.event("nobody-to-ask", name, address=str(address))
