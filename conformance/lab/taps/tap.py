"""The taps of a lab: everything that its interfaces carry, recorded into one pcapng."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.taps.linkwatch import LinkWatch, NamedLink
from conformance.lab.taps.ring import DEFAULT_SIZE, RETIRE_MS, Instruction, Ring
from conformance.lab.taps.tapfile import Traffic, write
from conformance.limits import TAP_FLUSH
from conformance.recording.model import TapState

Role = Literal["uplink", "endpoint", "client", "rack", "inside", "port", "partner", "observer"]


@dataclass(frozen=True, slots=True)
class Watch:
    """A namespace to be watched, called `where` in the recording.

    `role` is that of its interfaces, but for those that `roles` names. `only` keeps the frames of these interfaces
    alone. `loopback` takes in ``lo``. `program` is a classic BPF program over whole frames, `size` the ring's bytes.
    `swapped` records the other end of a cable: what is sent out of the interface has come in there.
    """

    namespace: Namespace
    where: str
    role: Role
    roles: Mapping[str, Role] = field(default_factory=dict)
    only: frozenset[str] | None = None
    loopback: bool = False
    program: Sequence[Instruction] = ()
    size: int = DEFAULT_SIZE
    swapped: bool = False


@dataclass(slots=True)
class _Open:
    watch: Watch
    ring: Ring
    links: LinkWatch
    blocks: list[bytes] = field(default_factory=list)

    def take(self) -> None:
        self.blocks += self.ring.take()

    def close(self) -> None:
        self.links.close()
        self.ring.close()


def _open(watch: Watch, retire_ms: int) -> _Open:
    links = LinkWatch(watch.namespace)
    try:
        ring = Ring(
            watch.namespace, size=watch.size, loopback=watch.loopback, program=watch.program, retire_ms=retire_ms
        )
    except BaseException:
        links.close()
        raise
    return _Open(watch, ring, links)


class Recorder:
    """All taps of one lab, read by one thread. `stop` ends it and writes the file; `close` throws it away.

    There is one ring per namespace, bound to no interface: an interface that appears later is seen from its first
    frame. Timestamps are the kernel's, CLOCK_REALTIME in ns. Interfaces are not made promiscuous.
    """

    def __init__(self, retire_ms: int = RETIRE_MS) -> None:
        self._retire_ms = retire_ms
        self._open: list[_Open] = []
        self._by_descriptor: dict[int, tuple[_Open, bool]] = {}
        self._changed = threading.Condition()
        self._problem: BaseException | None = None
        self._poll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="taps", daemon=True)
        self._thread.start()

    def watch(
        self,
        namespace: Namespace,
        where: str,
        role: Role,
        *,
        roles: Mapping[str, Role] | None = None,
        only: frozenset[str] | None = None,
        loopback: bool = False,
        program: Sequence[Instruction] = (),
        size: int = DEFAULT_SIZE,
    ) -> None:
        """Record a namespace (see `Watch`); when this returns, its frames are being captured. Raises OSError."""
        self.watch_all([Watch(namespace, where, role, roles or {}, only, loopback, program, size)])

    def watch_all(self, watches: Iterable[Watch]) -> None:
        """Record several namespaces at once: each ring costs a grace period of the kernel, many together cost one."""
        listed = list(watches)
        with ThreadPoolExecutor(max(1, len(listed)), thread_name_prefix="tap-open") as pool:
            tasks = [pool.submit(_open, watch, self._retire_ms) for watch in listed]
        opened = [task.result() for task in tasks if task.exception() is None]
        with self._changed:
            for one in opened:
                self._open.append(one)
                for descriptor, is_ring in ((one.ring.socket.fileno(), True), (one.links.socket.fileno(), False)):
                    self._by_descriptor[descriptor] = (one, is_ring)
                    self._poll.register(descriptor, select.EPOLLIN)
        for task in tasks:
            task.result()

    def _run(self) -> None:
        try:
            while True:
                ready = self._poll.poll()
                with self._changed:
                    for descriptor, _ in ready:
                        if descriptor == self._wake:
                            return
                        one, is_ring = self._by_descriptor[descriptor]
                        if is_ring:
                            one.take()
                        else:
                            one.links.read()
                    self._changed.notify_all()
        except BaseException as problem:
            with self._changed:
                self._problem = problem
                self._changed.notify_all()

    def flush(self) -> None:
        """Return once everything captured before this call has been read. Raises TimeoutError.

        Where the kernel still fills a block, its handing it over is waited for (`ring.RETIRE_MS` at most twice).
        """
        with self._changed:
            for one in self._open:
                one.take()
            awaited = [(one.ring, one.ring.taken) for one in self._open if one.ring.pending()]
            done = self._changed.wait_for(
                lambda: self._problem is not None or all(ring.taken > before for ring, before in awaited), TAP_FLUSH
            )
            if self._problem is not None:
                raise self._problem
            if not done:
                raise TimeoutError(f"taps: the kernel has not handed over its frames within {TAP_FLUSH} s")

    def interfaces(self, where: str) -> dict[str, NamedLink]:
        """The interfaces of `where` known so far, by name, also those that are gone."""
        with self._changed:
            for one in self._open:
                one.links.read()
            return {
                link.name: link for one in self._open if one.watch.where == where for link in one.links.links.values()
            }

    def stop(self, path: Path) -> tuple[TapState, ...]:
        """End all taps and write `path` whole; returns its taps in the order of the pcapng interfaces.

        Frames are sorted by their time. What was captured before this call is in the file; a second call writes the
        same frames again.
        """
        try:
            if not self._poll.closed:
                self.flush()
        finally:
            self.close()
        traffic = [
            Traffic(
                where=one.watch.where,
                role=one.watch.role,
                roles=one.watch.roles,
                only=one.watch.only,
                links=one.links.links,
                blocks=one.blocks,
                dropped=one.ring.dropped,
                swapped=one.watch.swapped,
            )
            for one in self._open
        ]
        return write(path, traffic)

    def close(self) -> None:
        """End all taps; what they hold stays readable by `stop` alone. May be called twice."""
        if self._poll.closed:
            return
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._poll.close()
        os.close(self._wake)
        for one in self._open:
            one.take()
            one.links.read()
            one.ring.count_drops()
        with ThreadPoolExecutor(max(1, len(self._open)), thread_name_prefix="tap-close") as pool:
            list(pool.map(_Open.close, self._open))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
