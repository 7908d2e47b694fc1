"""The ICMP part of a mesh: echo between all endpoints, one raw socket each, the cell's number in every message."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from struct import Struct
from typing import Final

from conformance.lab.flow import sockets
from conformance.lab.flow.mesh_plan import NUMBER, MeshPlan, Name
from conformance.lab.flow.mesh_udp import ERROR, REPORTS
from conformance.lab.flow.probe import FAMILY
from conformance.protocols.ndp import checksum

_ECHO: Final = Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence number (RFC 792, RFC 4443 §4)."""
_ROOM: Final = 256
_REQUEST: Final = {"ipv4": 8, "ipv6": 128}
_REPLY: Final = {"ipv4": 0, "ipv6": 129}
_PROTOCOL: Final = {"ipv4": socket.IPPROTO_ICMP, "ipv6": socket.IPPROTO_ICMPV6}
_IDENTIFIER: Final = 0x504C


class IcmpMesh:
    """Echo of all sources to all targets. The kernel answers; the raw sockets see what arrives at either end.

    Its interface is that of `UdpMesh`, without servers.
    """

    def __init__(self, plan: MeshPlan, protocol: int) -> None:
        self.plan = plan
        self.servers: list[socket.SocketType | None] = []
        self.sources: list[socket.SocketType] = []
        self.unanswered: list[dict[bytes, tuple[int, Name]]] = [{} for _ in range(plan.size)]
        self._base = protocol * len(plan.ports) * plan.size**2
        self._names = [plan.name(address, 0) for address in plan.addresses]
        self._places = {address: number for number, address in enumerate(plan.addresses)}
        try:
            for namespace, name in zip(plan.namespaces, self._names, strict=True):
                self.sources.append(namespace.call(self._open, name))
                sockets.report_errors(self.sources[-1], plan.family)
        except BaseException:
            self.close()
            raise

    def _open(self, name: Name) -> socket.SocketType:
        made = socket.SocketType(
            FAMILY[self.plan.family], socket.SOCK_RAW | socket.SOCK_NONBLOCK, _PROTOCOL[self.plan.family]
        )
        made.bind(name)
        return made

    def burst(self, source: int) -> None:
        """Send from `source` to every other endpoint."""
        for target, name in enumerate(self._names):
            if target != source:
                cell = self._base + source * self.plan.size + target
                self.unanswered[source][NUMBER.pack(cell)] = cell, name
        self.again(source)
        self.collect(source)

    def again(self, source: int) -> None:
        """Send what is unanswered, for the first time or once more."""
        for number, (cell, name) in list(self.unanswered[source].items()):
            head = _ECHO.pack(_REQUEST[self.plan.family], 0, 0, _IDENTIFIER, cell & 0xFFFF)
            data = self.plan.nonce + number
            if self.plan.family == "ipv4":
                head = _ECHO.pack(_REQUEST["ipv4"], 0, checksum(head + data), _IDENTIFIER, cell & 0xFFFF)
            self._send(source, head + data, cell, name)

    def _send(self, source: int, message: bytes, cell: int, name: Name) -> None:
        """Send one; an error is that of an earlier message, which is then taken, or the source's own system's."""
        for last in (False, True):
            try:
                self.sources[source].sendto(message, name)
            except OSError as problem:
                self.reports(source)
                if last and problem.errno not in {errno.EPERM, errno.EAGAIN, errno.ENOBUFS}:
                    self.plan.failed(cell, problem.errno or 0)
            else:
                return

    def serve(self, number: int, most: int = 0) -> None:
        """There are no servers."""

    def collect(self, place: int, most: int = 4096) -> None:
        """Take what waits at an endpoint: requests that arrived there, and answers to its own."""
        receive: Callable[[int], tuple[bytes, tuple[str, int]]] = self.sources[place].recvfrom
        for _ in range(most):
            try:
                packet, peer = receive(_ROOM)
            except BlockingIOError:
                return
            except OSError:
                self.reports(place)
                continue
            self._take(place, packet[(packet[0] & 15) * 4 :] if self.plan.family == "ipv4" else packet, peer[0])

    def _take(self, place: int, message: bytes, peer: str) -> None:
        cell = self.plan.number(message[_ECHO.size :])
        if cell is None:
            return
        _, _, source, target = self.plan.where(cell)
        if message[0] == _REQUEST[self.plan.family]:
            if target == place and self.plan.addresses[source] == peer:
                self.plan.tables.delivered[cell] = 1
            else:
                self.plan.arrived(cell, 0, place, self._names[source], self.plan.name(peer, 0))
        elif message[0] == _REPLY[self.plan.family] and source == place and self.plan.addresses[target] == peer:
            self.plan.tables.answered[cell] = 1
            self.unanswered[source].pop(NUMBER.pack(cell), None)

    def reports(self, source: int) -> None:
        """Take the ICMP errors that wait at a source. What is refused waits no more, what is unreachable does."""
        while True:
            try:
                _, ancillary, _, dialled = self.sources[source].recvmsg(_ROOM, 512, socket.MSG_ERRQUEUE)
            except BlockingIOError:
                return
            for number, origin, *_ in (ERROR.unpack_from(data) for _, _, data in ancillary if len(data) >= ERROR.size):
                target = self._places.get(dialled[0])
                if origin not in REPORTS or target is None:
                    continue
                cell = self._base + source * self.plan.size + target
                self.plan.failed(cell, number)
                if self.plan.tables.refused[cell]:
                    self.unanswered[source].pop(NUMBER.pack(cell), None)

    def close(self) -> None:
        """Close everything."""
        for opened in self.sources:
            opened.close()
