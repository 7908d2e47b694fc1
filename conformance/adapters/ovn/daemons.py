"""OVN's own daemons: both databases and ovn-northd on one host, ovn-controller on each, in the host's own /run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.adapters.openvswitch.daemons import LOG_LINES, QUIET, SOCKET, create, serve
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host

STATE: Final = Path("/run/ovn")
DATABASES: Final = STATE / "databases.sock"
PIDFILE: Final = STATE / "ovn-controller.pid"
"""Where ovn-appctl looks for it; its control socket has its number in its name."""
SCHEMAS: Final = {"nb": "/usr/share/ovn/ovn-nb.ovsschema", "sb": "/usr/share/ovn/ovn-sb.ovsschema"}
SOUTHBOUND: Final = 6642
"""The port on which controllers reach the southbound database (ovn-architecture(7))."""
TIMEOUT: Final = f"--timeout={int(limits.DAEMON_START)}"


class Central:
    """One server of the northbound and the southbound database, and ovn-northd, which translates."""

    def __init__(self, host: Host, resources: ExitStack) -> None:
        self.host = host
        host.namespace.call(STATE.mkdir, parents=True, exist_ok=True)
        for name, schema in SCHEMAS.items():
            create(host, STATE / f"{name}.db", schema)
        sockets = f"--ovnnb-db=unix:{DATABASES} --ovnsb-db=unix:{DATABASES}"
        northd = f"ovn-northd {sockets} --unixctl={STATE}/northd.ctl -vfile:off -vsyslog:off"
        server = [
            *(str(STATE / f"{name}.db") for name in SCHEMAS),
            f"--remote=punix:{DATABASES}",
            f"--remote=ptcp:{SOUTHBOUND}:{host.ipv4.ip}",
            f"--unixctl={STATE}/ovsdb.ctl",
        ]
        self._daemon = serve(host, server, then=northd, log="ovn-central")
        resources.callback(self._daemon.stop)
        self.configure(["init"])

    def configure(self, *commands: Sequence[str]) -> None:
        """One transaction of ovn-nbctl; returns when every controller has applied it. Raises AdapterError."""
        words = ["--wait=hv"]
        for number, command in enumerate(commands):
            words += [*(["--"] if number else []), *command]
        self._control("ovn-nbctl", words)

    def await_port(self, name: str) -> None:
        """Until a logical port is up: its controller has its flows. Raises AdapterError."""
        self._control("ovn-nbctl", ["wait-until", "Logical_Switch_Port", name, "up=true"])

    def await_chassis(self, controller: Controller) -> None:
        """Until a host's controller is known here. Raises AdapterError."""
        try:
            self._control("ovn-sbctl", ["wait-until", "Chassis", controller.host.name])
        except AdapterError as problem:
            raise AdapterError(f"{problem}; ovn-controller said: {controller.tail()}") from None

    def listed(self, *command: str) -> list[str]:
        """What ovn-nbctl answers, line by line. Raises AdapterError."""
        return self._control("ovn-nbctl", command).splitlines()

    def _control(self, program: str, words: Sequence[str]) -> str:
        command = [program, QUIET, f"--db=unix:{DATABASES}", TIMEOUT, *words]
        done = self.host.run(command, timeout=limits.DAEMON_START + limits.COMMAND)
        if done.returncode != 0 or done.stderr.strip():
            died = "" if self._daemon.alive() else f"; it has died: {self._daemon.tail(LOG_LINES)}"
            raise AdapterError(f"{self.host.name}: {program} {words[0]}: {done.stderr.strip()}{died}")
        return done.stdout


class Controller:
    """ovn-controller of one host."""

    def __init__(self, host: Host, resources: ExitStack) -> None:
        self.host = host
        host.namespace.call(STATE.mkdir, parents=True, exist_ok=True)
        self._daemon = self._start()
        resources.callback(self.stop)

    def stop(self) -> None:
        """End it as the package's service does for a restart: its flows stay."""
        if not self._daemon.alive():
            return
        self.host.run(["ovn-appctl", "-t", "ovn-controller", "exit", "--restart"], timeout=limits.COMMAND)
        if self._daemon.wait(limits.DAEMON_STOP) is None:
            self._daemon.stop()

    def tail(self) -> str:
        """The end of its log."""
        return self._daemon.tail(LOG_LINES)

    def start(self) -> None:
        """Start it again."""
        self._daemon = self._start()

    def _start(self) -> Daemon:
        command = ["ovn-controller", f"unix:{SOCKET}", f"--pidfile={PIDFILE}", "-vfile:off", "-vsyslog:off"]
        return self.host.start(command, log="ovn-controller")
