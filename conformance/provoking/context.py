"""The context on which a scenario acts: lab, implementation, taps and flows, and the record that grows meanwhile."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_interface
from typing import Literal

from conformance import limits
from conformance.adapters.interface import (
    AdapterError,
    Address,
    Attachment,
    Endpoint,
    HostSideInterface,
    Subject,
    power_of,
)
from conformance.adapters.interface.powers import Explaining, Outside
from conformance.lab import snapshot
from conformance.lab.flow import Engine, Probe, Server
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host, Lab, Node
from conformance.lab.taps.canary import send_canary
from conformance.lab.taps.ring import Instruction
from conformance.lab.taps.tap import Recorder, Role, Watch
from conformance.policy.document import Policy
from conformance.profile import Profile
from conformance.provoking.facts import asked_for
from conformance.recording.events import Event, row_of
from conformance.recording.events.attaching import AddressesSettled, AttachAsked, Attached, AttachRefused, Watched
from conformance.recording.model import (
    AddressFamily,
    Canary,
    Change,
    EndpointState,
    EventRow,
    Flow,
    InterfaceState,
    Matrix,
    MoveState,
    PortState,
    Snapshot,
    Stream,
    Window,
)

TCP_PORTS = (22, 53, 80, 179, 443, 8080)
UDP_PORTS = (53, 67, 123, 443, 500, 4500, 4789, 8472)
CLOSED_PORT = 47
"""A UDP port on which no server of the suite listens."""

FORWARDING = "net.ipv4.ip_forward"
ENDPOINT_RING = 2 << 20
"""Bytes of an endpoint's tap: it sees its own flows only."""
INTERFACE_INDEX = 0xFFFF_F008
"""Where classic BPF finds the index of a frame's interface (SKF_AD_OFF + SKF_AD_IFINDEX of linux/filter.h)."""

FAMILIES: tuple[AddressFamily, ...] = ("ipv4", "ipv6")


@dataclass
class Context:
    """What a scenario works with. Everything that it does through the context is recorded."""

    lab: Lab
    subject: Subject
    recorder: Recorder
    engine: Engine
    variant: Literal["fast", "thorough"]
    profile: Profile
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    states: dict[str, EndpointState] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    ports: list[PortState] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    moves: list[MoveState] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    program: tuple[Instruction, ...] = ()
    """Classic BPF of endpoints' taps."""
    _watched: set[tuple[str, str]] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def claims(self) -> tuple[str, ...]:
        """The features that the profile claims."""
        return self.profile.features

    @property
    def hosts(self) -> list[Host]:
        """The hosts of the testbed, in its order."""
        return list(self.lab.hosts.values())

    @property
    def families(self) -> tuple[AddressFamily, ...]:
        """The address families that the profile claims."""
        return tuple(family for family in FAMILIES if family in self.claims)

    def event(self, event: Event) -> None:
        """Write down that something happened now: the time is stamped here."""
        self.events.append(row_of(replace(event, time_ns=time.time_ns())))

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach one endpoint, watched from its first frame where the implementation allows it."""
        from_start = False
        if not request.peer:
            from_start = self.watch(host, request.name, self.subject.prepare(host, request.name))
        self.event(Watched(where=request.name, from_start=from_start))
        self.event(AttachAsked(where=request.name, host=host.name))
        endpoint = self.subject.attach(host, request)
        attached = time.time_ns()
        self.event(Attached(where=request.name, host=host.name))
        if not from_start:
            self.tap(endpoint.namespace, request.name)
        self.endpoints[endpoint.name] = endpoint
        state = self._state(endpoint, attached)
        self.states[endpoint.name] = state.model_copy(update={"labels": request.labels, "tenant": request.tenant})
        return endpoint

    def watch(self, host: Host, name: str, namespace: Namespace | None) -> bool:
        """Watch the endpoint `name` on `host`, in `namespace` or from outside; whether there was anything to watch."""
        outside = power_of(self.subject, Outside)
        host_side = None if outside is None else outside.host_side(host, name)
        if host_side is None and namespace is None:
            return False
        key = (name, "" if host_side is None else host_side.interface)
        if key not in self._watched:
            self._watched.add(key)
            if host_side is not None:
                watch_host_side(self.recorder, host_side, name, self.program)
            elif namespace is not None:
                self.tap(namespace, name)
        return True

    def tap(self, namespace: Namespace, where: str, role: Role = "endpoint") -> None:
        """Watch the namespace of an endpoint, or of a station that the scenario adds."""
        self.recorder.watch(namespace, where, role, program=self.program, size=ENDPOINT_RING)

    def attach_all(self, requests: Sequence[tuple[Host, Attachment]]) -> list[Endpoint]:
        """Attach several endpoints at the same time; one that is refused is asked for again when all are done.

        Where attaching has yet to make the host a router, the first of each host is attached alone: the kernel loses
        one of two first requests that enable forwarding at the same time (conf.all.forwarding ends at 1, every
        interface at 0).
        The first refusal stays in the record (`AttachRefused`): allocating at the same time is a requirement
        of its own. Where the second try is refused too, the first refusal is raised, which says what went wrong; the
        second one stands behind it where it says something else.

        Then Duplicate Address Detection is waited for, once for all: until it is over on the endpoints and on their
        hosts' ends, nothing can be reached, and whether attach should have waited is a requirement of its own.
        """
        routers = [host for host in self.hosts if self.profile.hops and host.namespace.sysctl(FORWARDING) == "0"]
        first = {host.name: request for host, request in reversed(requests) if host in routers}
        made = []
        for alone in (True, False):
            wave = [(host, request) for host, request in requests if (first.get(host.name) is request) is alone]
            made += self._attach_at_once(wave)
        self.endpoints = dict(sorted(self.endpoints.items()))
        self.states = dict(sorted(self.states.items()))
        places = [*(host.namespace for host in self.hosts), *(endpoint.namespace for endpoint in made)]
        self.event(AddressesSettled(late=tuple(link.await_addresses(places, limits.DAD_SETTLED))))
        return made

    def _attach_at_once(self, requests: Sequence[tuple[Host, Attachment]]) -> list[Endpoint]:
        with ThreadPoolExecutor(max(1, len(requests))) as threads:
            pending = [threads.submit(self.attach, host, request) for host, request in requests]
        made = []
        for (host, request), future in zip(requests, pending, strict=True):
            try:
                made.append(future.result())
            except AdapterError as first:
                self.event(AttachRefused(where=request.name, problem=str(first)))
                made.append(self._attach_again(host, request, first))
        return made

    def _attach_again(self, host: Host, request: Attachment, first: AdapterError) -> Endpoint:
        try:
            return self.attach(host, request)
        except AdapterError as second:
            if str(second) == str(first):
                raise first from None
            raise AdapterError(f"{first} (asked again: {second})") from second

    def _state(self, endpoint: Endpoint, attached: int) -> EndpointState:
        reported = endpoint.reported
        return EndpointState(
            name=endpoint.name,
            host=endpoint.host,
            interface=endpoint.interface,
            attached_ns=attached,
            reported_addresses=tuple(str(address) for address in reported.addresses),
            reported_mac=reported.mac,
            reported_mtu=reported.mtu,
            reported_gateways=tuple(str(address) for address in reported.gateways),
            kernel=self.interface(endpoint),
            tap=tap_name(endpoint, endpoint.name),
            publications=tuple(
                {"protocol": p.protocol, "address": str(p.address), "port": p.port, "target_port": p.target_port}
                for p in endpoint.publications
            ),
        )

    def interface(self, endpoint: Endpoint) -> InterfaceState:
        """The endpoint's interface as the kernel shows it now. Raises AdapterError where there is none."""
        for state in snapshot.interfaces(endpoint.namespace):
            if state.name == endpoint.interface:
                return state
        raise AdapterError(f"{endpoint.name}: the kernel shows no interface {endpoint.interface}")

    def addresses(self, endpoint: Endpoint, family: AddressFamily) -> list[Address]:
        """The endpoint's own addresses of one family in the kernel: global scope, usable (not tentative)."""
        found = []
        for state in self.states[endpoint.name].kernel.addresses:
            interface = ip_interface(f"{state.address}/{state.prefix_length}")
            right_family = interface.version == (4 if family == "ipv4" else 6)
            if right_family and state.scope == "global" and "dadfailed" not in state.flags:
                found.append(interface.ip)
        return found

    def node_address(self, node: Node, family: AddressFamily) -> Address:
        """The underlay address of a host or of the client."""
        return node.ipv4.ip if family == "ipv4" else node.ipv6.ip

    def serve(
        self,
        *,
        tcp: Iterable[int],
        udp: Iterable[int],
        numbers: Iterable[int] = (),
    ) -> None:
        """Answer probes in every endpoint and at the client, each under its own name."""
        client = self.lab.client
        places = [(endpoint.name, endpoint.namespace) for endpoint in self.endpoints.values()]
        for name, namespace in [*places, (client.name, client.namespace)]:
            self.engine.serve(
                Server(
                    name=name,
                    namespace=namespace,
                    tcp_ports=tuple(tcp),
                    udp_ports=tuple(udp),
                    numbers=tuple(numbers),
                )
            )

    def number(self) -> int:
        """The next flow id of this recording."""
        return next(self._numbers)

    def run(self, probes: Sequence[Probe], deadline: float) -> list[Flow]:
        """Send all probes at the same time; what became of each is recorded. `deadline` in seconds."""
        done = self.engine.run(probes, deadline)
        self.flows.extend(done)
        return done

    @contextmanager
    def window(self, name: str, form: str = "experimental") -> Iterator[None]:
        """A time that is watched: canaries on every uplink and the client's link before and after it."""
        canaries = self._canaries(form)
        start = time.time_ns()
        yield
        end = time.time_ns()
        canaries += self._canaries(form)
        self.windows.append(Window(name=name, start_ns=start, end_ns=end, canaries=tuple(canaries)))

    def _canaries(self, form: str) -> list[Canary]:
        sent = []
        for node in [*self.hosts, self.lab.client]:
            nonce, moment = send_canary(node.namespace, node.uplink, form)
            rack = f"rack:{node.name}.{node.station.segment}"
            taps = (f"{node.name}:{node.uplink}", rack)
            sent += [Canary(nonce=nonce.hex(), form=form, where=node.name, tap=tap, time_ns=moment) for tap in taps]
        return sent

    def snapshot_hosts(self, moment: str, *, tracked: bool = True) -> None:
        """Write down the state of every host alone: that of many endpoints, and the connections of a mesh (`tracked`),
        would take longer than the scenario. With it go the facts that families ask for."""
        explaining = power_of(self.subject, Explaining)
        for host in self.hosts:
            said = {} if explaining is None else explaining.explain(host)
            further = {**said, **asked_for(host, self.subject)}
            self.snapshots.append(snapshot.take(host.namespace, host.name, moment, tracked=tracked, further=further))

    def snapshot(self, moment: str) -> None:
        """Write down the state of every host, endpoint and of the client."""
        self.snapshot_hosts(moment)
        for endpoint in self.endpoints.values():
            self.snapshots.append(snapshot.take(endpoint.namespace, endpoint.name, moment, rules=False))
        self.snapshots.append(snapshot.take(self.lab.client.namespace, "client", moment, rules=False))


def tap_name(endpoint: Endpoint, where: str) -> str:
    """How the tap of an endpoint is called that is watched under the name `where`."""
    return f"{where}:{endpoint.host_side.interface if endpoint.host_side else endpoint.interface}"


def watch_host_side(
    recorder: Recorder, host_side: HostSideInterface, name: str, program: Sequence[Instruction] = ()
) -> None:
    """Watch an endpoint by the host's end of its link: what leaves the host there is what comes in at the endpoint."""
    index = link.index(host_side.namespace, host_side.interface)
    own = ((0x20, 0, 0, INTERFACE_INDEX), (0x15, 1, 0, index), (0x06, 0, 0, 0), *(program or ((0x06, 0, 0, 0xFFFF),)))
    only = frozenset({host_side.interface})
    watch = Watch(host_side.namespace, name, "endpoint", only=only, program=own, size=ENDPOINT_RING, swapped=True)
    recorder.watch_all([watch])


def machine_load() -> tuple[float, float, float]:
    """The load averages of 1, 5 and 15 minutes under which a recording was made."""
    return os.getloadavg()
