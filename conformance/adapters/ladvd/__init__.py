"""ladvd, which sends LLDP (and CDP and others, here off) on the ports of a host (Debian package ladvd)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Identity, Unavailable
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.lldp import AgentTimers, Discovering, Leaving
from conformance.adapters.interface.ports import Linking, Port
from conformance.lab.kernel.appear import await_path
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host, Lab
from conformance.profile import Profile
from conformance.validation import Strict

PACKAGES: Final = ("ladvd",)
FOLDER: Final = "/run/ladvd"
"""Its child is locked into it, and root's alone it must be."""
SOCKET: Final = f"{FOLDER}/ladvd.sock"


class Settings(Strict):
    """The table `[adapter]`: there is nothing to set; ladvd's times are compiled in."""


def adapter(profile: Profile) -> LadvdAdapter:
    """The adapter of ladvd. Raises UsageError for wrong settings."""
    profile.settings(Settings)
    return LadvdAdapter()


class LadvdAdapter:
    """One ladvd on the first host."""

    weight = 1
    needs_root = True

    def identify(self) -> Identity | Unavailable:
        """Ask the daemon for its version, which stands above its help."""
        program = shutil.which("ladvd", path="/usr/sbin:/usr/bin")
        if program is None:
            return Unavailable("ladvd is not installed", PACKAGES)
        done = subprocess.run([program, "-h"], capture_output=True, text=True, check=False, timeout=limits.COMMAND)
        words = (done.stdout + done.stderr).split()
        return Identity("ladvd", words[2] if words[:2] == ["ladvd", "version"] else "unknown")

    def plan(self) -> tuple[str, ...]:
        """What is started."""
        return ("ladvd -f -L -t on every port (-t: a port may be virtual)",)

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Ladvd]:
        """The daemon, running. Raises AdapterError."""
        running = Ladvd(lab)
        running.start()
        try:
            yield running
        finally:
            running.leave()


class Ladvd:
    """A running ladvd."""

    powers: tuple[type, ...] = (Linking, Discovering, Leaving)

    def __init__(self, lab: Lab) -> None:
        self._ports = tuple(cabled_ports(lab))
        self._host: Host = next(iter(lab.hosts.values()))
        self._daemon: Daemon | None = None

    def start(self) -> None:
        """Start it and wait for its control socket. Raises AdapterError."""
        self._host.run(["mkdir", "-p", FOLDER], timeout=limits.COMMAND)
        names = " ".join(port.interface for port in self._ports)
        # Its child may write no file: what it says must not go to one.
        command = ["sh", "-c", f"exec ladvd -f -L -t {names} >/dev/null 2>&1"]
        self._daemon = self._host.start(command, log="ladvd")
        try:
            await_path(self._host.namespace, SOCKET, self._daemon, limits.DAEMON_START)
        except TimeoutError as problem:
            raise AdapterError(f"ladvd: {problem}") from None

    def ports(self) -> Sequence[Port]:
        """Every cable of the host."""
        return self._ports

    def timers(self) -> AgentTimers:
        """The standard's defaults: nothing can be configured."""
        return AgentTimers()

    def leave(self) -> None:
        """SIGTERM, as its service would be stopped, and the end of the process."""
        if self._daemon is not None:
            self._daemon.stop()
