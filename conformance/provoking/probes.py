"""Probes: what is sent along a way of the lab, and expects an answer."""

from __future__ import annotations

from typing import Final

from conformance.lab.flow import Probe
from conformance.provoking.context import Context
from conformance.provoking.paths import Way
from conformance.recording.model import FlowProtocol

PORT: Final = 8080
"""Where an endpoint answers that has no reason for another port."""
SHARED_SOURCE_PORT: Final = 40_001
"""From which two endpoints of one host send to the same place, so that a translator must rewrite one."""


def probe(context: Context, way: Way, purpose: str, protocol: FlowProtocol, port: int) -> Probe:
    """One probe along a way."""
    return Probe(
        id=context.number(),
        purpose=purpose,
        path=way.path,
        protocol=protocol,
        family=way.family,
        source=way.source,
        namespace=way.namespace,
        target=way.target,
        destination=str(way.address),
        port=port if way.port is None else way.port,
    )
