"""Idle: flows stay silent for longer than any state of the path may live, then the outer side speaks first.

The fast variant lowers the lifetime of every connection-tracking state of the hosts (the same lever that an operator
has) and is silent for twice that; the thorough one leaves the hosts as they are and is silent for 2 h 5 min.

Meanwhile a late endpoint is attached, whose own flows are others (`latecomer`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from conformance import limits
from conformance.adapters.interface import Attachment
from conformance.families.nat.scenario_late import AFTERWARDS, AT_ONCE, claim, come_late, talk
from conformance.lab.flow import Probe
from conformance.lab.flow.held import Held
from conformance.lab.lab import Host
from conformance.provoking.context import Context
from conformance.provoking.paths import ways
from conformance.provoking.probes import PORT, probe
from conformance.provoking.silence import keep_silent

STATE_LIFETIMES = (
    "nf_conntrack_generic_timeout",
    "nf_conntrack_icmp_timeout",
    "nf_conntrack_icmpv6_timeout",
    "nf_conntrack_tcp_timeout_established",
    "nf_conntrack_tcp_timeout_unacknowledged",
    "nf_conntrack_udp_timeout",
    "nf_conntrack_udp_timeout_stream",
)


def run(context: Context) -> None:
    """Open flows of every path and protocol, be silent, and let the side that did not open them speak first.

    What nobody answers is waited for twice in all: when the flows are opened and when they are used again.
    """
    context.attach_all([(host, Attachment(f"{host.name}a")) for host in context.hosts])
    if context.variant == "fast":
        for host in context.hosts:
            _shorten(host)
    context.serve(tcp=(PORT,), udp=(PORT,))
    wanted = list(_held(context))
    late = come_late(context)
    first = [] if late is None else list(talk(context, late, AT_ONCE))
    opened, at_once = context.engine.hold_and_run(wanted, first, limits.ANSWER)
    context.flows.extend(at_once)
    if late is not None:
        claim(context, late)
    idle = limits.IDLE_FAST if context.variant == "fast" else limits.IDLE_THOROUGH
    keep_silent(max(0.0, idle - _silent_for(opened)))
    afterwards = [] if late is None else list(talk(context, late, AFTERWARDS))
    with context.window("idle"):
        again = {context.number(): held for held in opened}
        resumed, talked = context.engine.resume_and_run(again, afterwards, limits.ANSWER, from_server=True)
        context.flows.extend([*resumed, *talked])
    context.snapshot("after")


def _silent_for(opened: list[Held]) -> float:
    """Seconds since the last flow was opened: they are silent while what nobody answers is waited for."""
    return time.time() - max((held.flow.done_ns for held in opened if held.flow.status == "answered"), default=0) / 1e9


def _held(context: Context) -> Iterator[Probe]:
    for family in context.families:
        for way in ways(context, family):
            if way.path in ("cross-host", "inbound", "outbound"):
                for protocol in ("tcp", "udp"):
                    yield probe(context, way, "idle", protocol, PORT)


def _shorten(host: Host) -> None:
    """Give every connection-tracking state of the host the short lifetime of the fast variant."""
    for key in STATE_LIFETIMES:
        with contextlib.suppress(OSError):
            host.namespace.sysctl(f"net.netfilter.{key}", limits.IDLE_STATE_FAST)
