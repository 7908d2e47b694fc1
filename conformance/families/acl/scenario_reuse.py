"""An address that comes to another endpoint: the application that came late goes, and a database gets its addresses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Interface
from conformance.families.acl.scenario_change import LATE, TRANSPORTS, dial
from conformance.families.acl.scenario_edges import tier
from conformance.lab.flow import Probe, Server
from conformance.lab.lab import Host
from conformance.provoking.context import Context
from conformance.provoking.meshes import DATABASE
from conformance.provoking.odd_packets import OPEN
from conformance.recording.events.isolation import HeirImpossible

HEIR = "heir"


def reuse(context: Context, wanted: tuple[Interface, ...]) -> None:
    """Detach the endpoint that came late, give its addresses to one of another tier, and dial both tiers' ports."""
    host = context.hosts[0]
    try:
        context.subject.detach(context.endpoints[LATE])
        heir = context.attach(host, Attachment(HEIR, addresses=wanted, labels={"tier": "db"}))
    except AdapterError as refusal:
        context.event(HeirImpossible(where=HEIR, problem=str(refusal)))
        return
    ports = (OPEN, DATABASE)
    context.engine.serve(Server(name=heir.name, namespace=heir.namespace, tcp_ports=ports, udp_ports=ports))
    context.run(list(_probes(context, host, heir)), limits.ANSWER)


def _probes(context: Context, host: Host, heir: Endpoint) -> Iterator[Probe]:
    """From the web to what was an application's port, and from an application to the database's."""
    for purpose, name, port in (("reused-denied", "web", OPEN), ("reused-allowed", "app", DATABASE)):
        source = tier(context, name, host.name)[0]
        for over in product(context.families, TRANSPORTS):
            yield dial(context, purpose, (source, heir), over, port)
