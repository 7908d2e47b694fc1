"""The TCP half of a mesh: handshakes, each accepted at its target and then reset."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from struct import Struct
from typing import Any, Final, cast

from conformance.lab.flow.mesh_plan import NUMBER, MeshPlan, Name
from conformance.lab.flow.probe import FAMILY

_BACKLOG: Final = 4096
_LINGER: Final = Struct("ii").pack(1, 0)
"""Close with RST. Accepted connections inherit it, and their RST ends the client without TIME-WAIT as well."""
_UNDECIDED: Final = frozenset({errno.EINPROGRESS, errno.EALREADY})
_COMPLETED: Final = frozenset({0, errno.EISCONN, errno.ECONNRESET, errno.EPIPE})
"""connect(2) of a connection that had been asked for: before it is established RST is ECONNREFUSED instead."""


class TcpMesh:
    """Listeners of some targets, and the connections of all sources to them.

    `burst` is made for the many that are answered at once: over veth the handshake is done when connect(2) returns.
    What it leaves is for the loop: `clients` and `strangers` (descriptor to cell, to listener), and `listeners`.
    """

    def __init__(self, plan: MeshPlan, protocol: int, targets: Sequence[int]) -> None:
        self.plan = plan
        self.listeners: list[socket.SocketType | None] = []
        self.clients: dict[int, tuple[int, socket.SocketType]] = {}
        self.strangers: dict[int, tuple[int, Name]] = {}
        self._places = [(port, target) for target in targets for port in range(len(plan.ports))]
        self._bases = [(protocol * len(plan.ports) + port) * plan.size**2 + target for port, target in self._places]
        self._dials = [plan.name(plan.addresses[target], plan.ports[port]) for port, target in self._places]
        self._awaited: list[dict[Name, int]] = [{} for _ in self._places]
        try:
            for target in targets:
                self.listeners += plan.namespaces[target].call(self._listen, plan.addresses[target])
        except BaseException:
            self.close()
            raise
        self._accepts: list[Callable[[], tuple[int, Any]]] = [
            _nobody if listener is None else cast("Any", listener)._accept for listener in self.listeners
        ]

    def _listen(self, address: str) -> list[socket.SocketType | None]:
        """A listener for each port of one target; None for those that stay closed."""
        plan = self.plan
        opened: list[socket.SocketType | None] = []
        for port in plan.ports:
            if port in plan.closed:
                opened.append(None)
                continue
            one = socket.SocketType(FAMILY[plan.family], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            opened.append(one)
            try:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
                one.bind(plan.name(address, port))
                one.listen(_BACKLOG)
            except OSError as problem:
                for each in filter(None, opened):
                    each.close()
                raise OSError(problem.errno, f"{address} port {port}: {problem.strerror}") from problem
        return opened

    def burst(self, source: int) -> None:
        """Connect `source` to every listener of another endpoint, and finish all that is answered at once."""
        plan, dials, awaited = self.plan, self._dials, self._awaited
        offset = source * plan.size
        numbers = [number for number, (_, target) in enumerate(self._places) if target != source]
        opened = plan.namespaces[source].call(_open, FAMILY[plan.family], len(numbers))
        for client, number in zip(opened, numbers, strict=True):
            client.connect_ex(dials[number])
        answered = plan.tables.answered
        codes = []
        for client, number in zip(opened, numbers, strict=True):
            cell = self._bases[number] + offset
            awaited[number][client.getsockname()] = cell
            code = client.connect_ex(dials[number])
            codes.append(code)
            if code == 0:
                answered[cell] = 1
        self._accept_one_each(numbers, codes)
        delivered = plan.tables.delivered
        for client, number, code in zip(opened, numbers, codes, strict=True):
            cell = self._bases[number] + offset
            if code == 0 and delivered[cell]:
                client.close()
            else:
                self.clients[client.fileno()] = cell, client
                self._decide(client.fileno(), code)

    def _accept_one_each(self, numbers: Sequence[int], codes: Sequence[int]) -> None:
        accepts, awaited, delivered = self._accepts, self._awaited, self.plan.tables.delivered
        accepted = []
        for number, code in zip(numbers, codes, strict=True):
            if code:
                continue
            try:
                descriptor, peer = accepts[number]()
            except OSError:  # not there yet, or reset meanwhile
                continue
            cell = awaited[number].pop(peer, None)
            if cell is None:
                self.strangers[descriptor] = number, peer
            else:
                delivered[cell] = 1
                accepted.append(descriptor)
        for descriptor in accepted:
            os.close(descriptor)

    def accept(self, number: int) -> Iterator[int]:
        """Accept everything that waits at a listener; yields the descriptors of new strangers."""
        while True:
            try:
                descriptor, peer = self._accepts[number]()
            except BlockingIOError:
                return
            except OSError:  # reset meanwhile
                continue
            cell = self._awaited[number].pop(peer, None)
            if cell is None:
                self.strangers[descriptor] = number, peer
                yield descriptor
            else:
                self.plan.tables.delivered[cell] = 1
                os.close(descriptor)

    def progress(self, descriptor: int) -> bool:
        """Look at a connection that was undecided; returns whether it still is."""
        cell, client = self.clients[descriptor]
        _, port, _, target = self.plan.where(cell)
        return self._decide(
            descriptor, client.connect_ex(self.plan.name(self.plan.addresses[target], self.plan.ports[port]))
        )

    def _decide(self, descriptor: int, code: int) -> bool:
        """Judge what connect(2) returned for a connection that had been asked for; returns whether it is undecided.

        One that is complete and that no server has by its name is presented: the cell's number goes over it.
        """
        if code in _UNDECIDED:
            return True
        tables = self.plan.tables
        cell, client = self.clients[descriptor]
        if code in _COMPLETED:
            tables.answered[cell] = 1
        else:
            self.plan.failed(cell, code)
        if tables.answered[cell] and not tables.delivered[cell]:
            self.plan.sent[cell] = client.getsockname()
            with suppress(OSError):  # reset: by a server that has it, or by one outside the mesh
                client.send(self.plan.nonce + NUMBER.pack(cell))
        else:
            del self.clients[descriptor]
            client.close()
        return False

    def recognise(self, descriptor: int) -> None:
        """Read from a stranger which cell it is."""
        number, peer = self.strangers.pop(descriptor)
        try:
            cell = self.plan.number(os.read(descriptor, 64))
        except OSError:
            cell = None
        finally:
            os.close(descriptor)
        if cell is not None:
            self.plan.arrived(cell, *self._places[number], self.plan.sent.get(cell), peer)

    def settle(self) -> None:
        """Close the connections that are complete and known to a server; `clients` are those that wait for either."""
        tables = self.plan.tables
        for descriptor, (cell, client) in list(self.clients.items()):
            if tables.answered[cell] and (tables.delivered[cell] or tables.diverted[cell]):
                del self.clients[descriptor]
                client.close()

    def close(self) -> None:
        """Close everything."""
        for descriptor in self.strangers:
            os.close(descriptor)
        for _, client in self.clients.values():
            client.close()
        for listener in filter(None, self.listeners):
            listener.close()
        self.strangers.clear()
        self.clients.clear()


def _open(family: int, count: int) -> list[socket.SocketType]:
    opened: list[socket.SocketType] = []
    try:
        opened.extend(socket.SocketType(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(count))
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def _nobody() -> tuple[int, Any]:
    raise BlockingIOError
