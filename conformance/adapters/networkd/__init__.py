"""systemd-networkd (Debian package systemd), without systemd itself: an agent of LLDP on the ports of a host, or
stations whose addresses it assigns, with conflict detection.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from struct import unpack_from
from typing import Any, Final, Literal

from conformance import limits
from conformance.adapters.interface import Identity, Unavailable
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.lldp import AgentTimers, Discovering, Leaving, LldpNeighbour, Neighbouring
from conformance.adapters.interface.ports import Linking, Port
from conformance.adapters.networkd.daemon import PROGRAM, STATE, start_networkd
from conformance.lab.kernel import link
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host, Lab
from conformance.profile import Profile
from conformance.protocols.lldp import frames as lldp
from conformance.validation import Strict

PACKAGES: Final = ("systemd",)
WISHES: Final = """\
[Match]
Name={names}
[Network]
LLDP=yes
EmitLLDP=yes
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


class Settings(Strict):
    """The table `[adapter]`: `network` is ``ports`` (an LLDP agent, whose interval is not configurable) or ``mover``
    (stations with addresses that move between hosts)."""

    network: Literal["ports", "mover"] = "ports"


def adapter(profile: Profile) -> NetworkdAdapter:
    """The adapter of networkd. Raises UsageError for wrong settings."""
    settings = profile.settings(Settings)
    return MoverAdapter() if settings.network == "mover" else NetworkdAdapter()


class NetworkdAdapter:
    """One systemd-networkd on the first host."""

    weight = 1
    needs_root = True

    def identify(self) -> Identity | Unavailable:
        """Ask systemd for its version."""
        if not Path(PROGRAM).exists() or shutil.which("networkctl") is None:
            return Unavailable("systemd-networkd is not installed", PACKAGES)
        done = subprocess.run(
            ["networkctl", "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=limits.COMMAND,
        )
        words = done.stdout.split()
        return Identity("systemd-networkd", words[1] if len(words) > 1 else "unknown")

    def plan(self) -> tuple[str, ...]:
        """What is started."""
        return ("systemd-networkd with LLDP=yes, EmitLLDP=yes on every port, behind a read-only /sys",)

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """The daemon, running. Raises AdapterError."""
        running = Networkd(lab)
        running.start()
        try:
            yield running
        finally:
            running.leave()


class MoverAdapter(NetworkdAdapter):
    """One systemd-networkd for each station."""

    weight = 4

    def plan(self) -> tuple[str, ...]:
        """What is configured and started."""
        from conformance.adapters.networkd.mover import STEPS

        return STEPS

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """A bridge on every host for the stations. Raises AdapterError."""
        from conformance.adapters.networkd.mover import networkd_mover

        with networkd_mover(lab).running() as network:
            yield network


class Networkd:
    """A running networkd. Its neighbours are read where ``networkctl lldp`` reads them."""

    powers: tuple[type, ...] = (Linking, Discovering, Neighbouring, Leaving)

    def __init__(self, lab: Lab) -> None:
        self._ports = tuple(cabled_ports(lab))
        self._host: Host = next(iter(lab.hosts.values()))
        self._daemon: Daemon | None = None

    def start(self) -> None:
        """Start it and wait until it keeps its state. Raises AdapterError."""
        names = " ".join(port.interface for port in self._ports)
        log = self._host.logs / f"{self._host.name}-networkd.log"
        self._daemon = start_networkd(self._host.namespace, WISHES.format(names=names), log, machine=self._host.name)

    def ports(self) -> Sequence[Port]:
        """Every cable of the host."""
        return self._ports

    def timers(self) -> AgentTimers:
        """The standard's defaults: nothing can be configured."""
        return AgentTimers()

    def neighbours(self, port: Port) -> Sequence[LldpNeighbour]:
        """The LLDPDUs that networkd holds for a port, each behind its length in eight bytes."""
        place = Path(STATE, "lldp", str(link.index(self._host.namespace, port.interface)))

        def read() -> bytes:
            return place.read_bytes() if place.exists() else b""

        data, at, found = self._host.namespace.call(read), 0, []
        while at + 8 <= len(data):
            (size,) = unpack_from("<Q", data, at)
            pdu = lldp.parse(data[at + 8 : at + 8 + size])
            if pdu is not None:
                found.append(LldpNeighbour(pdu.chassis, pdu.port))
            at += 8 + size
        return found

    def leave(self) -> None:
        """SIGTERM, as its service would be stopped, and the end of the process."""
        if self._daemon is not None:
            self._daemon.stop()
