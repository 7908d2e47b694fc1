"""QMP, the protocol by which QEMU is told what to do (JSON lines over a socket)."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conformance.adapters.interface import AdapterError
from conformance.limits import GUEST


class Qmp:
    """One QEMU's monitor; `name` stands in the errors. Raises AdapterError with QEMU's own words."""

    def __init__(self, name: str, connection: socket.socket) -> None:
        self._name = name
        self._connection = connection
        self._rest = b""
        self._events: deque[dict[str, Any]] = deque()
        self._line(time.monotonic() + GUEST)  # the greeting
        self.execute("qmp_capabilities")

    def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, *, descriptors: Sequence[int] = ()
    ) -> Any:
        """Carry out a command, with file descriptors for ``getfd``; returns what QEMU returns."""
        message = json.dumps({"execute": command, "arguments": dict(arguments or {})}).encode() + b"\n"
        until = time.monotonic() + GUEST
        try:
            socket.send_fds(self._connection, [message], list(descriptors))
        except OSError as problem:
            raise AdapterError(f"{self._name}: QEMU takes no command: {problem}") from problem
        while True:
            said = self._line(until)
            if "error" in said:
                raise AdapterError(f"{self._name}: {command}: {said['error']['desc']}")
            if "return" in said:
                return said["return"]

    def await_event(self, wanted: Callable[[Mapping[str, Any]], bool], deadline: float) -> Mapping[str, Any]:
        """The first event, from the last one awaited on, that `wanted` is true of; `deadline` in seconds."""
        until = time.monotonic() + deadline
        while True:
            while self._events:
                event = self._events.popleft()
                if wanted(event):
                    return event
            self._line(until)

    def lend(self, name: str, descriptor: int) -> None:
        """Give QEMU a copy of a descriptor, under a name."""
        self.execute("getfd", {"fdname": name}, descriptors=[descriptor])

    def _line(self, until: float) -> dict[str, Any]:
        """The next line; an event is kept as well."""
        while b"\n" not in self._rest:
            self._connection.settimeout(max(until - time.monotonic(), 0.01))
            try:
                data = self._connection.recv(65536)
            except OSError as problem:
                raise AdapterError(f"{self._name}: QEMU does not answer: {problem}") from problem
            if not data:
                raise AdapterError(f"{self._name}: QEMU has ended")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        if "event" in said:
            self._events.append(said)
        return said

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
