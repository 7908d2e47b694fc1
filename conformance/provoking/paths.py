"""The paths of a lab: who talks to whom, by which class of way, at which address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from conformance.adapters.interface import Address, Endpoint
from conformance.lab.kernel.namespace import Namespace
from conformance.provoking.context import Context
from conformance.recording.model import AddressFamily, Path


@dataclass(frozen=True)
class Way:
    """One ordered pair: from `source` in `namespace` to `target`, which is dialled at `address`.

    `port` replaces the port of the target's server where a published port stands for it.
    """

    path: Path
    family: AddressFamily
    source: str
    namespace: Namespace
    target: str
    address: Address
    port: int | None = None
    protocols: tuple[str, ...] = ("tcp", "udp", "icmp")


def ways(context: Context, family: AddressFamily) -> Iterator[Way]:
    """Every ordered pair of stations of the lab in one family, each endpoint at its first own address."""
    yield from between_endpoints(context, family)
    yield from with_client(context, family)
    for endpoint, address in own_addresses(context, family):
        host = context.lab.hosts[endpoint.host]
        yield Way("from-host", family, host.name, host.namespace, endpoint.name, address)
        yield Way("self", family, endpoint.name, endpoint.namespace, endpoint.name, address)


def own_addresses(context: Context, family: AddressFamily) -> list[tuple[Endpoint, Address]]:
    """Every endpoint that has an address of the family, with the first one."""
    pairs = ((endpoint, context.addresses(endpoint, family)) for endpoint in context.endpoints.values())
    return [(endpoint, addresses[0]) for endpoint, addresses in pairs if addresses]


def between_endpoints(context: Context, family: AddressFamily) -> Iterator[Way]:
    """Same host and cross host, every ordered pair of endpoints."""
    for (one, _), (other, address) in permutations(own_addresses(context, family), 2):
        path: Path = "same-host" if one.host == other.host else "cross-host"
        yield Way(path, family, one.name, one.namespace, other.name, address)


def with_client(context: Context, family: AddressFamily) -> Iterator[Way]:
    """Between the external client and every endpoint's own address, both directions."""
    client = context.lab.client
    outside = context.node_address(client, family)
    for endpoint, address in own_addresses(context, family):
        yield Way("inbound", family, "client", client.namespace, endpoint.name, address)
        yield Way("outbound", family, endpoint.name, endpoint.namespace, "client", outside)


def published(context: Context, family: AddressFamily) -> Iterator[Way]:
    """To every published port: from the client, from other endpoints of the same host, and from the endpoint itself."""
    version = 4 if family == "ipv4" else 6
    for target in context.endpoints.values():
        for place in target.publications:
            if place.address.version != version:
                continue
            protocols = (place.protocol,)
            yield Way(
                "published",
                family,
                "client",
                context.lab.client.namespace,
                target.name,
                place.address,
                place.port,
                protocols,
            )
            for source in context.endpoints.values():
                if source.host == target.host:
                    yield Way(
                        "published-hairpin",
                        family,
                        source.name,
                        source.namespace,
                        target.name,
                        place.address,
                        place.port,
                        protocols,
                    )
