"""The engine: servers, probes and held flows of a whole lab, driven by one process."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Self

from conformance.lab.flow.arrivals import ArrivalLog
from conformance.lab.flow.datagram import DatagramExchange
from conformance.lab.flow.exchange import Exchange
from conformance.lab.flow.forms import SOURCE_PORT
from conformance.lab.flow.held import Held, Resumed, resumption
from conformance.lab.flow.loop import Loop, descriptors
from conformance.lab.flow.probe import UDP_LITE, Probe, Server
from conformance.lab.flow.run import Flight, undisturbed
from conformance.lab.flow.server import open_server, quiet_udp_lite
from conformance.lab.flow.shared import SharedExchange, SharedSource
from conformance.lab.flow.tcp import TcpExchange
from conformance.lab.kernel.namespace import Namespace
from conformance.recording.model import Answer, Flow


class Engine:
    """Serves and probes; a context manager. Servers and what arrived at them persist until `close`.

    Everything happens in the calls of `run`, `hold` and `resume`: between them nobody is served.
    """

    def __init__(self) -> None:
        self._loop = Loop()
        self._arrivals = ArrivalLog()
        self._silent: list[socket.socket] = []
        self._sources: dict[tuple[Namespace, str, str | None], SharedSource] = {}
        self._held_sources: list[SharedSource] = []
        self._used: set[int] = set()
        self._served: set[tuple[Namespace, str, str, int]] = set()
        self._quiet: set[tuple[Namespace, str]] = set()

    def serve(self, server: Server) -> None:
        """Listen on everything that `server` names.

        Raises OSError naming a port that is taken, ValueError for one that another server of the engine has.
        """
        taken = {
            (server.namespace, family, kind, port)
            for family in server.families
            for kind, ports in (("tcp", server.tcp_ports), ("udp", server.udp_ports), ("ip", server.numbers))
            for port in ports
        }
        if not taken.isdisjoint(self._served):
            raise ValueError(f"{server.name}: another server in its namespace has a port of it")
        self._served |= taken
        with descriptors():
            self._silent.extend(open_server(server, self._loop, self._arrivals))

    def run(self, probes: Sequence[Probe], deadline: float, *, bulk: bool = False) -> list[Flow]:
        """Run all probes at once and return their flows in the same order.

        Each has at least `deadline` seconds, the last of them exactly so many: one wait for all that stay
        unanswered. With `bulk`, made for thousands of reachability probes, UDP probes without a request (source
        port, TTL, size, DF) share one socket for each source, and TCP connections end with RST, which leaves no port
        in TIME-WAIT. Raises ValueError for a flow id that was used before.
        """
        self._claim([probe.id for probe in probes])
        with undisturbed(), descriptors() as room:
            run = Flight(self._loop, self._arrivals)
            exchanges = [self._exchange(probe, run, bulk=bulk) for probe in probes]
            run.go(exchanges, deadline, room + len(self._loop))
            return [exchange.record() for exchange in exchanges]

    def hold(self, probes: Sequence[Probe], deadline: float) -> list[Held]:
        """Open the TCP and UDP flows of `probes` and keep them open; `Held.flow` tells of the opening.

        Raises ValueError for another protocol or a flow id that was used before.
        """
        return self.hold_and_run(probes, (), deadline)[0]

    def hold_and_run(
        self, probes: Sequence[Probe], others: Sequence[Probe], deadline: float
    ) -> tuple[list[Held], list[Flow]]:
        """`hold` the flows of `probes` and `run` the `others` at the same time: one wait for what nobody answers."""
        if any(probe.protocol not in {"tcp", "udp"} for probe in probes):
            raise ValueError("only TCP and UDP flows can be held")
        self._claim([probe.id for probe in (*probes, *others)])
        with descriptors() as room:
            run = Flight(self._loop, self._arrivals)
            kept = [self._held(probe, run) for probe in probes]
            beside = [self._exchange(probe, run, bulk=False) for probe in others]
            run.go([*kept, *beside], deadline, room + len(self._loop))
        ends = self._arrivals.ends
        held = [
            Held(probe, exchange.record(), exchange.near, ends.get(probe.id))
            for probe, exchange in zip(probes, kept, strict=True)
        ]
        return held, [exchange.record() for exchange in beside]

    def resume(self, held: Mapping[int, Held], deadline: float, *, from_server: bool = True) -> list[Flow]:
        """Send one packet through each held flow (by the id of the new flow), from the side of the server first.

        The flows returned run from the side that sends: `local` and `dialled` are the 5-tuple as the sender's socket
        has it, `arrival` is the one that the other end saw. A flow that was never established ends in "error". Raises
        ValueError for a flow id that was used before.
        """
        return self.resume_and_run(held, (), deadline, from_server=from_server)[0]

    def resume_and_run(
        self, held: Mapping[int, Held], others: Sequence[Probe], deadline: float, *, from_server: bool = True
    ) -> tuple[list[Flow], list[Flow]]:
        """`resume` the `held` flows and `run` the `others` at the same time: one wait for what nobody answers."""
        self._claim([*held, *(probe.id for probe in others)])
        run = Flight(self._loop, self._arrivals)
        again: list[Exchange | None] = []
        for flow, one in held.items():
            found = resumption(one, flow, from_server=from_server)
            again.append(Resumed(found[0], run, found[1]) if found is not None else None)
        with descriptors() as room:
            beside = [self._exchange(probe, run, bulk=False) for probe in others]
            run.go([*(one for one in again if one is not None), *beside], deadline, room + len(self._loop))
        resumed = [
            exchange.record() if exchange is not None else _never(flow, one.flow)
            for exchange, (flow, one) in zip(again, held.items(), strict=True)
        ]
        return resumed, [exchange.record() for exchange in beside]

    def arrival(self, flow: int) -> Answer | None:
        """What the destination has seen of a flow by now, None where nothing arrived."""
        return self._arrivals.arrival(flow)

    def close(self) -> None:
        """Close every socket."""
        for source in [*self._sources.values(), *self._held_sources]:
            source.close()
        for one in self._silent:
            one.close()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _claim(self, flows: Sequence[int]) -> None:
        fresh = set(flows)
        if len(fresh) != len(flows) or not fresh.isdisjoint(self._used):
            raise ValueError("a flow id is used twice")
        self._used |= fresh

    def _exchange(self, probe: Probe, run: Flight, *, bulk: bool) -> Exchange:
        if probe.protocol == "tcp":
            return TcpExchange(probe, run, hasty=bulk)
        plain = not (probe.source_port or probe.ttl or probe.size or probe.dont_fragment)
        if bulk and plain and probe.protocol == "udp":
            key = (probe.namespace, probe.family, probe.source_address)
            source = self._sources.get(key)
            if source is None:
                source = self._sources[key] = SharedSource(probe, self._loop, self._arrivals)
            return SharedExchange(probe, run, source)
        if probe.number == UDP_LITE:
            self._quiet_source(probe)
        return DatagramExchange(probe, run)

    def _quiet_source(self, probe: Probe) -> None:
        """Keep the source's kernel from refusing the answer of a UDP-Lite flow."""
        key = (probe.namespace, probe.family)
        if key not in self._quiet:
            self._quiet.add(key)
            self._silent.extend(quiet_udp_lite(probe.namespace, probe.family, probe.source_port or SOURCE_PORT))

    def _held(self, probe: Probe, run: Flight) -> TcpExchange | SharedExchange:
        if probe.protocol == "tcp":
            return TcpExchange(probe, run, held=True)
        source = SharedSource(probe, self._loop, self._arrivals)
        self._held_sources.append(source)
        return SharedExchange(probe, run, source, held=True)


def _never(flow: int, opening: Flow) -> Flow:
    return opening.model_copy(
        update={
            "id": flow,
            "status": "error",
            "detail": "the flow was never established",
            "report": None,
            "arrival": None,
            "answer": None,
        }
    )
