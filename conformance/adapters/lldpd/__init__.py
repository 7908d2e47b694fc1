"""lldpd, the LLDP daemon of most distributions, in the foreground on the ports of a host (Debian package lldpd)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Identity, Unavailable
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.lldp import (
    Administering,
    AgentTimers,
    Discovering,
    Leaving,
    LldpNeighbour,
    Neighbouring,
    Renaming,
)
from conformance.adapters.interface.ports import Linking, Port
from conformance.lab.kernel.appear import await_path
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host, Lab
from conformance.profile import Profile
from conformance.validation import Strict

PACKAGES: Final = ("lldpd",)
SOCKET: Final = "/run/lldpd.socket"
CONFIGURATION: Final = "/run/lldpd.conf"


class Settings(Strict):
    """The table `[adapter]`: interval in whole seconds and hold, as ``lldpcli configure lldp`` takes them."""

    interval: int = 30
    hold: int = 4


def adapter(profile: Profile) -> LldpdAdapter:
    """The adapter of lldpd. Raises UsageError for wrong settings."""
    return LldpdAdapter(profile.settings(Settings))


class LldpdAdapter:
    """One lldpd on the first host."""

    weight = 1
    needs_root = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def identify(self) -> Identity | Unavailable:
        """Ask the daemon for its version."""
        program = shutil.which("lldpd", path="/usr/sbin:/usr/bin")
        if program is None or shutil.which("lldpcli", path="/usr/sbin:/usr/bin") is None:
            return Unavailable("lldpd is not installed", PACKAGES)
        done = subprocess.run([program, "-v"], capture_output=True, text=True, check=False, timeout=limits.COMMAND)
        return Identity("lldpd", done.stdout.strip() or "unknown")

    def plan(self) -> tuple[str, ...]:
        """What is started."""
        own = self._settings
        return (f"lldpd on every port, tx-interval {own.interval}, tx-hold {own.hold}",)

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Lldpd]:
        """The daemon, running. Raises AdapterError."""
        running = Lldpd(lab, self._settings)
        running.start()
        try:
            yield running
        finally:
            running.stop()


class Lldpd:
    """A running lldpd, asked and told through lldpcli."""

    powers: tuple[type, ...] = (Linking, Discovering, Neighbouring, Administering, Renaming, Leaving)

    def __init__(self, lab: Lab, settings: Settings) -> None:
        self._settings = settings
        self._ports = tuple(cabled_ports(lab))
        self._host: Host = next(iter(lab.hosts.values()))
        self._daemon: Daemon | None = None

    def start(self) -> None:
        """Start it and wait for its control socket. Raises AdapterError."""
        own, names = self._settings, ",".join(port.interface for port in self._ports)
        settings = f"configure lldp tx-interval {own.interval}\nconfigure lldp tx-hold {own.hold}\n"
        self._host.run(["tee", CONFIGURATION], text=settings, timeout=limits.COMMAND)
        command = ["lldpd", "-dd", "-u", SOCKET, "-I", names, "-O", CONFIGURATION]
        self._host.run(["mkdir", "-p", "/run/lldpd"], timeout=limits.COMMAND)
        self._daemon = self._host.start(command, log="lldpd")
        try:
            await_path(self._host.namespace, SOCKET, self._daemon, limits.DAEMON_START)
        except TimeoutError as problem:
            raise AdapterError(f"lldpd: {problem}") from None

    def _ask(self, *words: str) -> Any:
        """Run lldpcli; its answer, decoded. Raises AdapterError with its own words."""
        done = self._host.run(["lldpcli", "-u", SOCKET, "-f", "json0", *words], timeout=limits.COMMAND)
        if done.returncode != 0:
            tail = self._daemon.tail(3) if self._daemon is not None else ""
            raise AdapterError(f"lldpcli {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}; {tail}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def ports(self) -> Sequence[Port]:
        """Every cable of the host."""
        return self._ports

    def timers(self) -> AgentTimers:
        """What it was configured with."""
        return AgentTimers(float(self._settings.interval), self._settings.hold)

    def neighbours(self, port: Port) -> Sequence[LldpNeighbour]:
        """What ``lldpcli show neighbors`` shows."""
        shown = self._ask("show", "neighbors", "ports", port.interface, "details")
        found = []
        for table in shown.get("lldp", []):
            for interface in table.get("interface", []):
                chassis, identity = interface["chassis"][0]["id"][0], interface["port"][0]["id"][0]
                found.append(LldpNeighbour(chassis["value"], identity["value"]))
        return found

    def administer(self, port: Port, *, on: bool) -> None:
        """Disable or enable LLDP on a port."""
        self._ask("configure", "ports", port.interface, "lldp", "status", "rx-and-tx" if on else "disabled")

    def rename(self, system: str) -> None:
        """Override the System Name."""
        self._ask("configure", "system", "hostname", system)

    def leave(self) -> None:
        """Stop it as its service would be."""
        self.stop()

    def stop(self) -> None:
        """SIGTERM, and the end of the process."""
        if self._daemon is not None:
            self._daemon.stop()
