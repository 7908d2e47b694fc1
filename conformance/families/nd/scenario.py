"""Neighbour discovery: addresses are tried before use, duplicates refused, solicitations answered, IPv6 alone works.

The frames are the result; this scenario only provokes them. Solicitations are sent from the endpoint's own link: by a
neighbour on it where there is one, else by the host's end of the cable.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host
from conformance.lab.snapshot import interfaces
from conformance.protocols.ndp import UNSPECIFIED, solicitation
from conformance.provoking.context import Context
from conformance.provoking.paths import Way, ways
from conformance.provoking.probes import PORT, probe
from conformance.provoking.silence import keep_silent
from conformance.recording.events.addressing import (
    DuplicateAsked,
    DuplicateAttached,
    DuplicateRefused,
    Form,
    FreeAsked,
    FreeAttached,
    FreeRefused,
    Ipv4Removed,
    Solicited,
)
from conformance.recording.model import FlowProtocol


def run(context: Context) -> None:
    """Attach, solicit, duplicate, and take IPv4 away."""
    first = context.hosts[0]
    with context.window("attach"):
        context.attach_all([(host, Attachment(f"{host.name}{letter}")) for host in context.hosts for letter in "ab"])
    if "ipv6" not in context.claims:
        context.snapshot("after")
        return
    target, neighbour = (context.endpoints[f"{first.name}{letter}"] for letter in "ab")
    addresses = [address for address in context.addresses(target, "ipv6") if isinstance(address, IPv6Address)]
    with context.window("solicit"):
        place = _vantage(context, target, neighbour)
        for address in addresses:
            _solicit(context, target, place, address)
        keep_silent(limits.SOLICITATION_ANSWER)
    with context.window("duplicate"), ThreadPoolExecutor(1) as beside:
        pending = beside.submit(_ask_for_free, context, neighbour)
        _duplicate(context, neighbour)
        pending.result()
    with context.window("ipv6-only"):
        _without_ipv4(context)
    context.snapshot("after")


@dataclass(frozen=True)
class Vantage:
    """From where solicitations are sent: a namespace, its interface on the endpoint's link, its MAC and link-local."""

    namespace: Namespace
    interface: str
    mac: str
    address: IPv6Address


def _vantage(context: Context, target: Endpoint, neighbour: Endpoint) -> Vantage | None:
    """A station on the target's own link, None where none can be found."""
    peer = _cable_end(context, target)
    other = context.states[neighbour.name].kernel
    if context.profile.same_host_hops:
        return peer
    local = [IPv6Address(a.address) for a in other.addresses if a.scope == "link" and ":" in a.address]
    if not local or not other.mac:
        return peer
    return Vantage(neighbour.namespace, neighbour.interface, other.mac, local[0])


def _cable_end(context: Context, endpoint: Endpoint) -> Vantage | None:
    """The host's end of the endpoint's veth cable or of a machine's tap, None where it has none there."""
    host = context.lab.hosts[endpoint.host]
    if endpoint.host_side is not None:
        own_end = next(
            one for one in interfaces(endpoint.host_side.namespace) if one.name == endpoint.host_side.interface
        )
        return Vantage(endpoint.host_side.namespace, own_end.name, own_end.mac, IPv6Address("fe80::5300"))
    own = endpoint.namespace.netlink("link", "get", ifname=endpoint.interface)[0]
    far = own.get_attr("IFLA_LINK")
    for candidate in host.netlink("get_links"):
        if candidate["index"] == far and candidate.get_attr("IFLA_LINK") == own["index"]:
            mac = str(candidate.get_attr("IFLA_ADDRESS"))
            name = str(candidate.get_attr("IFLA_IFNAME"))
            return Vantage(host.namespace, name, mac, IPv6Address("fe80::5300"))
    return None


def _solicit(context: Context, target: Endpoint, place: Vantage | None, address: IPv6Address) -> None:
    """Solicit an own address in each of the three ways, and an address that nobody has.

    The two ways that are answered to their sender come from two addresses, so that the answers are told apart.
    """
    if place is None:
        return
    mac = context.states[target.name].kernel.mac
    foreign = address + 0x1000 if int(address) & 0xFFFF < 0xE000 else address - 0x1000
    near, far = place.address, place.address + 1
    frames: dict[Form, tuple[IPv6Address, IPv6Address, bytes]] = {
        "multicast": (address, near, solicitation(address, near, place.mac)),
        "unicast": (address, far, solicitation(address, far, place.mac, destination=address, to_mac=mac)),
        "unspecified": (address, UNSPECIFIED, solicitation(address, UNSPECIFIED, place.mac)),
        "foreign": (foreign, near, solicitation(foreign, near, place.mac)),
    }
    with place.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for form, (asked, source, frame) in frames.items():
            sent = Solicited(where=target.name, form=form, target=str(asked), sender=str(source), mac=place.mac)
            context.event(sent)
            sender.sendto(frame, (place.interface, 0))


def _duplicate(context: Context, holder: Endpoint) -> None:
    """Someone on the network already uses the address that a new endpoint asks for, and gives it up afterwards: where
    the newcomer was given it all the same, what comes next must not depend on who has it."""
    host = context.lab.hosts[holder.host]
    wanted = _wish(context, holder)
    if wanted is None:
        return
    if not context.profile.same_host_hops:
        link.address(holder.namespace, holder.interface, wanted, dad=False)
    _ask_for(context, host, wanted, holder)
    if not context.profile.same_host_hops:
        netlink.transact(holder.namespace, [rtnetlink.address(holder.interface, wanted, remove=True)])


def _ask_for(context: Context, host: Host, wanted: IPv6Interface, holder: Endpoint) -> None:
    """Attach an endpoint with the wanted address; what became of it is written down."""
    name = f"{host.name}d"
    context.event(DuplicateAsked(where=name, address=str(wanted.ip), holder=holder.name))
    try:
        endpoint = context.attach(host, Attachment(name, addresses=(wanted,)))
    except AdapterError as problem:
        context.event(DuplicateRefused(where=name, problem=str(problem)))
        return
    kernel = context.interface(endpoint)
    reported = tuple(str(address) for address in endpoint.reported.addresses)
    context.event(DuplicateAttached(where=name, addresses=kernel.addresses, reported=reported))
    context.endpoints.pop(name)
    context.states.pop(name)


def _ask_for_free(context: Context, holder: Endpoint) -> None:
    """Attach an endpoint with an address that nobody has, and with no other: whoever refuses that does not refuse a
    duplicate for being one. What became of it is written down."""
    name = f"{holder.host}f"
    own = _first_global(context, holder)
    if own is None:
        return
    free = IPv6Interface(f"{IPv6Address((int(own.ip) & ~0xFF) + 0xE0)}/{own.network.prefixlen}")
    context.event(FreeAsked(where=name, address=str(free.ip)))
    try:
        endpoint = context.attach(context.lab.hosts[holder.host], Attachment(name, addresses=(free,)))
    except AdapterError as problem:
        context.event(FreeRefused(where=name, problem=str(problem)))
        return
    context.event(FreeAttached(where=name, addresses=context.interface(endpoint).addresses))
    context.endpoints.pop(name)
    context.states.pop(name)


def _first_global(context: Context, endpoint: Endpoint) -> IPv6Interface | None:
    """The endpoint's first global IPv6 address."""
    for state in context.states[endpoint.name].kernel.addresses:
        if state.scope == "global" and ":" in state.address:
            return IPv6Interface(f"{state.address}/{state.prefix_length}")
    return None


def _wish(context: Context, holder: Endpoint) -> IPv6Interface | None:
    """The address to ask for twice: on a shared link a free one of the prefix, which somebody there has taken without
    asking anybody; where every endpoint has a link to itself, the one that the implementation gave to the holder."""
    own = _first_global(context, holder)
    if own is None or context.profile.same_host_hops:
        return own
    return IPv6Interface(f"{IPv6Address((int(own.ip) & ~0xFF) + 0xD0)}/{own.network.prefixlen}")


def _without_ipv4(context: Context) -> None:
    """Every path over IPv6 while there is IPv4; what it carried again when IPv4 was taken from every endpoint."""
    context.serve(tcp=(PORT,), udp=(PORT,))
    used = [way for way in ways(context, "ipv6") if way.path in ("same-host", "cross-host", "inbound", "outbound")]
    wanted: list[tuple[Way, FlowProtocol]] = [(way, protocol) for way in used for protocol in ("tcp", "udp")]
    before = _talk(context, wanted, "dual-stack")
    for endpoint in context.endpoints.values():
        for state in context.states[endpoint.name].kernel.addresses:
            if ":" not in state.address:
                own = IPv4Interface(f"{state.address}/{state.prefix_length}")
                netlink.transact(endpoint.namespace, [rtnetlink.address(endpoint.interface, own, remove=True)])
        context.event(Ipv4Removed(where=endpoint.name))
    keep_silent(limits.WITHDRAWAL)
    _talk(context, before, "ipv6-only")


def _talk(context: Context, wanted: list[tuple[Way, FlowProtocol]], purpose: str) -> list[tuple[Way, FlowProtocol]]:
    """Send one probe along each way; returns what was answered."""
    probes = [probe(context, way, purpose, protocol, PORT) for way, protocol in wanted]
    done = context.run(probes, limits.ANSWER)
    return [one for one, flow in zip(wanted, done, strict=True) if flow.status == "answered"]
