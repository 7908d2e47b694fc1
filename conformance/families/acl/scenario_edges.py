"""One step beside a policy: ends of ranges and prefixes, the way back, and packets that hide what they are.

Each form is tried between two stations of which one may send the other something: a denial is then told from a path
that carries nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_network
from typing import Final

from conformance import limits
from conformance.adapters.interface import Address, Endpoint
from conformance.lab.flow import Probe, Server
from conformance.lab.flow.payload import query
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.policy.document import Policy
from conformance.protocols import crafted
from conformance.protocols.marker import mark
from conformance.provoking.context import Context
from conformance.provoking.meshes import OPERATORS
from conformance.recording.model import AddressFamily, Flow, FlowProtocol, Path, Socket

FIRST, LAST = 8000, 8009
"""The range of ports that the policy opens to the web at the applications."""
OPEN, SHUT = 8005, 7999
"""Ports of the crafted packets: what is allowed and what is denied."""
SOURCE_PORT: Final = 41_000
FILLING: Final = 64
"""Octets of a crafted datagram's payload: enough for several fragments."""
ACK, FIN_ACK, RST, SYN_ACK = 0x10, 0x11, 0x04, 0x12
OTHER_PROTOCOLS: Final = {132: 28, 47: 4, 136: 8, 253: 0}
"""IP protocols beside TCP, UDP and ICMP, with the offset of a flow's marker behind the IP header."""
ERRORS: Final[dict[AddressFamily, tuple[tuple[int, int, int], ...]]] = {
    "ipv4": ((3, 1, 0), (3, 3, 0), (3, 4, 1400), (11, 0, 0), (12, 0, 0)),
    "ipv6": ((1, 0, 0), (1, 4, 0), (2, 0, 1400), (3, 0, 0), (4, 1, 40), (4, 2, 40)),
}
"""Type, code and the four bytes behind the checksum: RFC 4890 §4.3.1 for IPv6, and their counterparts for IPv4."""


@dataclass(frozen=True)
class Pair:
    """Two stations between which forms are tried, in one family: sender and receiver with their addresses."""

    context: Context
    family: AddressFamily
    path: Path
    source: Endpoint
    target: Endpoint
    near: Address
    far: Address

    def flow(self, purpose: str, form: str, *, port: int, sport: int, number: int = 0) -> Flow:
        """The record of a crafted flow, as it was sent."""
        return Flow(
            id=self.context.number(),
            purpose=purpose,
            path=self.path,
            family=self.family,
            detail=form,
            number=number,
            protocol={crafted.UDP: "udp", crafted.TCP: "tcp"}.get(number, "ip") if number else "udp",
            source=self.source.name,
            target=self.target.name,
            dialled=Socket(address=str(self.far), port=port),
            local=Socket(address=str(self.near), port=sport),
            status="timeout",
        )


Builder = Callable[[Pair, bytes], list[bytes]]
"""From a UDP datagram to the packets that carry it."""


def edges(context: Context, policy: Policy) -> None:
    """Everything of this module at the same time, under one deadline."""
    pairs = [pair for family in context.families for pair in _pairs(context, family)]
    _serve(context)
    operators = _operators(context, policy)
    crafted = [flow for number, pair in enumerate(pairs) for flow in _send_crafted(pair, number * 400)]
    allowed = [(pair, _send_allowed(pair)) for pair in pairs]
    exact = [*_ranges(context, pairs), *_prefixes(context, operators), *_by_hosts(context)]
    context.run(exact, limits.ANSWER)
    for pair, packets_ in allowed:
        _report(pair, packets_)
    for flow in crafted:
        arrival = context.engine.arrival(flow.id)
        status = "timeout" if arrival is None else "answered"
        context.flows.append(flow.model_copy(update={"arrival": arrival, "status": status, "done_ns": time.time_ns()}))


def tier(context: Context, name: str, host: str | None = None) -> list[Endpoint]:
    """The endpoints of a tier that nobody suspects, on one host or on all."""
    return [
        endpoint
        for endpoint in context.endpoints.values()
        if context.states[endpoint.name].labels == {"tier": name} and host in (None, endpoint.host)
    ]


def _pairs(context: Context, family: AddressFamily) -> Iterator[Pair]:
    """From the web to an application, on the same host and on another one."""
    source = tier(context, "web")[0]
    near = context.addresses(source, family)[0]
    for path in ("same-host", "cross-host"):
        for target in tier(context, "app"):
            if (target.host == source.host) == (path == "same-host"):
                yield Pair(context, family, path, source, target, near, context.addresses(target, family)[0])
                break


def _serve(context: Context) -> None:
    for endpoint in context.endpoints.values():
        tiers = {"app": (SHUT, FIRST, OPEN, LAST, LAST + 1), "web": (OPEN,), "db": (OPERATORS,)}
        ports = tuple(tiers.get(context.states[endpoint.name].labels.get("tier", ""), ()))
        context.engine.serve(Server(name=endpoint.name, namespace=endpoint.namespace, tcp_ports=ports, udp_ports=ports))


# --- ends of ranges and prefixes ----------------------------------------------------------------------------------
def _ranges(context: Context, pairs: Sequence[Pair]) -> Iterator[Probe]:
    """Each end of the range and the port beside it, and the way back."""
    for pair in pairs:
        for protocol in ("tcp", "udp"):
            for port in (SHUT, FIRST, LAST, LAST + 1):
                yield _probe(context, pair, protocol, port)
            back = Pair(context, pair.family, pair.path, pair.target, pair.source, pair.far, pair.near)
            yield _probe(context, back, protocol, OPEN)


def _probe(context: Context, pair: Pair, protocol: FlowProtocol, port: int) -> Probe:
    return Probe(
        id=context.number(),
        purpose="exact",
        path=pair.path,
        protocol=protocol,
        family=pair.family,
        source=pair.source.name,
        namespace=pair.source.namespace,
        source_address=str(pair.near),
        target=pair.target.name,
        destination=str(pair.far),
        port=port,
    )


def _operators(context: Context, policy: Policy) -> dict[AddressFamily, list[Address]]:
    """The client gets the first and the last address of the operators' prefix, and the ones beside them."""
    client = context.lab.client
    rule = next(rule for rule in policy.rules if rule.name == "db-for-operators")
    found: dict[AddressFamily, list[Address]] = {}
    for text in rule.cidr:
        prefix = ip_network(text)
        own = client.ipv4 if prefix.version == 4 else client.ipv6
        wanted = [prefix[0] - 1, prefix[0], prefix[-1], prefix[-1] + 1]
        kind = IPv4Interface if prefix.version == 4 else IPv6Interface
        for address in wanted:
            if address != own.ip:
                link.address(client.namespace, client.uplink, kind(f"{address}/{own.network.prefixlen}"), dad=False)
        found["ipv4" if prefix.version == 4 else "ipv6"] = wanted
    return found


def _prefixes(context: Context, operators: dict[AddressFamily, list[Address]]) -> Iterator[Probe]:
    for family in context.families:
        for target in tier(context, "db")[:1]:
            far = str(context.addresses(target, family)[0])
            for address in operators.get(family, []):
                for protocol in ("udp", "tcp"):
                    yield Probe(
                        id=context.number(),
                        purpose="exact",
                        path="inbound",
                        protocol=protocol,
                        family=family,
                        source="client",
                        namespace=context.lab.client.namespace,
                        source_address=str(address),
                        target=target.name,
                        destination=far,
                        port=OPERATORS,
                    )


# --- by way of a host ---------------------------------------------------------------------------------------------
def _by_hosts(context: Context) -> Iterator[Probe]:
    """From the web to the databases' port at every host's address, and at those where a database is published: the
    policy lets no endpoint reach it. The client, who is an operator, may reach what is published."""
    source = tier(context, "web")[0]
    for family in context.families:
        near = str(context.addresses(source, family)[0])
        for host in context.hosts:
            path: Path = "same-host" if host.name == source.host else "cross-host"
            for protocol in ("tcp", "udp"):
                yield Probe(
                    id=context.number(),
                    purpose="by-host",
                    path=path,
                    protocol=protocol,
                    family=family,
                    source=source.name,
                    namespace=source.namespace,
                    source_address=near,
                    target=host.name,
                    destination=str(context.node_address(host, family)),
                    port=OPERATORS,
                )
        for target in tier(context, "db"):
            yield from _published(context, source, target, family)


def _published(context: Context, source: Endpoint, target: Endpoint, family: AddressFamily) -> Iterator[Probe]:
    client = context.lab.client
    path: Path = "published-hairpin" if source.host == target.host else "published"
    for place in target.publications:
        if place.address.version == (4 if family == "ipv4" else 6):
            ends: list[tuple[str, Path, str, Namespace]] = [("by-host", path, source.name, source.namespace)]
            if place.protocol == "udp":
                ends.append(("by-host-allowed", "published", client.name, client.namespace))
            for purpose, way, name, namespace in ends:
                yield Probe(
                    id=context.number(),
                    purpose=purpose,
                    path=way,
                    protocol="udp" if place.protocol == "udp" else "tcp",
                    family=family,
                    source=name,
                    namespace=namespace,
                    target=target.name,
                    destination=str(place.address),
                    port=place.port,
                )


# --- crafted packets ----------------------------------------------------------------------------------------------
def _send_crafted(pair: Pair, base: int) -> Iterator[Flow]:
    """Every form to the port that is open and to the one that is shut."""
    sport = SOURCE_PORT + base
    with raw_socket(pair.source.namespace, pair.family) as sender:
        for port in (OPEN, SHUT):
            for purpose, form, build in _datagrams(pair.family):
                sport += 1
                flow = pair.flow(purpose, form, port=port, sport=sport)
                datagram = crafted.udp(pair.near, pair.far, (sport, port), query(flow.id, FILLING))
                for packet in build(pair, datagram):
                    _send(sender, packet, pair.far)
                yield flow.model_copy(update={"sent_ns": time.time_ns()})
        for number, form, flags in _strays():
            sport += 1
            flow = pair.flow("every-packet", form, port=SHUT, sport=sport, number=number)
            body = mark(flow.id)
            if number == crafted.TCP:
                body = crafted.tcp(pair.near, pair.far, (sport, SHUT), flags, body)
            else:
                body = bytes(OTHER_PROTOCOLS[number]) + body
            _send(sender, crafted.ip(pair.near, pair.far, number, body), pair.far)
            yield flow.model_copy(update={"sent_ns": time.time_ns()})


def _strays() -> Iterator[tuple[int, str, int]]:
    """Segments of no connection, and protocols beside TCP, UDP and ICMP: number, name and TCP flags."""
    for name, flags in (("ACK", ACK), ("FIN", FIN_ACK), ("RST", RST), ("SYN and ACK", SYN_ACK)):
        yield crafted.TCP, f"a {name} segment of no connection", flags
    for number in OTHER_PROTOCOLS:
        yield number, f"IP protocol {number}", 0


def _datagrams(family: AddressFamily) -> Iterator[tuple[str, str, Builder]]:
    """Purpose, name and builder (of packets from a UDP datagram) of every form."""
    yield "plain", "a plain datagram", lambda pair, data: [crafted.ip(pair.near, pair.far, crafted.UDP, data)]
    yield "fragments", "two fragments", lambda pair, data: _cut(pair, data, 32)
    yield "fragments", "the second fragment first", lambda pair, data: _cut(pair, data, 32)[::-1]
    yield "fragments", "a first fragment of eight octets", lambda pair, data: _cut(pair, data, 8)
    yield "fragments", "many fragments, backwards", lambda pair, data: _cut(pair, data, *range(8, 72, 8))[::-1]
    yield "fragments", "a fragment that rewrites the ports of another", _overlapping
    if family == "ipv6":
        atomic, options, routing = [crafted.FRAGMENT], [crafted.DESTINATION_OPTIONS], [crafted.ROUTING]
        hop_by_hop = [crafted.HOP_BY_HOP]
        yield "fragments", "a fragment header of a whole packet", _behind(atomic)
        yield "fragments", "a fragment header behind two others", _behind(hop_by_hop + options + atomic)
        yield "extension-headers", "behind hop-by-hop options", _behind(hop_by_hop)
        yield "extension-headers", "behind destination options", _behind(options)
        yield "extension-headers", "behind five destination options", _behind(options * 5)
        yield "extension-headers", "behind a routing header", _behind(routing)
        yield "extension-headers", "behind one of each", _behind(hop_by_hop + options + routing + options)


def _cut(pair: Pair, data: bytes, *cuts: int) -> list[bytes]:
    return crafted.fragments(pair.near, pair.far, crafted.UDP, data, cuts)


def _overlapping(pair: Pair, data: bytes) -> list[bytes]:
    """The ports of the datagram come in a second fragment, over those of a port that is open (RFC 1858 §3.2)."""
    open_ports = data[:2] + OPEN.to_bytes(2, "big") + data[4:]
    first = crafted.piece(pair.near, pair.far, crafted.UDP, open_ports[:32], 0, more=True)
    over = crafted.piece(pair.near, pair.far, crafted.UDP, data[:16], 0, more=True)
    rest = crafted.piece(pair.near, pair.far, crafted.UDP, data[32:], 32, more=False)
    return [first, over, rest]


def _behind(headers: list[int]) -> Builder:
    def build(pair: Pair, data: bytes) -> list[bytes]:
        following, payload = crafted.extended(headers, crafted.UDP, data)
        return [crafted.ip(pair.near, pair.far, following, payload)]

    return build


# --- errors about what is allowed ---------------------------------------------------------------------------------
def _send_allowed(pair: Pair) -> list[bytes]:
    """A datagram for each error, of a flow of its own; returns the packets as they were sent."""
    sent = []
    with raw_socket(pair.source.namespace, pair.family) as sender:
        for number, (kind, code, _) in enumerate(ERRORS[pair.family]):
            sport = SOURCE_PORT + 2000 + number
            flow = pair.flow("icmp-error", f"type {kind} code {code}", port=OPEN, sport=sport)
            datagram = crafted.udp(pair.near, pair.far, (sport, OPEN), query(flow.id, FILLING))
            sent.append(crafted.ip(pair.near, pair.far, crafted.UDP, datagram))
            _send(sender, sent[-1], pair.far)
            pair.context.flows.append(flow.model_copy(update={"sent_ns": time.time_ns()}))
    return sent


def _report(pair: Pair, sent: list[bytes]) -> None:
    """The receiver of those datagrams sends an error about each to its sender."""
    protocol = 1 if pair.family == "ipv4" else crafted.ICMPV6
    with raw_socket(pair.target.namespace, pair.family) as reporter:
        for packet, (kind, code, rest) in zip(sent, ERRORS[pair.family], strict=True):
            message = crafted.icmp(pair.far, pair.near, (kind, code), rest, packet)
            _send(reporter, crafted.ip(pair.far, pair.near, protocol, message), pair.near)


def raw_socket(namespace: Namespace, family: AddressFamily) -> socket.socket:
    """A socket that sends whole packets, headers included, by the routes of a namespace."""
    made = namespace.socket(
        socket.AF_INET if family == "ipv4" else socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW
    )
    if family == "ipv6":
        made.setsockopt(socket.IPPROTO_IPV6, 36, 1)  # IPV6_HDRINCL
    return made


def _send(sender: socket.socket, packet: bytes, target: Address) -> None:
    sender.sendto(packet, (str(ip_address(target)), 0))
