"""A session with a device over SSH: commands become rows, sets of lines become configuration, refusals are told.

Whatever goes wrong between us and the device (a time-out, a prompt that never comes, output that no template matches)
is an AdapterError, which ends inconclusive with the transcript as evidence: it is never a verdict on the device.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.adapters.switch.dialect import Dialect, Row, saving
from conformance.adapters.switch.transcript import Transcript


@dataclass(frozen=True, kw_only=True)
class Login:
    """How a device is reached. Its host key must be in `known_hosts`; `password` and `agent` are the credentials, or
    the private `key` of a lab's own device."""

    address: str
    port: int
    user: str
    known_hosts: Path
    password: str | None = field(default=None, repr=False)
    key: Path | None = None
    agent: bool = False


class DeviceSession:
    """One open session. Commands are sent one at a time; use it as a context manager."""

    def __init__(
        self, dialect: Dialect, login: Login, transcript: Transcript, *, over: socket.socket | None = None
    ) -> None:
        self.dialect = dialect
        self.transcript = transcript
        self._login = login
        with self._trouble("open the session"):
            self._connection = self._open(over)
            self._prompt = rf"{re.escape(str(self._connection.find_prompt()))}\s*$"

    def _open(self, over: socket.socket | None) -> Any:
        from netmiko import ConnectHandler

        login = self._login
        self.transcript.note(f"{login.user}@{login.address} port {login.port}, {self.dialect.driver}")
        return ConnectHandler(
            device_type=self.dialect.driver,
            host=login.address,
            port=login.port,
            username=login.user,
            password=login.password,
            use_keys=login.key is not None,
            key_file=None if login.key is None else str(login.key),
            allow_agent=login.agent,
            ssh_strict=True,
            system_host_keys=False,
            alt_host_keys=True,
            alt_key_file=str(login.known_hosts),
            sock=over,
            conn_timeout=limits.SWITCH_OPEN,
            auth_timeout=limits.SWITCH_OPEN,
            banner_timeout=limits.SWITCH_OPEN,
            read_timeout_override=limits.SWITCH_ANSWER,
        )

    @contextmanager
    def _trouble(self, what: str) -> Iterator[None]:
        from netmiko.exceptions import NetmikoAuthenticationException, NetmikoBaseException
        from paramiko import SSHException
        from paramiko.hostkeys import InvalidHostKey

        try:
            yield
        except NetmikoAuthenticationException:
            self.transcript.note(f"cannot {what}: the device does not take the credentials")
            raise AdapterError(f"{self._where}: cannot {what}: the device does not take the credentials") from None
        except (NetmikoBaseException, SSHException, InvalidHostKey, OSError, EOFError) as problem:
            said = " ".join(self.transcript.masked(str(problem)).split())[:200] or type(problem).__name__
            self.transcript.note(f"cannot {what}: {said}")
            raise AdapterError(f"{self._where}: cannot {what}: {said}; see logs/{self.transcript.path.name}") from None

    @property
    def _where(self) -> str:
        return f"switch {self._login.address}"

    def command(self, command: str) -> str:
        """Send one command; returns its output. Raises AdapterError."""
        self.transcript.sent(command)
        with self._trouble(f"run {command!r}"):
            output = str(self._connection.send_command(command, expect_string=self._prompt))
        self.transcript.received(output)
        return output

    def show(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        """The rows of one of the dialect's commands. Raises AdapterError where its output is not understood."""
        command = self.dialect.word(self.dialect.show[name].command, values)
        output = self.command(command)
        refused = self.dialect.refused(output)
        try:
            rows = [] if refused else self.dialect.parse(name, output)
        except ValueError as problem:
            refused = f"the template does not match: {problem}"
        if refused:
            self.transcript.note(refused)
            raise AdapterError(f"{self._where}: {command!r}: {refused}; see logs/{self.transcript.path.name}")
        return rows

    def configure(self, lines: Sequence[str]) -> None:
        """Send configuration lines and what makes them take effect. Raises AdapterError where one is refused."""
        if saving(lines):
            raise AdapterError(f"{self._where}: {saving(lines)[0]!r} would save to the start-up configuration")
        if not lines:
            return
        wanted = [*lines, *self.dialect.commit]
        if self.dialect.mode == "exec":
            for line in wanted:
                self._accepted(line, self.command(line))
            return
        for line in wanted:
            self.transcript.sent(line)
        with self._trouble(f"configure {lines[0]!r}"):
            output = str(self._connection.send_config_set(wanted))
        self.transcript.received(output)
        self._accepted(lines[0], output)

    def _accepted(self, line: str, output: str) -> None:
        refused = self.dialect.refused(output)
        if refused:
            self.transcript.note(f"refused: {refused}")
            raise AdapterError(f"{self._where}: {line!r} was refused: {refused}; see logs/{self.transcript.path.name}")

    def close(self) -> None:
        """End the session. A shell is not asked to end: the driver would wait for a prompt behind its ``exit``. Nor is
        the channel closed in order: a device that hangs up meanwhile would be taken for one that failed."""
        if self.dialect.mode == "exec":
            self._connection.remote_conn_pre.close()
        else:
            self._connection.disconnect()
        self.transcript.note("closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
