"""systemd-networkd with EmitLLDP= and LLDP= on the ports of a host (Debian package systemd), without systemd itself.

Where /sys is read-only networkd does not wait for udev, as in a container; so it runs behind such a mount of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from struct import unpack_from
from typing import Final

from pydantic import ValidationError

from conformance import limits
from conformance.adapters.cables import cabled_ports
from conformance.adapters.discovery import Known, Told
from conformance.adapters.interface import AdapterError, Identity, Port, Unavailable
from conformance.errors import UsageError
from conformance.frames import lldp
from conformance.lab import link
from conformance.lab.appear import await_path
from conformance.lab.lab import Host, Lab
from conformance.lab.process import Daemon
from conformance.profile import Profile, Strict, explain

PACKAGES: Final = ("systemd",)
PROGRAM: Final = "/lib/systemd/systemd-networkd"
STATE: Final = "/run/systemd/netif"
USER: Final = "systemd-network"
FOLDERS: Final = tuple(f"{STATE}/{name}" for name in ("links", "leases", "lldp"))
IDENTITY: Final = "/run/machine-id"
NETWORK: Final = "/run/systemd/network/10-ports.network"
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
    """The table `[adapter]`: there is nothing to set; networkd's interval is not configurable."""


def adapter(profile: Profile) -> NetworkdAdapter:
    """The adapter of networkd. Raises UsageError for wrong settings."""
    try:
        Settings.model_validate(profile.adapter)
    except ValidationError as problem:
        raise UsageError(explain(problem, f"{profile.name}: adapter", Settings)) from None
    return NetworkdAdapter()


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
    def deploy(self, lab: Lab) -> Iterator[Networkd]:
        """The daemon, running. Raises AdapterError."""
        running = Networkd(lab)
        running.start()
        try:
            yield running
        finally:
            running.leave()


class Networkd:
    """A running networkd. Its neighbours are read where ``networkctl lldp`` reads them."""

    def __init__(self, lab: Lab) -> None:
        self._ports = tuple(cabled_ports(lab))
        self._host: Host = next(iter(lab.hosts.values()))
        self._daemon: Daemon | None = None

    def start(self) -> None:
        """Start it and wait until it keeps its state. Raises AdapterError."""
        names = " ".join(port.interface for port in self._ports)
        for command in (["mkdir", "-p", str(Path(NETWORK).parent), *FOLDERS], ["chown", "-R", USER, STATE]):
            self._host.run(command, timeout=limits.COMMAND)
        self._host.run(["tee", NETWORK], text=WISHES.format(names=names), timeout=limits.COMMAND)
        # Its Chassis ID is made of the machine's identity, of which each host of the lab has its own.
        identity = uuid.uuid5(uuid.NAMESPACE_URL, f"plugfest {self._host.name}").hex
        self._host.run(["tee", IDENTITY], text=f"{identity}\n", timeout=limits.COMMAND)
        own = f"if test -e /etc/machine-id; then mount --bind {IDENTITY} /etc/machine-id; fi"
        behind = f"{own} && mount -o remount,bind,ro /sys && exec {PROGRAM}"
        environment = {"SYSTEMD_LOG_TARGET": "console"}
        command = ["unshare", "-m", "sh", "-c", behind]
        self._daemon = self._host.start(command, log="networkd", environment=environment)
        try:
            await_path(self._host.namespace, f"{STATE}/state", self._daemon, limits.DAEMON_START)
        except TimeoutError as problem:
            raise AdapterError(f"networkd: {problem}") from None

    def ports(self) -> Sequence[Port]:
        """Every cable of the host."""
        return self._ports

    def told(self) -> Told:
        """The standard's defaults: nothing can be configured."""
        return Told()

    def neighbours(self, port: Port) -> Sequence[Known]:
        """The LLDPDUs that networkd holds for a port, each behind its length in eight bytes."""
        place = Path(STATE, "lldp", str(link.index(self._host.namespace, port.interface)))

        def read() -> bytes:
            return place.read_bytes() if place.exists() else b""

        data, at, found = self._host.namespace.call(read), 0, []
        while at + 8 <= len(data):
            (size,) = unpack_from("<Q", data, at)
            pdu = lldp.parse(data[at + 8 : at + 8 + size])
            if pdu is not None:
                found.append(Known(pdu.chassis, pdu.port))
            at += 8 + size
        return found

    def leave(self) -> None:
        """SIGTERM, as its service would be stopped, and the end of the process."""
        if self._daemon is not None:
            self._daemon.stop()
