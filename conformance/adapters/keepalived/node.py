"""One node of an endpoint: a station with keepalived, and the state that it tells of itself."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from conformance.adapters.interface import AdapterError
from conformance.adapters.keepalived.configuration import GROUP
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host


class RouterNode:
    """A namespace on `host` in which keepalived runs for one endpoint, in the foreground."""

    def __init__(self, host: Host, name: str, namespace: Namespace, folder: Path, log: Path) -> None:
        self.host = host
        self.name = name
        self.namespace = namespace
        self.fifo = folder / f"{name}.fifo"
        self._place = folder / f"{name}.conf"
        self._log = log
        self._daemon: Daemon | None = None
        self._rest = b""
        os.mkfifo(self.fifo)
        self._reader = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._keeper = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def configure(self, text: str) -> None:
        """Write its configuration."""
        self._place.write_text(text)

    def start(self, program: str) -> None:
        """Start keepalived, which begins as a backup."""
        self._forget()
        command = [program, "--dont-fork", "--log-console", "--dump-conf", "--vrrp", "--use-file", str(self._place)]
        self._daemon = self.namespace.start(command, self._log)

    def await_state(self, state: str, deadline: float) -> None:
        """Wait until keepalived notifies that it is in `state` (``MASTER``, ``BACKUP``), within `deadline` seconds.

        Raises AdapterError with its last words.
        """
        if self._daemon is None:
            raise AdapterError(f"{self.name}: keepalived is not {state}: it does not run")

        def reached() -> bool:
            self._rest += os.read(self._reader, 4096)
            return self._notified(state)

        if self._notified(state):
            return
        try:
            self._daemon.await_sign(self._reader, reached, deadline)
        except TimeoutError as problem:
            words = f"it {problem}: {self._daemon.tail()}"
            raise AdapterError(f"{self.name}: keepalived is not {state}: {words}") from None

    def _notified(self, state: str) -> bool:
        """Whether the lines that are there say so; those up to the one that does are taken."""
        wanted = f'GROUP "{GROUP}" {state}'.encode()
        while b"\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\n")
            if line.startswith(wanted):
                return True
        return False

    def _forget(self) -> None:
        """What an earlier keepalived has told."""
        self._rest = b""
        while select.select([self._reader], [], [], 0)[0]:
            os.read(self._reader, 4096)

    def stop(self) -> None:
        """Ask keepalived to end: a master resigns by an advertisement of priority 0 (RFC 5798 §6.4.3)."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def kill(self) -> None:
        """End it without a word."""
        if self._daemon is not None:
            self._daemon.stop(signal.SIGKILL)
            self._daemon = None

    def close(self) -> None:
        """End it, and listen no more."""
        self.stop()
        os.close(self._reader)
        os.close(self._keeper)
