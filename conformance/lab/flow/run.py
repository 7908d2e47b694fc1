"""Many exchanges in flight at once, under one deadline."""

from __future__ import annotations

import gc
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Final, TypeVar

from conformance.lab.flow import sockets
from conformance.lab.flow.arrivals import ArrivalLog
from conformance.lab.flow.exchange import Exchange
from conformance.lab.flow.loop import Loop
from conformance.lab.flow.sockets import Kind
from conformance.lab.kernel.namespace import Namespace
from conformance.limits import RETRY

_CHUNK: Final = 512
"""Exchanges whose sockets are opened together, to spare hops between threads."""
_BURST: Final = 64
"""Exchanges begun before the servers have their turn: small datagrams fit a receive buffer of the default size."""
_BURST_BYTES: Final = 65536

T = TypeVar("T")


@contextmanager
def undisturbed() -> Iterator[None]:
    """No cyclic garbage collection meanwhile: thousands of young objects would start it again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Flight:
    """Some exchanges on a loop, from the first try to the deadline of all."""

    def __init__(self, loop: Loop, arrivals: ArrivalLog) -> None:
        self.loop = loop
        self.arrivals = arrivals
        self._pending = 0
        self._later: deque[tuple[float, Exchange]] = deque()

    def later(self, exchange: Exchange) -> None:
        """Have `exchange` try again `limits.RETRY` from now."""
        self._later.append((time.monotonic() + RETRY, exchange))

    def finished(self) -> None:
        """One exchange has finished."""
        self._pending -= 1

    def go(self, exchanges: Sequence[Exchange], deadline: float, room: int) -> None:
        """Run all `exchanges`; each has at least `deadline` seconds.

        All are in flight at once where `room` sockets suffice; else what is unanswered after a deadline makes room.
        """
        started: list[Exchange] = []
        for chunk in _chunks(exchanges, _CHUNK):
            most = room - 2 * len(chunk)
            if len(self.loop) > most:
                self._serve(deadline, started, partial(self._open_at_most, most))
                started = [exchange for exchange in started if exchange.status is None]
            self._begin(chunk)
            started.extend(chunk)
        self._serve(deadline, started, lambda: not self._pending)
        self._drain()

    def _open_at_most(self, most: int) -> bool:
        return len(self.loop) <= most

    def _begin(self, chunk: Sequence[Exchange]) -> None:
        self._pending += len(chunk)
        weight = 0
        for number, (exchange, opened) in enumerate(zip(chunk, _open(chunk), strict=True), start=1):
            exchange.begin(opened)
            weight += exchange.probe.size
            if number % _BURST == 0 or weight > _BURST_BYTES:
                self._turn(0)
                weight = 0

    def _serve(self, deadline: float, started: Sequence[Exchange], enough: Callable[[], bool]) -> None:
        """Serve until `enough`; where the deadline (in seconds from now) passes before, expire all that is started.

        The time by which this process was late is added to the deadline: where the machine was too busy for us, it was
        for the implementation.
        """
        until = time.monotonic() + deadline
        while not enough():
            now = time.monotonic()
            if now >= until:
                self._drain()
                for exchange in started:
                    if exchange.status is None:
                        exchange.expire()
                return
            due = self._later[0][0] if self._later else until
            wait = min(due, until) - now
            self._turn(wait)
            until += max(time.monotonic() - now - max(wait, 0.0), 0.0)

    def _drain(self) -> None:
        """Serve what has arrived by now: witnesses and servers whose answer nobody waits for any more."""
        while self.loop.turn(0):
            pass

    def _turn(self, timeout: float) -> None:
        self.loop.turn(timeout)
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            exchange = self._later.popleft()[1]
            if exchange.status is None:
                exchange.again()


def _open(chunk: Sequence[Exchange]) -> list[socket.socket | None]:
    """A socket for each exchange that wants one of its own, in its source's namespace."""
    opened: list[socket.socket | None] = [None] * len(chunk)
    wanted: dict[int, tuple[Namespace, list[int], list[Kind]]] = {}
    for number, exchange in enumerate(chunk):
        if exchange.kind is not None:
            namespace = exchange.probe.namespace
            _, numbers, kinds = wanted.setdefault(id(namespace), (namespace, [], []))
            numbers.append(number)
            kinds.append(exchange.kind)
    for namespace, numbers, kinds in wanted.values():
        for number, one in zip(numbers, namespace.call(sockets.open_sockets, kinds), strict=True):
            opened[number] = one
    return opened


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
