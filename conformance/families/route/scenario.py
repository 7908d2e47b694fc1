"""Reachability: everybody talks to everybody at the address that is reported, by every protocol and port class.

One batch of probes, all in flight at the same time under one deadline, and a second one that provokes errors. Nothing
is primed: the first packet of every pair is a probe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Network, IPv6Network

from conformance import limits
from conformance.adapters.interface import AdapterError, Address, Attachment, Endpoint, power_of
from conformance.adapters.interface.views import ShowingBindings
from conformance.lab.flow import Probe
from conformance.provoking.context import CLOSED_PORT, TCP_PORTS, UDP_PORTS, Context
from conformance.provoking.paths import Way, own_addresses, published, ways
from conformance.provoking.probes import PORT, SHARED_SOURCE_PORT, probe
from conformance.provoking.views import show
from conformance.recording.model import NOBODY, AddressFamily, Flow

EDGE_PORTS = (1, 32768, 65535)
RAW_PROTOCOLS = (132, 47, 136, 253)
"""SCTP (RFC 9260), GRE (RFC 2784), UDP-Lite (RFC 3828) and an experimental number (RFC 3692)."""
IDENTITY_FLOWS = 1000
ODD_MSS = 1217
TRAFFIC_CLASSES = (46 << 2 | 2, 10 << 2 | 1, 3)
"""DSCP and ECN of marked datagrams: EF with ECT(0), AF11 with ECT(1), and CE (RFC 3168 §5)."""


def run(context: Context) -> None:
    """Attach two endpoints on each host and a third on the first, release that one again, and send everything."""
    first = context.hosts[0]
    context.snapshot_hosts("start")
    requests = [
        (host, Attachment(f"{host.name}{letter}", _publish(context), extra_addresses=_extra(context, letter)))
        for host in context.hosts
        for letter in "ab"
    ]
    *_, leaving = context.attach_all([*requests, (first, Attachment(f"{first.name}x"))])
    released = _release(context, leaving)
    context.snapshot("before")
    context.serve(tcp=TCP_PORTS, udp=(*UDP_PORTS, *EDGE_PORTS, PORT), numbers=RAW_PROTOCOLS)
    with context.window("reachability"):
        done = context.run(list(probes(context, released)), limits.ANSWER)
        context.run(list(provocations(context, done)), limits.ANSWER)
    _tables(context)
    context.snapshot("after")


def _tables(context: Context) -> None:
    """Ask what routes for the endpoints which of them it has resolved, where it shows that."""
    subject = power_of(context.subject, ShowingBindings)
    if "own-view" in context.claims and subject is not None:
        for host in context.hosts:
            show(context, host.name, "bindings", partial(subject.bindings, host))


def _publish(context: Context) -> tuple[tuple[str, int], ...]:
    return (("tcp", PORT), ("udp", PORT)) if "publish" in context.claims else ()


def _extra(context: Context, letter: str) -> int:
    return 1 if letter == "a" and "multi-address" in context.claims else 0


def _release(context: Context, endpoint: Endpoint) -> dict[AddressFamily, list[Address]]:
    """Detach an endpoint; returns the addresses that it had, and that nobody has now: none where it still has them."""
    addresses = {family: context.addresses(endpoint, family)[:1] for family in context.families}
    try:
        context.subject.detach(endpoint)
    except AdapterError:
        addresses = {}
    context.endpoints.pop(endpoint.name, None)
    context.states.pop(endpoint.name, None)
    return addresses


def probes(context: Context, released: dict[AddressFamily, list[Address]]) -> Iterator[Probe]:
    """All probes that are to be answered by an endpoint, and those that are to be answered by nobody."""
    for family in context.families:
        everyone = list(ways(context, family))
        yield from _reach(context, [*everyone, *published(context, family)])
        yield from _ports(context, everyone)
        yield from _identity(context, everyone)
        yield from _raw(context, everyone)
        yield from _transport(context, everyone)
        yield from _marked(context, everyone)
        yield from _every_address(context, family)
        yield from _absent(context, family, released.get(family, []))


def provocations(context: Context, done: Sequence[Flow]) -> Iterator[Probe]:
    """The probes that provoke ICMP errors, on every way that has carried a datagram.

    They come after all others: errors and redirects share one limit for each destination (RFC 4443 §2.4 (f)), and what
    the other probes provoke would use it up.
    """
    arrived = (flow for flow in done if flow.purpose == "reach" and flow.protocol == "udp" and flow.arrival is not None)
    carried = {(flow.family, flow.path, flow.source, flow.target) for flow in arrived}
    for family in context.families:
        everyone = [way for way in ways(context, family) if (family, way.path, way.source, way.target) in carried]
        yield from _hop_limits(context, everyone)
        yield from _closed(context, everyone)


def _reach(context: Context, everyone: list[Way]) -> Iterator[Probe]:
    for way in everyone:
        for protocol in ("tcp", "udp", "icmp"):
            if protocol in way.protocols:
                yield probe(context, way, "reach", protocol, 0 if protocol == "icmp" else PORT)


def _stands_for_class(context: Context, way: Way) -> bool:
    """One way of each class, from each host's first endpoint to the others' second one.

    No two of them run between the same two stations in opposite directions: where a probe has no ports, or the same
    port at both ends, a translator would take one for the answer to the other.
    """
    letters = {endpoint: endpoint[-1] for endpoint in context.endpoints}
    if way.path == "same-host":
        return way.source == next(iter(context.endpoints))
    return letters.get(way.source, "a") == "a" and letters.get(way.target, "b") == "b"


def _ports(context: Context, everyone: list[Way]) -> Iterator[Probe]:
    """Every well-known port of every endpoint from outside; and bound to the same port at both ends, both ways."""
    for way in everyone:
        if way.path == "inbound":
            for port in TCP_PORTS:
                yield probe(context, way, "ports", "tcp", port)
            for port in UDP_PORTS:
                yield probe(context, way, "ports", "udp", port)
        if way.path in ("inbound", "outbound", "cross-host") and _stands_for_class(context, way):
            for port in (*UDP_PORTS, *EDGE_PORTS):
                yield replace(probe(context, way, "bound-ports", "udp", port), source_port=port)


def _identity(context: Context, everyone: list[Way]) -> Iterator[Probe]:
    """Many flows in parallel, some of them with one source port for several sources of the same host."""
    users = [way for way in everyone if way.path in ("same-host", "cross-host", "inbound", "outbound")]
    if not users:
        return
    share = -(-IDENTITY_FLOWS // (2 * len(users) * len(context.families)))
    for way in users:
        for protocol in ("tcp", "udp"):
            for _ in range(share):
                yield probe(context, way, "identity", protocol, PORT)
        if way.path == "outbound":
            yield replace(probe(context, way, "identity", "tcp", PORT), source_port=SHARED_SOURCE_PORT)
            yield replace(probe(context, way, "identity", "udp", PORT), source_port=SHARED_SOURCE_PORT)


def _hop_limits(context: Context, everyone: list[Way]) -> Iterator[Probe]:
    for way in everyone:
        if way.path in ("same-host", "cross-host", "inbound", "outbound") and _stands_for_class(context, way):
            for ttl in (1, 2, 3, 4):
                yield replace(probe(context, way, "hop-limit", "udp", PORT), ttl=ttl)


def _closed(context: Context, everyone: list[Way]) -> Iterator[Probe]:
    for way in everyone:
        if way.path in ("same-host", "cross-host", "inbound") and _stands_for_class(context, way):
            yield probe(context, way, "closed-port", "udp", CLOSED_PORT)


def _raw(context: Context, everyone: list[Way]) -> Iterator[Probe]:
    for way in everyone:
        if way.path in ("same-host", "cross-host", "inbound", "outbound") and _stands_for_class(context, way):
            for number in RAW_PROTOCOLS:
                yield replace(probe(context, way, "any-protocol", "ip", 0), number=number)


def _transport(context: Context, everyone: list[Way]) -> Iterator[Probe]:
    for way in everyone:
        if way.path in ("same-host", "cross-host", "inbound", "outbound") and _stands_for_class(context, way):
            yield replace(probe(context, way, "transport", "tcp", PORT), maxseg=ODD_MSS)


def _marked(context: Context, everyone: list[Way]) -> Iterator[Probe]:
    """Datagrams with codepoints in the traffic class."""
    for way in everyone:
        if way.path in ("same-host", "cross-host", "inbound", "outbound") and _stands_for_class(context, way):
            for traffic_class in TRAFFIC_CLASSES:
                yield replace(probe(context, way, "marked", "udp", PORT), traffic_class=traffic_class)


def _every_address(context: Context, family: AddressFamily) -> Iterator[Probe]:
    """Each address of an endpoint with several, dialled from outside: the answer must come from that address."""
    client = context.lab.client
    for endpoint in context.endpoints.values():
        addresses = context.addresses(endpoint, family)
        for address in addresses if len(addresses) > 1 else []:
            way = Way("inbound", family, "client", client.namespace, endpoint.name, address)
            for protocol in ("tcp", "udp"):
                yield probe(context, way, "every-address", protocol, PORT)


def _absent(context: Context, family: AddressFamily, released: list[Address]) -> Iterator[Probe]:
    """From outside to an address that was never given and to one that was just released."""
    client = context.lab.client
    places = [("absent", address) for address in _unused(context, family)]
    places += [("released", address) for address in released]
    for purpose, address in places:
        way = Way("inbound", family, "client", client.namespace, NOBODY, address)
        for protocol in ("tcp", "udp", "icmp"):
            yield probe(context, way, purpose, protocol, 0 if protocol == "icmp" else PORT)


def _unused(context: Context, family: AddressFamily) -> list[Address]:
    """An address of the network that endpoints get theirs from, high in the prefix, which nobody was given."""
    pairs = own_addresses(context, family)
    if not pairs:
        return []
    endpoint, address = pairs[0]
    host = context.lab.hosts[endpoint.host]
    overlay = context.lab.testbed.overlay
    networks: tuple[IPv4Network | IPv6Network, ...] = (
        (host.workload_ipv4, overlay.ipv4, host.pool_ipv4)
        if family == "ipv4"
        else (host.workload_ipv6, overlay.ipv6, host.pool_ipv6)
    )
    for network in networks:
        if address in network:
            return [network[min(network.num_addresses, 256) - 3]]
    return []
