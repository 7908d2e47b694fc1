"""Pair: endpoints of two implementations, two of each, talk to each other: every ordered pair, by every protocol.

Nothing is primed, and nobody else talks: every frame of the router's ports is recorded, which is the wire between the
two, whatever each of them does on its own host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance import limits
from conformance.adapters.interface import Attachment
from conformance.lab.flow import Probe
from conformance.provoking.context import Context
from conformance.provoking.paths import between_endpoints
from conformance.provoking.probes import PORT, probe
from conformance.recording.model import FlowProtocol

PROTOCOLS: tuple[FlowProtocol, ...] = ("tcp", "udp")
PARALLEL = 8
"""Flows of each protocol on each way beside the first one: what translates shows it by their ports."""
SHARED_SOURCE_PORT = 40_002
"""Both endpoints of a host send from it at the same time: what shares one address between them has to change one."""


def run(context: Context) -> None:
    """Attach two endpoints on each host, and send everything at once."""
    context.attach_all([(host, Attachment(f"{host.name}{letter}")) for host in context.hosts for letter in "ab"])
    context.snapshot("before")
    context.serve(tcp=(PORT,), udp=(PORT,))
    with context.window("pair"):
        context.run(list(_probes(context)), limits.ANSWER)
    context.snapshot("after")


def _probes(context: Context) -> Iterator[Probe]:
    for family in context.families:
        for way in between_endpoints(context, family):
            if way.path != "cross-host":
                continue
            yield probe(context, way, "reach", "icmp", 0)
            for protocol in PROTOCOLS:
                yield probe(context, way, "reach", protocol, PORT)
                if way.target.endswith("a"):
                    yield replace(probe(context, way, "identity", protocol, PORT), source_port=SHARED_SOURCE_PORT)
                for _ in range(PARALLEL):
                    yield probe(context, way, "identity", protocol, PORT)
