"""The UDP half of a mesh: one socket for each source, one for each server, the cell's number in every datagram."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from struct import Struct
from typing import Any, Final

from conformance.lab.flow import sockets
from conformance.lab.flow.mesh_plan import NUMBER, MeshPlan, Name
from conformance.lab.flow.probe import FAMILY

_BURST: Final = 128
"""Datagrams on the way at once: small ones fit a receive buffer of the default size twice."""
_ROOM: Final = 64
ERROR: Final = Struct("=IBBBB")
"""sock_extended_err of ip(7): errno, origin, type, code, padding."""
REPORTS: Final = frozenset({2, 3})
"""SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6."""


class UdpMesh:
    """Servers of some targets, and the datagrams of all sources to them.

    `burst` serves its own datagrams; what is later is for the loop: `servers` and `sources` are its sockets.
    """

    def __init__(self, plan: MeshPlan, protocol: int, targets: Sequence[int]) -> None:
        self.plan = plan
        self.servers: list[socket.SocketType | None] = []
        self.sources: list[socket.SocketType] = []
        self.unanswered: list[dict[bytes, tuple[int, Name]]] = [{} for _ in range(plan.size)]
        self._places = [(port, target) for port in range(len(plan.ports)) for target in targets]
        self._bases = [(protocol * len(plan.ports) + port) * plan.size**2 + target for port, target in self._places]
        self._dials = [plan.name(plan.addresses[target], plan.ports[port]) for port, target in self._places]
        try:
            self._open(targets)
        except BaseException:
            self.close()
            raise
        self._names: list[Name] = [source.getsockname() for source in self.sources]
        self._numbers: dict[Any, int] = {dial[:2]: number for number, dial in enumerate(self._dials)}

    def _open(self, targets: Sequence[int]) -> None:
        plan = self.plan
        served = set(targets)
        found: dict[int, list[socket.SocketType | None]] = {}
        for number, (namespace, address) in enumerate(zip(plan.namespaces, plan.addresses, strict=True)):
            ports = [0, *plan.ports] if number in served else [0]
            source, *servers = namespace.call(self._bind, address, ports)
            self.servers += servers
            assert source is not None
            self.sources.append(source)
            if number in served:
                found[number] = servers
            sockets.report_errors(source, plan.family)
        self.servers = [found[target][port] for port, target in self._places]

    def _bind(self, address: str, ports: Sequence[int]) -> list[socket.SocketType | None]:
        opened: list[socket.SocketType | None] = []
        for port in ports:
            if port in self.plan.closed:
                opened.append(None)
                continue
            one = socket.SocketType(FAMILY[self.plan.family], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            opened.append(one)
            try:
                one.bind(self.plan.name(address, port))
            except OSError as problem:
                for each in filter(None, opened):
                    each.close()
                raise OSError(problem.errno, f"{address} port {port}: {problem.strerror}") from problem
        return opened

    def burst(self, source: int) -> None:
        """Send from `source` to every server of another endpoint, and take all answers that are there at once."""
        plan, dials, bases, waiting = self.plan, self._dials, self._bases, self.unanswered[source]
        offset = source * plan.size
        numbers = [number for number, (_, target) in enumerate(self._places) if target != source]
        nonce, pack, send = plan.nonce, NUMBER.pack, self.sources[source].sendto
        for first in range(0, len(numbers), _BURST):
            burst = numbers[first : first + _BURST]
            for number in burst:
                cell = bases[number] + offset
                message = nonce + pack(cell)
                waiting[message] = cell, dials[number]
                try:
                    send(message, dials[number])
                except OSError as problem:
                    self._resend(source, message, problem)
            for number in burst:
                self.serve(number, 1)
            self.collect(source, len(burst))

    def serve(self, number: int, most: int = _BURST) -> None:
        """Take what waits at a server, at most so many datagrams, and send each back."""
        server, delivered = self.servers[number], self.plan.tables.delivered
        if server is None:
            return
        receive, reply = server.recvfrom, server.sendto
        base, size, names = self._bases[number], self.plan.size, self._names
        for _ in range(most):
            try:
                message, peer = receive(_ROOM)
            except OSError:
                return
            cell = self.plan.number(message)
            if cell is None:
                continue
            source, elsewhere = divmod(cell - base, size)
            if not elsewhere and 0 <= source < size and names[source] == peer:
                delivered[cell] = 1
            else:
                self.plan.arrived(cell, *self._places[number], names[self.plan.where(cell)[2]], peer)
            try:
                reply(message, peer)
            except OSError:  # the target's own policy: the source has no answer
                continue

    def collect(self, source: int, most: int = _BURST) -> None:
        """Take the answers that wait at a source, at most so many; each counts only from where it was dialled."""
        waiting, answered, receive = self.unanswered[source], self.plan.tables.answered, self.sources[source].recvfrom
        for _ in range(most):
            try:
                message, peer = receive(_ROOM)
            except BlockingIOError:
                return
            except OSError:
                self.reports(source)
                continue
            entry = waiting.get(message)
            if entry is not None and entry[1] == peer:
                answered[entry[0]] = 1
                del waiting[message]

    def reports(self, source: int) -> None:
        """Take the ICMP errors that wait at a source. What is refused waits no more, what is unreachable does."""
        plan, waiting = self.plan, self.unanswered[source]
        while True:
            try:
                _, ancillary, _, dialled = self.sources[source].recvmsg(_ROOM, 512, socket.MSG_ERRQUEUE)
            except BlockingIOError:
                return
            errors = [ERROR.unpack_from(data) for _, _, data in ancillary if len(data) >= ERROR.size]
            for number, origin, *_ in errors:
                if origin not in REPORTS or dialled[:2] not in self._numbers:
                    continue
                cell = self._bases[self._numbers[dialled[:2]]] + source * plan.size
                plan.failed(cell, number)
                if plan.tables.refused[cell]:
                    waiting.pop(plan.nonce + NUMBER.pack(cell), None)

    def again(self, source: int) -> None:
        """Send once more what is unanswered, serving meanwhile what comes at once."""
        waiting = list(self.unanswered[source].items())
        for first in range(0, len(waiting), _BURST):
            burst = waiting[first : first + _BURST]
            for message, (_, dialled) in burst:
                try:
                    self.sources[source].sendto(message, dialled)
                except OSError as problem:
                    self._resend(source, message, problem)
            for _, (_, dialled) in burst:
                self.serve(self._numbers[dialled[:2]])
            self.collect(source)

    def _resend(self, source: int, message: bytes, problem: OSError) -> None:
        """Sending failed: by the error of an earlier datagram (then send again), or by the source's own system."""
        self.reports(source)
        entry = self.unanswered[source].get(message)
        if entry is None or problem.errno in {errno.EPERM, errno.EAGAIN, errno.ENOBUFS}:
            return
        try:
            self.sources[source].sendto(message, entry[1])
        except OSError as again:
            self.plan.failed(entry[0], again.errno or 0)

    def close(self) -> None:
        """Close everything."""
        for opened in (*self.servers, *self.sources):
            if opened is not None:
                opened.close()
