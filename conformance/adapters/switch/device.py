"""A switch made of Debian packages: ports in a Linux bridge, FRRouting on top, lldpd, OpenSSH.

It has two accounts, as switches have that are Linux hosts: one whose login shell is vtysh, and one of its operator,
with a shell, for what vtysh does not say: bridges, LLDP, the tables of the kernel. Everything that it is told comes
over SSH, as with any vendor's. It lives in a host's own mounts: its accounts, logs and sockets are not the machine's.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.adapters.switch.session import Login
from conformance.lab.kernel.appear import await_path
from conformance.lab.kernel.mounts import MS_BIND, mount
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host

PACKAGES: Final = ("frr", "openssh-server", "iproute2", "net-tools")
PROGRAMS: Final = (
    "/usr/lib/frr/zebra", "/usr/sbin/sshd", "/usr/bin/vtysh", "/usr/bin/ssh-keygen", "/bin/bash", "/usr/sbin/arp",
)  # fmt: skip
AGENT: Final = "/usr/sbin/lldpd"
AGENT_SOCKET: Final = "/run/lldpd.socket"
LOOPBACK: Final = "127.0.0.1"
PORT: Final = 22
USER: Final = "switch"
OPERATOR: Final = "operator"
_OFF: Final = "configure lldp status disabled\n"
"""Its agent is off until it is told otherwise."""
_SSHD: Final = """\
ListenAddress {address}:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PrintMotd no
PrintLastLog no
PidFile /run/sshd.pid
"""


def absent(*further: str) -> str:
    """The first program that is not there, or nothing."""
    return next((program for program in (*PROGRAMS, *further) if not os.access(program, os.X_OK)), "")


def version() -> str:
    """What the routing daemon says of itself."""
    done = subprocess.run([PROGRAMS[0], "--version"], capture_output=True, text=True, check=False, timeout=60)
    words = done.stdout.split()
    return words[words.index("version") + 1] if "version" in words else "unknown"


class Device:
    """One running switch on a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._folder = host.folder / "device"
        self._daemons: list[Daemon] = []

    def start(self, agent_on: Sequence[str] = ()) -> None:
        """Start its daemons, with an LLDP agent where that is to have ports. Raises AdapterError."""
        self._folder.mkdir()
        try:
            self.host.namespace.call(self._own_files)
            self._start("zebra", [PROGRAMS[0], "-f", f"{self._folder}/zebra.conf"], "/run/frr/zebra.vty")
            if agent_on:
                configuration = self._folder / "lldpd.conf"
                configuration.write_text(_OFF)
                command = [AGENT, "-dd", "-u", AGENT_SOCKET, "-I", ",".join(agent_on), "-O", str(configuration)]
                self._start("lldpd", command, AGENT_SOCKET)
            self._start("sshd", [PROGRAMS[1], "-D", "-e", "-f", f"{self._folder}/sshd.conf"], "/run/sshd.pid")
        except (OSError, subprocess.SubprocessError) as problem:
            raise AdapterError(f"{self.host.name}: {problem}") from None

    def login(self, user: str = USER) -> Login:
        """How an account of it is reached from the host itself."""
        return Login(
            address=LOOPBACK, port=PORT, user=user, known_hosts=self._folder / "known", key=self._folder / "user"
        )

    def _own_files(self) -> None:
        """Keys, accounts and folders, in the host's own mounts; called in the host's thread."""
        folder = self._folder
        for name in ("host", "user"):
            subprocess.run([PROGRAMS[3], "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "known").write_text(f"{LOOPBACK} {(folder / 'host.pub').read_text()}")
        (folder / "sshd.conf").write_text(_SSHD.format(address=LOOPBACK, port=PORT, folder=folder))
        accounts = Path("/etc/passwd").read_text()
        shells = {USER: PROGRAMS[2], OPERATOR: PROGRAMS[4]}
        own = "".join(f"{name}:x:0:0:the switch:/:{shell}\n" for name, shell in shells.items())
        (folder / "passwd").write_text(accounts + own)
        mount(str(folder / "passwd"), "/etc/passwd", flags=MS_BIND)
        mount("plugfest", "/var/log", "tmpfs")
        Path("/run/sshd").mkdir()
        Path("/run/frr").mkdir()
        Path("/run/lldpd").mkdir()
        shutil.chown("/run/frr", "frr", "frr")

    def _start(self, name: str, command: list[str], sign: str) -> None:
        self._daemons.append(self.host.start(command, log=name))
        await_path(self.host.namespace, sign, self._daemons[-1], limits.DAEMON_START)

    def connect(self) -> socket.socket:
        """A connection to its SSH server, from the host itself. Raises AdapterError."""
        opened = self.host.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.settimeout(limits.SWITCH_OPEN)
            opened.connect((LOOPBACK, PORT))
        except OSError as problem:
            opened.close()
            raise AdapterError(f"{self.host.name}: its SSH server does not answer: {problem}") from None
        return opened

    def stop(self) -> None:
        """End its daemons."""
        while self._daemons:
            self._daemons.pop().stop()
