"""One step beside a policy: ends of ranges and prefixes, the way back, by way of a host, and crafted packets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_network

from conformance import limits
from conformance.adapters.interface import Address, Endpoint
from conformance.families.acl.scenario_errors import report, send_allowed
from conformance.lab.flow import Probe, Server
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.policy.document import Policy
from conformance.provoking.context import Context
from conformance.provoking.meshes import OPERATORS
from conformance.provoking.odd_packets import FORMS, OPEN, SHUT, Pair, send_crafted, send_link_local, send_plain
from conformance.recording.model import AddressFamily, FlowProtocol, Path

FIRST, LAST = 8000, 8009
"""The range of ports that the policy opens to the web at the applications."""


def edges(context: Context, policy: Policy) -> None:
    """Everything of this module at the same time, under one deadline."""
    pairs = [pair for family in context.families for pair in _pairs(context, family)]
    _serve(context)
    operators = _operators(context, policy)
    crafted = [flow for number, pair in enumerate(pairs) for flow in send_crafted(pair, number * FORMS)]
    shared = [pair for pair in pairs if pair.family == "ipv6"]
    crafted += [
        flow for number, pair in enumerate(shared) for flow in send_link_local(pair, number * FORMS + FORMS - 2)
    ]
    crafted += [
        send_plain(_borrowing(pair), number * FORMS - 1, "borrowed-address", "under the address of one that may")
        for number, pair in enumerate(pairs, 1)
    ]
    allowed = [(pair, send_allowed(pair)) for pair in pairs]
    exact = [*_ranges(context, pairs), *_prefixes(context, operators), *_by_hosts(context)]
    context.run(exact, limits.ANSWER)
    for pair, packets_ in allowed:
        report(pair, packets_)
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


def _borrowing(pair: Pair) -> Pair:
    """The pair whose sender is replaced by an endpoint of its host that may send the receiver nothing."""
    return pair.borrowed_by(tier(pair.context, "db", pair.source.host)[0])


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
