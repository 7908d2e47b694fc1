"""Connections that are to outlast a move: opened before it, idle meanwhile, and used again after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from conformance import limits
from conformance.adapters.interface import Endpoint
from conformance.lab.flow import Probe, Server
from conformance.lab.flow.held import Held
from conformance.provoking.context import Stage

PURPOSE: Final = "survive"
PORT: Final = 5610
"""Where nothing else of the suite listens."""
CONNECTIONS: Final = 3
"""Of each endpoint and family."""


def hold_flows(stage: Stage, endpoints: Sequence[Endpoint]) -> list[Held]:
    """Connect to each endpoint from the peer on the last host; nothing is sent on the connections afterwards."""
    peer = stage.endpoints[f"{stage.hosts[-1].name}p"]
    probes: list[Probe] = []
    for endpoint in endpoints:
        stage.engine.serve(Server(name=endpoint.name, namespace=endpoint.namespace, tcp_ports=(PORT,)))
        probes += _probes(stage, peer, endpoint)
    return stage.engine.hold(probes, limits.ANSWER) if probes else []


def _probes(stage: Stage, peer: Endpoint, endpoint: Endpoint) -> Iterator[Probe]:
    for family in stage.families:
        for address in stage.addresses(endpoint, family)[:1] * CONNECTIONS:
            yield Probe(
                id=stage.number(), purpose=PURPOSE, path="cross-host", protocol="tcp", family=family,
                source=peer.name, namespace=peer.namespace, target=endpoint.name, destination=str(address), port=PORT,
            )  # fmt: skip


def resume_flows(stage: Stage, held: Sequence[Held]) -> None:
    """The peer speaks on each connection; what became of it is recorded. None that was never open is counted."""
    again = {stage.number(): one for one in held if one.flow.status == "answered"}
    if again:
        stage.flows.extend(stage.engine.resume(again, limits.ANSWER, from_server=False))
