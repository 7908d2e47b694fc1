"""Connections that are to outlast a move: opened before it, idle meanwhile, and used again after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from conformance import limits
from conformance.adapters.interface import Endpoint
from conformance.lab.flow import Probe, Server
from conformance.lab.flow.held import Held
from conformance.provoking.context import Context

PURPOSE: Final = "survive"
PORT: Final = 5610
"""Where nothing else of the suite listens."""
CONNECTIONS: Final = 3
"""Of each endpoint and family."""


def hold_flows(context: Context, endpoints: Sequence[Endpoint]) -> list[Held]:
    """Connect to each endpoint from the peer on the last host; nothing is sent on the connections afterwards."""
    peer = context.endpoints[f"{context.hosts[-1].name}p"]
    probes: list[Probe] = []
    for endpoint in endpoints:
        context.engine.serve(Server(name=endpoint.name, namespace=endpoint.namespace, tcp_ports=(PORT,)))
        probes += _probes(context, peer, endpoint)
    return context.engine.hold(probes, limits.ANSWER) if probes else []


def _probes(context: Context, peer: Endpoint, endpoint: Endpoint) -> Iterator[Probe]:
    for family in context.families:
        for address in context.addresses(endpoint, family)[:1] * CONNECTIONS:
            yield Probe(
                id=context.number(),
                purpose=PURPOSE,
                path="cross-host",
                protocol="tcp",
                family=family,
                source=peer.name,
                namespace=peer.namespace,
                target=endpoint.name,
                destination=str(address),
                port=PORT,
            )


def resume_flows(context: Context, held: Sequence[Held]) -> None:
    """The peer speaks on each connection; what became of it is recorded. None that was never open is counted."""
    again = {context.number(): one for one in held if one.flow.status == "answered"}
    if again:
        context.flows.extend(context.engine.resume(again, limits.ANSWER, from_server=False))
