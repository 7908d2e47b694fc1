"""A late endpoint: it is attached, talks at once, and then claims to be the root of the spanning tree."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint
from conformance.lab.flow import Probe
from conformance.lab.lab import documentation_mac
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import RSTP, STP, Bpdu, bridge_id
from conformance.provoking.context import Context
from conformance.provoking.paths import ways
from conformance.provoking.probes import PORT, probe
from conformance.provoking.silence import keep_silent
from conformance.recording.events.attaching import LateEndpointRefused, RootClaimed

AT_ONCE: Final = "at-once"
AFTERWARDS: Final = "after-claims"
"""Purposes of its flows: right after it was attached, and when it has made its claims."""
WINDOW: Final = "claims"
ROOT: Final = bridge_id(0, documentation_mac(0xD7))
"""A bridge of priority 0, the best there is."""


def come_late(context: Context) -> Endpoint | None:
    """One more endpoint on the first host; None, and a line in the record, where the implementation refuses it."""
    name = f"{context.hosts[0].name}e"
    try:
        return context.attach(context.hosts[0], Attachment(name))
    except AdapterError as refusal:
        context.event(LateEndpointRefused(where=name, problem=str(refusal)))
        return None


def claim(context: Context, endpoint: Endpoint) -> None:
    """The late endpoint claims to be the root, and is watched until a bridge that heeds it has done so."""
    with context.window(WINDOW):
        _claim(context, endpoint)
        keep_silent(limits.BRIDGE_SETTLED)


def talk(context: Context, endpoint: Endpoint, purpose: str) -> Iterator[Probe]:
    """From it to everybody, in the family that is claimed first; and from those that were on its host before."""
    neighbours = {one.name for one in context.endpoints.values() if one.host == endpoint.host}
    for way in ways(context, context.families[0]):
        if way.source in neighbours and way.target not in {endpoint.name, way.source}:
            yield probe(context, way, purpose, "udp", PORT)


def _claim(context: Context, endpoint: Endpoint) -> None:
    """To be the root, in both versions, with topology changes and a notification of one."""
    source = context.states[endpoint.name].kernel.mac
    rapid = stp.DESIGNATED << 2 | stp.PROPOSAL | stp.TC
    claims = (
        Bpdu(stp.CONFIGURATION, STP, stp.TC, ROOT, 0, ROOT, 0x8001),
        Bpdu(stp.RAPID, RSTP, rapid, ROOT, 0, ROOT, 0x8001),
        Bpdu(stp.TOPOLOGY_CHANGE_NOTIFICATION, STP),
    )
    with endpoint.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for claim in claims:
            context.event(RootClaimed(where=endpoint.name, root=ROOT.hex(), source=source))
            sender.sendto(claim.build(source), (endpoint.interface, 0))
