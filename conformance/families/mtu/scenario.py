"""Path MTU: an underlay of 1400 bytes and an outside of 1360, probed with DF set, both ways, and with fragments.

The implementation is a router of the path wherever its endpoints' MTU is larger than the underlay's; the testbed's
router is the next one on the way to the outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance import limits
from conformance.adapters.interface import Attachment
from conformance.lab.flow import Probe
from conformance.provoking.context import Context
from conformance.provoking.paths import Way, ways
from conformance.provoking.probes import PORT, probe
from conformance.testbed import Testbed

UNDERLAY = 1400
OUTSIDE = 1360
BURST = 100
FRAGMENTED = (577, 1500, 9000, 65_000)
"""IP packet sizes in bytes of MTU-06: just above what all must take, what IPv6 must reassemble, and larger ones."""
PATHS = ("same-host", "cross-host", "inbound", "outbound")


def shape(testbed: Testbed) -> Testbed:
    """The testbed with a narrow underlay and, where it is routed, a still narrower outside."""
    segments = {
        name: segment.model_copy(
            update={"mtu": OUTSIDE if testbed.routed and name == testbed.client.segment else UNDERLAY}
        )
        for name, segment in testbed.segments.items()
    }
    return testbed.model_copy(update={"segments": segments})


def run(context: Context) -> None:
    """One endpoint on each host and a second one on the first; every size at once, on every way that carries anything.

    A small datagram goes each way first: it tells whether the path carries anything at all, and resolves neighbours.
    """
    requests = [(host, Attachment(f"{host.name}a")) for host in context.hosts]
    requests.append((context.hosts[0], Attachment(f"{context.hosts[0].name}b")))
    context.attach_all(requests)
    context.serve(tcp=(PORT,), udp=(PORT,))
    context.snapshot("before")
    everything = [way for family in context.families for way in ways(context, family) if way.path in PATHS]
    with context.window("mtu"):
        small = context.run([probe(context, way, "small", "udp", PORT) for way in everything], limits.ANSWER)
        carried = [way for way, flow in zip(everything, small, strict=True) if flow.status == "answered"]
        context.run(list(_sized(context, carried)), limits.ANSWER)
        context.run(list(_bursts(context, carried)), limits.TOO_BIG_BURST + limits.RETRY)
        context.run(list(_fragmented(context, carried)), limits.ANSWER)
    context.snapshot("after")


def _sized(context: Context, carried: list[Way]) -> Iterator[Probe]:
    """DF set: the sender's own MTU, the MTU of each part of the path, and one byte to either side of them."""
    for way in carried:
        own = _mtu(context, way.source)
        wanted = {own, *(size + step for size in (OUTSIDE, UNDERLAY) for step in (-1, 0, 1, 2, 100))}
        for size in sorted(size for size in wanted if size <= own):
            yield replace(probe(context, way, "sized", "udp", PORT), size=size, dont_fragment=True)


def _bursts(context: Context, carried: list[Way]) -> Iterator[Probe]:
    """Many flows at once to outside, each of which keeps sending until it has its answer or its report."""
    tries = int(limits.TOO_BIG_BURST / limits.RETRY)
    for way in carried:
        if way.path == "outbound" and way.source == next(iter(context.endpoints)):
            for _ in range(BURST):
                size = _mtu(context, way.source)
                yield replace(probe(context, way, "burst", "udp", PORT), size=size, dont_fragment=True, tries=tries)


def _fragmented(context: Context, carried: list[Way]) -> Iterator[Probe]:
    for way in carried:
        for size in FRAGMENTED:
            yield replace(probe(context, way, "fragments", "udp", PORT), size=size)


def _mtu(context: Context, name: str) -> int:
    """MTU in bytes of the interface that `name` sends from."""
    return context.states[name].kernel.mtu if name in context.states else context.lab.client.mtu
