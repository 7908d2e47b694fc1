"""When a policy is in force: while an endpoint attaches, while what enforces it is restarted, and while it is changed
for another.

Datagrams run at a steady pace from before the change until after it, each of a flow of its own where the answer must
not rest on what connection tracking remembers.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Address, Attachment, Endpoint, Interface, power_of
from conformance.adapters.interface.powers import Restarting
from conformance.families.acl.scenario_edges import tier
from conformance.lab.flow import Probe
from conformance.lab.lab import Host
from conformance.policy.document import Policy, Rule
from conformance.protocols import crafted
from conformance.protocols.marker import mark
from conformance.provoking.context import Context
from conformance.provoking.odd_packets import OPEN, raw_socket
from conformance.provoking.silence import keep_silent
from conformance.recording.events.isolation import LateImpossible, RestartAsked
from conformance.recording.model import AddressFamily, Flow, FlowProtocol, Socket

PORT: Final = 8003
"""Of the streams: within the range that is open from the web to the applications."""
LATE: Final = "late"
"""Who attaches under traffic."""
TRANSPORTS: Final[tuple[FlowProtocol, ...]] = ("tcp", "udp")
PORTS: Final = range(20_000, 30_000)
"""Source ports, of which each datagram has the next."""


@dataclass(frozen=True)
class Stream:
    """Datagrams of one purpose, from an endpoint to an address at which somebody lives, or will."""

    flow: Flow
    source: Endpoint
    near: Address
    far: Address
    port: int


def stream(context: Context, purpose: str, source: Endpoint, target: tuple[str, Address], port: int = PORT) -> Stream:
    """A stream from the first own address of `source` to `target` (name and address)."""
    name, far = target
    family: AddressFamily = "ipv4" if far.version == 4 else "ipv6"
    near = context.addresses(source, family)[0]
    flow = Flow(
        id=context.number(),
        purpose=purpose,
        path="same-host",
        protocol="udp",
        family=family,
        source=source.name,
        target=name,
        dialled=Socket(address=str(far), port=port),
        local=Socket(address=str(near), port=0),
        status="timeout",
    )
    return Stream(flow, source, near, far, port)


class Pace:
    """How far the streams are: datagrams sent of each."""

    sent = 0


@contextmanager
def running(context: Context, streams: Sequence[Stream]) -> Iterator[Pace]:
    """All streams, in a thread of their own, until the context ends; then they are in the record."""
    progress = Pace()
    end = threading.Event()
    with ExitStack() as resources:
        senders = [resources.enter_context(raw_socket(one.source.namespace, one.flow.family)) for one in streams]
        thread = threading.Thread(target=_send, args=(streams, senders, end, progress), name="streams")
        began = time.time_ns()
        thread.start()
        try:
            yield progress
        finally:
            end.set()
            thread.join()
    context.flows.extend(one.flow.model_copy(update={"sent_ns": began, "done_ns": time.time_ns()}) for one in streams)


def _send(streams: Sequence[Stream], senders: Sequence[socket.socket], end: threading.Event, progress: Pace) -> None:
    """One datagram of each stream after another, `limits.STREAM_PACE` apart; its number is behind the marker."""
    for number, sport in zip(itertools.count(), itertools.cycle(PORTS)):
        for one, sender in zip(streams, senders, strict=True):
            data = mark(one.flow.id) + struct.pack("!I", number)
            datagram = crafted.udp(one.near, one.far, (sport, one.port), data)
            with suppress(OSError):  # nobody is there yet
                sender.sendto(crafted.ip(one.near, one.far, crafted.UDP, datagram), (str(one.far), 0))
        progress.sent = number
        if end.wait(limits.STREAM_PACE):
            return


# --- while an endpoint attaches -----------------------------------------------------------------------------------
def late(context: Context) -> tuple[Interface, ...]:
    """Attach one more application, at addresses that are known before: its neighbours already send to it. Returns these
    addresses; none where it was refused."""
    host = context.hosts[0]
    wanted = tuple(_free(context, host, family) for family in context.families)
    streams = []
    for one_wanted in wanted:
        for purpose, name in (("late-denied", "db"), ("late-allowed", "web")):
            streams += [
                stream(context, purpose, one, (LATE, one_wanted.ip)) for one in tier(context, name, host.name)[:1]
            ]
    with running(context, streams):
        try:
            endpoint = context.attach(host, Attachment(LATE, addresses=wanted, labels={"tier": "app"}))
        except AdapterError as refusal:
            context.event(LateImpossible(where=LATE, problem=str(refusal)))
            return ()
        for one_wanted in wanted:
            with _receiver(endpoint, one_wanted.ip) as receiver:
                _await(receiver, limits.RESOLUTION)
        keep_silent(limits.STREAM_AFTER)
    return wanted


def _free(context: Context, host: Host, family: AddressFamily) -> Interface:
    """An address that nobody has, of the prefix that the host's other endpoints are in: on the segment, or behind the
    host."""
    pool, workload = (host.pool_ipv4, host.workload_ipv4) if family == "ipv4" else (host.pool_ipv6, host.workload_ipv6)
    known = next(one for one in context.endpoints.values() if one.host == host.name)
    prefix = pool if context.addresses(known, family)[0] in pool else workload
    return ip_interface(f"{prefix[min(200, prefix.num_addresses - 3)]}/{prefix.max_prefixlen}")


# --- while it is restarted ----------------------------------------------------------------------------------------
def again(context: Context) -> bool:
    """Restart what enforces the policy on the first host, under traffic there; False where its adapter cannot."""
    subject = power_of(context.subject, Restarting)
    if subject is None:
        return False
    host = context.hosts[0]
    target = tier(context, "app", host.name)[0]
    places = [context.addresses(target, family)[0] for family in context.families]
    streams = [
        stream(context, purpose, one, (target.name, place))
        for place in places
        for purpose, name in (("restart-denied", "db"), ("restart-allowed", "web"))
        for one in tier(context, name, host.name)[:1]
    ]
    with running(context, streams):
        _await_all(target, places)
        context.event(RestartAsked(where=host.name))
        subject.restart(host)
        _await_all(target, places)
    return True


def _await_all(target: Endpoint, places: Sequence[Address]) -> None:
    """Until something comes at each of these addresses, if it does, and a little longer."""
    for place in places:
        with _receiver(target, place) as receiver:
            _await(receiver, limits.POLICY_EFFECT)
    keep_silent(limits.STREAM_AFTER)


# --- while the policy changes -------------------------------------------------------------------------------------
def turned(policy: Policy) -> Policy:
    """The same policy with the applications shut to the web, and the web opened to them."""
    shut = ("app-for-web", "app-datagrams-for-web")
    rules = [rule.model_copy(update={"action": "deny"}) if rule.name in shut else rule for rule in policy.rules]
    opened = Rule(
        name="web-for-app",
        direction="ingress",
        of="web",
        peer="app",
        protocol="udp",
        ports=(str(PORT),),
        action="allow",
    )
    return policy.model_copy(update={"name": f"{policy.name}-turned", "rules": (*rules, opened)})


def change(context: Context, policy: Policy, apply: Callable[[Policy], None]) -> None:
    """Turn the policy round under traffic: what was allowed is denied, what was denied allowed, the rest goes on."""
    web, others, app = tier(context, "web"), tier(context, "web")[1], tier(context, "app")[0]
    held = context.engine.hold(list(_held(context, web[0], app)), limits.ANSWER)
    here, there = (context.addresses(one, context.families[0])[0] for one in (web[0], app))
    streams = [
        stream(context, "turned-denied", web[0], (app.name, there)),
        stream(context, "turned-allowed", app, (web[0].name, here)),
        stream(context, "untouched", others, (web[0].name, here), port=53),
    ]
    with _receiver(web[0], here) as opened, _receiver(app, there) as closed, running(context, streams) as far:
        keep_silent(limits.STREAM_AFTER)
        apply(turned(policy))
        _await(opened, limits.POLICY_EFFECT)
        _await_silence(closed, far, limits.POLICY_EFFECT + limits.STREAM_AFTER)
    again = {context.number(): one for one in held}
    context.flows.extend(context.engine.resume(again, limits.ANSWER, from_server=False))


def _held(context: Context, source: Endpoint, target: Endpoint) -> Iterator[Probe]:
    """Flows that are open when the policy changes, of each family: a connection, and datagrams that were answered."""
    for over in itertools.product(context.families, TRANSPORTS):
        yield dial(context, "established", (source, target), over, OPEN)


def dial(
    context: Context,
    purpose: str,
    ends: tuple[Endpoint, Endpoint],
    over: tuple[AddressFamily, FlowProtocol],
    port: int,
) -> Probe:
    """A probe from one endpoint to a port of another one of the same host."""
    source, target = ends
    family, protocol = over
    return Probe(
        id=context.number(),
        purpose=purpose,
        path="same-host",
        protocol=protocol,
        family=family,
        source=source.name,
        namespace=source.namespace,
        target=target.name,
        destination=str(context.addresses(target, family)[0]),
        port=port,
    )


def _receiver(endpoint: Endpoint, address: Address) -> socket.socket:
    made = endpoint.namespace.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    made.bind((str(address), PORT))
    return made


def _await(receiver: socket.socket, deadline: float) -> bool:
    """Whether a datagram comes in time."""
    receiver.settimeout(deadline)
    try:
        return bool(receiver.recv(64))
    except TimeoutError:
        return False


def _await_silence(receiver: socket.socket, far: Pace, deadline: float) -> None:
    """Until nothing came of many datagrams that were sent meanwhile, or until the deadline."""
    until = time.monotonic() + deadline
    seen = far.sent
    while time.monotonic() < until and far.sent - seen < limits.STREAM_ENDED:
        if _await(receiver, limits.STREAM_AFTER):
            seen = far.sent
