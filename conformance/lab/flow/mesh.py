"""All ordered pairs of many endpoints at once, as fast as one process can: verdicts in arrays, no record for each flow.

`Engine` is the tool where a flow's story matters. Here a TCP probe is a handshake that ends in RST and a UDP probe one
small datagram and back. Each burst is served as it is sent, because over veth a packet has arrived, and been answered
by the kernel, when the call that sent it returns; what is not answered at once is left to one epoll loop.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

from conformance.lab.flow.loop import descriptors
from conformance.lab.flow.mesh_icmp import IcmpMesh
from conformance.lab.flow.mesh_plan import MeshPlan
from conformance.lab.flow.mesh_result import MeshResult, Transport, finished
from conformance.lab.flow.mesh_tcp import TcpMesh
from conformance.lab.flow.mesh_udp import UdpMesh
from conformance.lab.flow.run import undisturbed
from conformance.lab.kernel.namespace import Namespace
from conformance.limits import ANSWER, RETRY, TRIES
from conformance.recording.model import AddressFamily

_SHARDS: Final = 2
"""Threads that send at once: almost all time is the kernel's, outside of the interpreter's lock."""
_SHARE: Final = 16
"""Targets that are worth a thread."""


@dataclass(frozen=True)
class Wanted:
    """One mesh: all ordered pairs of `endpoints` (name, namespace, address), all `ports` with all `protocols`.

    The ports are served on all endpoints, except those of `ports` that `closed` names. For icmp, which is a mesh of its
    own, `ports` is (0,).
    """

    endpoints: Sequence[tuple[str, Namespace, str]]
    ports: Sequence[int]
    protocols: Sequence[Transport] = ("tcp", "udp")
    family: AddressFamily = "ipv4"
    closed: Collection[int] = ()


def mesh(
    endpoints: Sequence[tuple[str, Namespace, str]],
    ports: Sequence[int],
    protocols: Sequence[Transport] = ("tcp", "udp"),
    family: AddressFamily = "ipv4",
    deadline: float = ANSWER,
    *,
    closed: Collection[int] = (),
) -> MeshResult:
    """Probe from every endpoint (name, namespace, address) to every other, on all `ports` with all `protocols`.

    Serves the ports on all endpoints itself, except those of `ports` that `closed` names. An unanswered datagram is
    sent again, `limits.TRIES` in all, `limits.RETRY` apart; SYNs are repeated by the kernel. All that stays unanswered
    shares one deadline, `deadline` seconds from the last first try. Raises OSError for a port that is taken and where
    more TCP probes stay unanswered than the process may have descriptors, ValueError for an address that is not global.
    """
    return meshes([Wanted(endpoints, ports, protocols, family, closed)], deadline)[0]


def meshes(wanted: Sequence[Wanted], deadline: float = ANSWER) -> list[MeshResult]:
    """Several meshes over the same endpoints at once, as `mesh` does one: what stays unanswered is waited for once."""
    begun = time.perf_counter()
    plans = [MeshPlan(one.endpoints, one.ports, one.protocols, one.family, one.closed) for one in wanted]
    with undisturbed(), descriptors(), ExitStack() as resources:
        size = plans[0].size
        shards = _shards(size)
        tcp: list[TcpMesh] = []
        udp: list[UdpMesh | IcmpMesh] = []
        shares: list[list[TcpMesh | UdpMesh | IcmpMesh]] = [[] for _ in shards]
        for plan, protocol, name in ((one, *each) for one in plans for each in enumerate(one.protocols)):
            if name == "icmp":
                udp.append(resources.enter_context(closing(IcmpMesh(plan, protocol))))
                shares[0].append(udp[-1])
                continue
            for share, targets in zip(shares, shards, strict=True):
                if name == "tcp":
                    tcp.append(resources.enter_context(closing(TcpMesh(plan, protocol, targets))))
                    share.append(tcp[-1])
                else:
                    udp.append(resources.enter_context(closing(UdpMesh(plan, protocol, targets))))
                    share.append(udp[-1])
        with ThreadPoolExecutor(len(shards), thread_name_prefix="mesh") as threads:
            list(threads.map(partial(_burst, size), (targets.start for targets in shards), shares))
        with closing(_Rest(tcp, udp)) as rest:
            rest.run(deadline)
    seconds = time.perf_counter() - begun
    return [
        finished(plan.names, plan.ports, plan.protocols, plan.family, tables=plan.tables, seconds=seconds)
        for plan in plans
    ]


def _shards(size: int) -> list[range]:
    """The targets (by number) of each thread."""
    count = max(min(_SHARDS, len(os.sched_getaffinity(0)), size // _SHARE), 1)
    edges = [size * number // count for number in range(count + 1)]
    return [range(*edge) for edge in pairwise(edges)]


def _burst(size: int, first: int, halves: Sequence[TcpMesh | UdpMesh | IcmpMesh]) -> None:
    """Every source's first tries, from the source `first` on so that threads meet seldom."""
    for source in range(size):
        for half in halves:
            half.burst((first + source) % size)


class _Rest:
    """One epoll loop for everything that was not answered at once."""

    def __init__(self, tcp: Sequence[TcpMesh], udp: Sequence[UdpMesh | IcmpMesh]) -> None:
        self._tcp, self._udp = tcp, udp
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        for half in tcp:
            for number, listener in enumerate(half.listeners):
                if listener is not None:
                    self._watch(listener.fileno(), partial(self._listener, half, number))
            for descriptor in half.strangers:
                self._watch(descriptor, partial(self._stranger, half))
            for descriptor, (cell, _) in half.clients.items():
                if not half.plan.tables.answered[cell]:
                    self._watch(descriptor, partial(self._client, half), select.EPOLLOUT)
        for mesh_half in udp:
            for number, server in enumerate(mesh_half.servers):
                if server is not None:
                    self._watch(server.fileno(), partial(self._server, mesh_half, number))
            for number, source in enumerate(mesh_half.sources):
                self._watch(source.fileno(), partial(self._source, mesh_half, number))

    def run(self, deadline: float) -> None:
        """Serve until nothing is unanswered, or `deadline` seconds from now.

        The time by which this process was late is added, as where the machine was too busy for us it was for others.
        """
        begun = time.monotonic()
        until = begun + deadline
        tries = [begun + RETRY * number for number in range(1, TRIES)]
        while self._waiting():
            now = time.monotonic()
            if now >= until:
                break
            if tries and now >= tries[0]:
                tries.pop(0)
                self._again()
                continue
            wait = min(tries[0] if tries else until, until) - now
            self._turn(wait)
            until += max(time.monotonic() - now - wait, 0.0)
        while self._turn(0):
            pass

    def _waiting(self) -> bool:
        """Whether anything is unanswered, or answered and looked for at the servers."""
        for half in self._tcp:
            half.settle()
        return any(half.clients for half in self._tcp) or any(any(half.unanswered) for half in self._udp)

    def _turn(self, wait: float) -> int:
        ready = self._epoll.poll(wait, 4096)
        for descriptor, _ in ready:
            handler = self._handlers.get(descriptor)
            if handler is not None:
                handler(descriptor)
        return len(ready)

    def _again(self) -> None:
        for half in self._udp:
            for source, unanswered in enumerate(half.unanswered):
                if unanswered:
                    half.again(source)

    def _watch(self, descriptor: int, handler: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def _forget(self, descriptor: int) -> None:
        del self._handlers[descriptor]
        self._epoll.unregister(descriptor)

    def _listener(self, half: TcpMesh, number: int, _: int) -> None:
        for descriptor in half.accept(number):
            self._watch(descriptor, partial(self._stranger, half))

    def _stranger(self, half: TcpMesh, descriptor: int) -> None:
        self._forget(descriptor)
        half.recognise(descriptor)

    def _client(self, half: TcpMesh, descriptor: int) -> None:
        self._forget(descriptor)
        if half.progress(descriptor):
            self._watch(descriptor, partial(self._client, half), select.EPOLLOUT)

    @staticmethod
    def _server(half: UdpMesh | IcmpMesh, number: int, _: int) -> None:
        half.serve(number)

    @staticmethod
    def _source(half: UdpMesh | IcmpMesh, number: int, _: int) -> None:
        half.reports(number)
        half.collect(number)

    def close(self) -> None:
        """Close the loop."""
        self._epoll.close()
