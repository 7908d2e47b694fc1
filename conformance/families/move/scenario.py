"""Move: endpoints move while a peer and the external client send them steady one-way streams.

Every kind of move that the implementation makes is tried four times at once: three times the endpoint is silent until
the window has ended, so that nothing but its announcements can teach the network where it is; once it answers. The
scenario sends no ARP and no advertisement for it. Neighbour entries, forwarding databases and addresses are written
down as the kernel announces them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, power_of
from conformance.adapters.interface.powers import Attempting, MoveKind, MoveStyle, Moving, Outside
from conformance.families.move.scenario_conflict import contest
from conformance.families.move.scenario_connections import hold_flows, resume_flows
from conformance.families.move.scenario_observers import ask, observers, prime
from conformance.lab.kernel.monitor import NEIGHBOURS, PRESENCE, Monitor
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host
from conformance.lab.streams.counters import Ends, count_stream
from conformance.lab.streams.plan import StreamPlan
from conformance.lab.streams.receiver import Receiver
from conformance.lab.streams.streams import Streams
from conformance.provoking.context import Context, tap_name
from conformance.provoking.silence import keep_silent
from conformance.recording.events import row_of
from conformance.recording.events.addressing import MonitorOverflowed, NotOneSegment
from conformance.recording.events.links import TimerLate
from conformance.recording.model import InterfaceState, MoveState, Path
from conformance.testbed import Segment, Station, Testbed

STYLES: Final[tuple[MoveStyle, ...]] = ("silent", "silent", "silent", "talking")
"""The attempts of each kind of move; a subject may have others (`Attempting`)."""
STYLES_APART: Final[tuple[MoveStyle, ...]] = ("silent", "talking")
"""The attempts of each kind of move to a host in another subnet."""
STYLES_CRASH: Final[tuple[MoveStyle, ...]] = ("silent",)
"""The attempts of a crash: what takes over waits for a timer of its protocol first."""
SWITCH: Final = 0.0005
"""Seconds after which one thread lets another one run: streams must not hold up what moves."""
OUTSIDE: Final = "outside"


def shape(testbed: Testbed) -> Testbed:
    """One segment for the hosts as it is, with a router that leads to the client: a router's memory counts as well."""
    if testbed.routed:
        return testbed
    name, segment = next(iter(testbed.segments.items()))
    four, six = IPv4Network("203.0.113.0/24"), IPv6Network("2001:db8:0:ffff::/64")
    inside = segment.model_copy(update={"router_ipv4": segment.ipv4[-2], "router_ipv6": segment.ipv6[0xFFFE]})
    outside = Segment(ipv4=four, ipv6=six, router_ipv4=four[1], router_ipv6=six[1], mtu=testbed.segment_mtu(name))
    client = Station(segment=OUTSIDE, ipv4=four[200], ipv6=six[0xC])
    return testbed.model_copy(update={"segments": {name: inside, OUTSIDE: outside}, "client": client})


@dataclass
class MoveAttempt:
    """One move of one endpoint, as it goes on."""

    name: str
    kind: MoveKind
    style: MoveStyle
    source: Host
    target: Host
    endpoint: Endpoint
    before: InterfaceState
    target_namespace: Namespace | None = None
    old: Receiver | None = None
    new: Receiver | None = None
    started_ns: int = 0
    done_ns: int = 0
    moved: Endpoint | None = None
    problem: str | None = None

    @property
    def stays(self) -> bool:
        """Whether the endpoint's namespace is the same before and after."""
        return self.target_namespace is self.endpoint.namespace

    @property
    def carried(self) -> bool:
        """Whether its own kernel, and so its sockets, go with it to another host, and nothing else teaches the way."""
        return self.stays and self.target is not self.source and self.style == "silent"

    @property
    def place(self) -> str:
        """How the namespace after the move is called in the recording."""
        return self.name if self.stays else f"{self.name}-new"


def run(context: Context) -> None:
    """Attach, look on from everywhere, prime, stream, move all at once, watch, and ask who has the addresses."""
    subject = power_of(context.subject, Moving)
    if subject is None:
        raise AdapterError("it cannot move an endpoint (see adapters/interface/powers.py, Moving)")
    if _apart(context):
        context.event(NotOneSegment())
        if "routed-move" not in context.claims:
            return
    sys.setswitchinterval(SWITCH)
    with Monitor() as monitor:
        monitor.watch(context.lab.rack, "rack", NEIGHBOURS)
        for host in context.hosts:
            monitor.watch(host.namespace, host.name, NEIGHBOURS)
        attempts = _attach(context, subject)
        _watch(context, subject, monitor, attempts)
        watching = observers(context, monitor)
        prime(context, watching, [attempt.endpoint for attempt in attempts])
        lasting = hold_flows(context, [attempt.endpoint for attempt in attempts if attempt.carried])
        streams = _moves(context, subject, monitor, attempts)
        ended = time.time_ns()
        resume_flows(context, lasting)
        ask(context, watching, [attempt.name for attempt in attempts])
        keep_silent(limits.SOLICITATION_ANSWER)
        context.snapshot("after")
        context.moves.extend(_state(context, attempt, ended) for attempt in attempts)
        if "conflict-detection" in context.claims:
            contest(context, watching, attempts[0].name)
            context.snapshot_hosts("contested", tracked=False)
        context.changes.extend(monitor.stop())
    for where in monitor.overflowed:
        context.event(MonitorOverflowed(where=where))
    context.events.extend(map(row_of, _late(streams)))
    _write_down(context, attempts, streams)


def _apart(context: Context) -> bool:
    """Whether the hosts are in different subnets."""
    return len({host.station.segment for host in context.hosts}) > 1


def _attach(context: Context, subject: Moving) -> list[MoveAttempt]:
    """A peer on each host, and on the first one whatever is going to move."""
    source, target = context.hosts[0], context.hosts[-1]
    attempting = power_of(subject, Attempting)
    own = STYLES if attempting is None else attempting.styles
    styles = STYLES_APART if _apart(context) else own
    kinds = [kind for kind in subject.moves if kind != "restart" or not _apart(context)]
    tried = {kind: STYLES_CRASH if kind == "crash" else styles for kind in kinds}
    wanted = [(f"{kind}{n}", kind, style) for kind in kinds for n, style in enumerate(tried[kind], 1)]
    several = [f"{kind}1" for kind in kinds] if "multi-address" in context.claims else []
    requests = [(host, Attachment(f"{host.name}p", peer=True)) for host in context.hosts]
    requests += [(source, Attachment(name, extra_addresses=int(name in several))) for name, _, _ in wanted]
    context.attach_all(requests)
    return [
        MoveAttempt(
            name,
            kind,
            style,
            source,
            source if kind == "restart" else target,
            context.endpoints[name],
            context.interface(context.endpoints[name]),
        )
        for name, kind, style in wanted
    ]


def _write_down(context: Context, attempts: list[MoveAttempt], streams: Streams) -> None:
    by_address = {
        str(address): attempt
        for attempt in attempts
        for family in context.families
        for address in context.addresses(attempt.endpoint, family)
    }
    for plan in streams.plans:
        context.streams.append(count_stream(streams, plan, _ends(context, by_address[plan.destination], plan)))


def _late(streams: Streams) -> list[TimerLate]:
    """When our own timer was late: what waits for a timer on the same machine is as late (see judging/timing.slack)."""
    return [
        TimerLate(time_ns=after, seconds=round((after - before) / 1e9, 3))
        for before, after in pairwise(streams.stamps)
        if after - before > limits.STREAM_TICK_LATE * 1e9
    ]


def _watch(context: Context, subject: Moving, monitor: Monitor, attempts: list[MoveAttempt]) -> None:
    """Monitors and, where the new place is there already, taps before anything moves."""
    for attempt in attempts:
        monitor.watch(attempt.endpoint.namespace, attempt.name, PRESENCE)
        attempt.target_namespace = subject.target_namespace(attempt.endpoint, attempt.target, attempt.kind)
        if attempt.target_namespace is not None and not attempt.stays:
            context.tap(attempt.target_namespace, attempt.place)
            monitor.watch(attempt.target_namespace, attempt.place, PRESENCE)
        elif power_of(context.subject, Outside) is not None:
            context.watch(attempt.target, attempt.name, None)


def _moves(context: Context, subject: Moving, monitor: Monitor, attempts: list[MoveAttempt]) -> Streams:
    """Move everything while the streams run, at the same time where the kernels allow it, and watch until the window
    ends. The slowest kernel sets the rate of the streams."""
    window = limits.MOVE_WINDOW if context.variant == "fast" else limits.MOVE_WINDOW_THOROUGH
    kernels = [attempt.endpoint.namespace.kernel for attempt in attempts]
    rate = min(kernel.stream_rate for kernel in kernels)
    together = all(kernel.moves_together for kernel in kernels)
    with Streams(list(_plans(context, attempts)), rate) as streams:
        for attempt in attempts:
            attempt.old = streams.receive(attempt.endpoint.namespace, attempt.name)
            if attempt.target_namespace is not None and not attempt.stays:
                attempt.new = streams.receive(attempt.target_namespace, attempt.place)
                _welcome(attempt)
        keep_silent(limits.PRIMED - limits.STREAMED)
        streams.begin()
        keep_silent(limits.STREAMED)
        with (
            context.window("move", "rarp-untagged"),
            context.window("move-tagged", "rarp-tagged"),
            ThreadPoolExecutor(len(attempts) if together else 1, thread_name_prefix="move") as threads,
        ):
            list(threads.map(lambda attempt: _move(context, subject, monitor, streams, attempt), attempts))
            keep_silent(window)
    return streams


def _move(context: Context, subject: Moving, monitor: Monitor, streams: Streams, attempt: MoveAttempt) -> None:
    attempt.started_ns = time.time_ns()
    try:
        moved = subject.move(attempt.endpoint, attempt.target, attempt.kind)
    except AdapterError as problem:
        attempt.problem = str(problem)
        return
    attempt.done_ns = moved.since_ns or time.time_ns()
    if attempt.target_namespace is None:
        context.tap(moved.namespace, attempt.place)
        monitor.watch(moved.namespace, attempt.place, PRESENCE)
        attempt.new = streams.receive(moved.namespace, attempt.place)
    elif attempt.stays:
        attempt.new = attempt.old
    _welcome(attempt)
    attempt.moved = context.endpoints[attempt.name] = moved


def _welcome(attempt: MoveAttempt) -> None:
    assert attempt.new is not None
    attempt.new.is_new = True
    attempt.new.answers = attempt.style == "talking"


def _plans(context: Context, attempts: list[MoveAttempt]) -> Iterator[StreamPlan]:
    """From a peer on the other host and from the external client to each endpoint, both families."""
    peer, client = context.endpoints[f"{context.hosts[-1].name}p"], context.lab.client
    for attempt in attempts:
        for family in context.families:
            for address in context.addresses(attempt.endpoint, family)[:1]:
                for name, namespace in ((peer.name, peer.namespace), (client.name, client.namespace)):
                    yield StreamPlan(context.number(), namespace, name, family, str(address))


def _ends(context: Context, attempt: MoveAttempt, plan: StreamPlan) -> Ends:
    """Where a stream's endpoint lived; in one namespace it moved when the address went."""
    path: Path = "inbound" if plan.source == context.lab.client.name else "cross-host"
    gone = [
        change.time_ns
        for change in context.changes
        if (change.where, change.key, change.state) == (attempt.name, plan.destination, "gone")
        and change.time_ns > attempt.started_ns
    ]
    assert attempt.old is not None
    return Ends(attempt.name, path, attempt.old, attempt.new, gone[0] if gone else attempt.done_ns)


def _state(context: Context, attempt: MoveAttempt, ended: int) -> MoveState:
    after = attempt.moved
    return MoveState(
        endpoint=attempt.name,
        kind=attempt.kind,
        style=attempt.style,
        source=attempt.source.name,
        target=attempt.target.name,
        started_ns=attempt.started_ns,
        done_ns=attempt.done_ns,
        ended_ns=ended,
        before=attempt.before,
        after=None if after is None else context.interface(after),
        tap_before=tap_name(attempt.endpoint, attempt.name),
        tap_after=tap_name(after or attempt.endpoint, attempt.place),
        place_before=attempt.name,
        place_after=attempt.place,
        problem=attempt.problem,
    )
