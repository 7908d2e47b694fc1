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
from conformance.provoking.context import Context
from conformance.recording.events.addressing import AddressAsked
from conformance.recording.model import AddressFamily, Path

THIRD: Final = "third"
ROUTER: Final = "router"


@dataclass(frozen=True)
class Observer:
    """A station with its interface on a link, its MAC address and its addresses there (none: it is never on link)."""

    name: str
    namespace: Namespace
    path: Path
    interface: str = UPLINK
    mac: str = ""
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()

    def own(self, address: Address) -> IPv4Interface | IPv6Interface | None:
        """The observer's address in the prefix of `address`, None where that is not on its link."""
        return next((one for one in self.addresses if address in one.network and one.network.num_addresses > 1), None)


def observers(context: Context, monitor: Monitor) -> list[Observer]:
    """Everybody who has neighbour entries, with a monitor on each; the third station is made here."""
    found = [_third(context)]
    for endpoint in context.endpoints.values():
        if endpoint.name.endswith("p"):
            kernel = context.states[endpoint.name].kernel
            addresses = tuple(
                ip_interface(f"{one.address}/{one.prefix_length}") for one in kernel.addresses if one.scope == "global"
            )
            found.append(
                Observer(endpoint.name, endpoint.namespace, "cross-host", endpoint.interface, kernel.mac, addresses)
            )
    if context.lab.router is not None:
        found.append(Observer(ROUTER, context.lab.router, "wire"))
        context.tap(context.lab.router, ROUTER, "observer")
    found.append(Observer(context.lab.client.name, context.lab.client.namespace, "inbound"))
    for one in found:
        monitor.watch(one.namespace, one.name, NEIGHBOURS)
    return found


def _third(context: Context) -> Observer:
    """A station on the hosts' segment that runs nothing of the implementation."""
    host = context.hosts[0]
    namespace, mac = context.lab.namespace(THIRD), documentation_mac(0xD0)
    context.tap(namespace, THIRD, "observer")
    four = IPv4Interface((host.ipv4.network[-3], host.ipv4.network.prefixlen))
    six = IPv6Interface((host.ipv6.network[0xFFFD], host.ipv6.network.prefixlen))
    context.lab.plug(namespace, UPLINK, host.station.segment, THIRD, mac=mac, addresses=(four, six))
    return Observer(THIRD, namespace, "wire", UPLINK, mac, (four, six))


def prime(context: Context, watching: Sequence[Observer], endpoints: Sequence[Endpoint]) -> None:
    """Everybody pings every address, so that neighbour entries and forwarding databases know where it is."""
    context.run(list(_pings(context, watching, endpoints)), limits.ANSWER)


def _pings(context: Context, watching: Sequence[Observer], endpoints: Sequence[Endpoint]) -> Iterator[Probe]:
    for one in watching:
        for endpoint in endpoints:
            for family in context.families:
                for address in context.addresses(endpoint, family):
                    if one.name not in (THIRD, ROUTER) or _routed_to(context, one, address):
                        yield _ping(context, one, endpoint, family, address)


def _routed_to(context: Context, one: Observer, address: Address) -> bool:
    """The third station knows nothing but its own link; a router asks for what is on one of its own."""
    networks = [one.own(address)] if one.name == THIRD else []
    segments = context.lab.testbed.segments.values()
    return any(networks) or (one.name == ROUTER and any(address in s.ipv4 or address in s.ipv6 for s in segments))


def _ping(context: Context, one: Observer, endpoint: Endpoint, family: AddressFamily, address: Address) -> Probe:
    return Probe(
        id=context.number(),
        purpose="prime",
        path=one.path,
        protocol="icmp",
        family=family,
        source=one.name,
        namespace=one.namespace,
        target=endpoint.name,
        destination=str(address),
    )


def ask(context: Context, watching: Sequence[Observer], names: Sequence[str]) -> None:
    """Somebody on the link asks once who has each address. Everybody who thinks so may answer."""
    with ExitStack() as outlets:
        opened = {
            one.name: outlets.enter_context(one.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            for one in watching
            if one.mac
        }
        for name in names:
            for state in context.states[name].kernel.addresses:
                if state.scope == "global":
                    _ask(context, watching, opened, name, ip_address(state.address))


def _ask(
    context: Context, watching: Sequence[Observer], opened: Mapping[str, socket.socket], name: str, address: Address
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
            context.event(AddressAsked(where=name, address=str(address), by=one.name, mac=one.mac))
            opened[one.name].sendto(frame, (one.interface, 0))
            return
