"""Open vSwitch on one host of a lab: ovsdb-server and ovs-vswitchd in the foreground, in the host's own /run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host

STATE: Final = Path("/run/openvswitch")
DATABASE: Final = STATE / "conf.db"
SOCKET: Final = STATE / "db.sock"
CONTROL: Final = STATE / "vswitchd.ctl"
SCHEMA: Final = "/usr/share/openvswitch/vswitch.ovsschema"
LOG_LINES: Final = 8
QUIET: Final = "-vconsole:off"
"""Programs complain about a busy machine on standard error, beside what went wrong."""
DATABASE_CLIENT: Final = ("ovs-vsctl", QUIET, f"--db=unix:{SOCKET}", f"--timeout={int(limits.COMMAND)}")
FLOW_CLIENT: Final = ("ovs-ofctl", QUIET, "-O", "OpenFlow14")


class Switch:
    """A running Open vSwitch of one host."""

    def __init__(self, host: Host, daemon: Daemon) -> None:
        self.host = host
        self.daemon = daemon

    def configure(self, *commands: Sequence[str]) -> None:
        """One transaction of ovs-vsctl; returns when ovs-vswitchd has applied it. Raises AdapterError."""
        words: list[str] = []
        for number, command in enumerate(commands):
            words += [*(["--"] if number else []), *command]
        self._run("ovs-vsctl", [*DATABASE_CLIENT, *words], silent=True)

    def ask(self, *command: str) -> str:
        """What ovs-appctl answers. Raises AdapterError."""
        return self._run(f"ovs-appctl {' '.join(command)}", ["ovs-appctl", "-t", str(CONTROL), *command])

    def port_names(self, bridge: str) -> dict[str, str]:
        """The names of a bridge's interfaces by their numbers there, as text. Raises AdapterError."""
        mine = self._tell("list-ifaces", bridge).split()
        said = self._tell("--format=json", "--columns=ofport,name", "list", "interface")
        try:
            return {str(number): name for number, name in json.loads(said)["data"] if name in mine}
        except (ValueError, KeyError, TypeError):
            raise AdapterError(f"{self.host.name}: ovs-vsctl list interface: not understood: {said[:200]!r}") from None

    def _tell(self, *words: str) -> str:
        return self._run(f"ovs-vsctl {' '.join(words)}", [*DATABASE_CLIENT, *words])

    def replace_flows(self, bridge: str, flows: Sequence[str]) -> None:
        """Replace all flows of a bridge in one bundle. Raises AdapterError."""
        command = [*FLOW_CLIENT, "--bundle", "replace-flows", self._management(bridge), "-"]
        self._run("ovs-ofctl replace-flows", command, text="\n".join([*flows, ""]), silent=True)

    def flows(self, bridge: str) -> list[str]:
        """The flows of a bridge with their counters, one a line. Raises AdapterError."""
        dumped = self._run("ovs-ofctl dump-flows", [*FLOW_CLIENT, "dump-flows", self._management(bridge)])
        return [line.strip() for line in dumped.splitlines() if "actions=" in line]

    def counters(self, bridge: str) -> str:
        """The counters of a bridge's ports, by name. Raises AdapterError."""
        command = [*FLOW_CLIENT, "--names", "dump-ports", self._management(bridge)]
        return self._run("ovs-ofctl dump-ports", command)

    def stop(self) -> None:
        """End both daemons."""
        self.daemon.stop()

    def restart(self) -> None:
        """End both daemons and start them again on the same database. Raises AdapterError.

        ovs-vswitchd has made its bridges when this returns: it is waited for where something is changed. The flows are
        gone by then, as they are of no database.
        """
        self.ask("exit")
        if self.daemon.wait(limits.DAEMON_STOP) is None:
            raise AdapterError(f"{self.host.name}: Open vSwitch did not end: {self.daemon.tail(LOG_LINES)}")
        self.daemon = _launch(self.host)
        self.configure(["set", "Open_vSwitch", ".", f"external-ids:started={self.daemon.pid}"])

    @staticmethod
    def _management(bridge: str) -> str:
        return f"unix:{STATE / bridge}.mgmt"

    def _run(self, what: str, command: Sequence[str], *, text: str = "", silent: bool = False) -> str:
        """What a program prints; where it fails, or is not `silent` on its standard error, AdapterError is raised about
        `what` with the first line of that."""
        done = self.host.run(command, text=text, timeout=limits.COMMAND)
        problem = done.stderr.strip()
        if done.returncode != 0 or (silent and problem):
            died = "" if self.daemon.alive() else f"; it has died: {self.daemon.tail(LOG_LINES)}"
            raise AdapterError(f"{self.host.name}: {what}: {problem.partition(chr(10))[0]}{died}")
        return done.stdout


def start(host: Host, resources: ExitStack) -> Switch:
    """Start both daemons on an empty database; ended with `resources`. Raises AdapterError with their log's end."""
    host.namespace.call(STATE.mkdir, parents=True, exist_ok=True)
    create(host, DATABASE, SCHEMA)
    switch = Switch(host, _launch(host))
    resources.callback(switch.stop)
    switch.configure(["--no-wait", "init"])
    return switch


def _launch(host: Host) -> Daemon:
    """Start both daemons on the database that is there. Raises AdapterError."""
    vswitchd = f"ovs-vswitchd unix:{SOCKET} --unixctl={CONTROL} --pidfile={STATE}/vswitchd.pid -vfile:off -vsyslog:off"
    server = [str(DATABASE), f"--remote=punix:{SOCKET}", f"--unixctl={STATE}/ovsdb.ctl"]
    return serve(host, server, then=vswitchd, log="openvswitch")


def create(host: Host, database: Path, schema: str) -> None:
    """Make an empty database. Raises AdapterError."""
    made = host.run(["ovsdb-tool", "create", str(database), schema], timeout=limits.COMMAND)
    if made.returncode != 0:
        raise AdapterError(f"{host.name}: ovsdb-tool: {made.stderr.strip()}")


def serve(host: Host, server: Sequence[str], *, then: str, log: str) -> Daemon:
    """Start ovsdb-server with the words `server`, and with it the program `then`, as a shell would. Raises
    AdapterError.

    ovsdb-server itself starts the program, once its socket is there: what is written to the pipe just before tells
    that it is ready.
    """
    pipe = host.folder / f"{log}.ready"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    command = ["ovsdb-server", *server, "-vfile:off", "-vsyslog:off", f"--run=echo > {pipe}; exec {then}"]
    try:
        daemon = host.start(command, log=log)
        _await(reader, host, daemon)
    except OSError as problem:
        raise AdapterError(f"{host.name}: ovsdb-server does not start: {problem}") from problem
    finally:
        os.close(reader)
    return daemon


def _await(reader: int, host: Host, daemon: Daemon) -> None:
    """Wait for the line in the pipe, at most `limits.DAEMON_START`. Raises AdapterError."""
    try:
        daemon.await_sign(reader, lambda: bool(os.read(reader, 1)), limits.DAEMON_START)
    except TimeoutError as problem:
        raise AdapterError(f"{host.name}: ovsdb-server {problem}: {daemon.tail(LOG_LINES)}") from None
