"""A real SSH server that plays the device's part of a transcript: it answers each line as the transcript has it.

Lines of an exchange come in their order and once; tables are shown as often as they are asked for. `Playing` is such a
server on a port, whose tables may be those of something that is really there.
"""

from __future__ import annotations

import socket
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko

FOLDER = Path(__file__).parents[2] / "fixtures" / "transcripts"
USER, PASSWORD = "admin", "correct horse"


class Door(paramiko.ServerInterface):  # type: ignore[misc]
    """Lets the one user in, and gives a shell."""

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_pty_request(self, *_: Any) -> bool:
        return True

    def check_channel_shell_request(self, channel: Any) -> bool:
        return True

    def check_auth_password(self, username: str, password: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL if (username, password) == (USER, PASSWORD) else paramiko.AUTH_FAILED)

    def get_allowed_auths(self, username: str) -> str:
        return "password"


@dataclass
class Replay:
    """One transcript, played once. `left` are the lines that were not asked for, `strange` those not in it, and `live`
    are tables that are made when they are asked for."""

    name: str
    strange: list[str] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    key: Any = None
    live: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    here: Any = None
    there: Any = None

    def __post_init__(self) -> None:
        script = tomllib.loads((FOLDER / f"{self.name}.toml").read_text())
        self.prompt: str = script["prompt"]
        self.quiet: dict[str, str] = script["quiet"]
        self.left = self.left or script["exchange"]
        self.tables: dict[str, str] = {one["send"]: one["output"] for one in script.get("table", ())}
        self.silent = False
        self.key = self.key or paramiko.ECDSAKey.generate()
        if self.here is None:
            self.here, self.there = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def known_hosts(self, folder: Path) -> Path:
        place = folder / "known_hosts"
        place.write_text(f"device {self.key.get_name()} {self.key.get_base64()}\n")
        return place

    def _serve(self) -> None:
        with self.here, paramiko.Transport(self.here) as transport:
            transport.add_server_key(self.key)
            try:
                transport.start_server(server=Door())
                channel = transport.accept(30)
                if channel is not None:
                    self._shell(channel)
            except (OSError, EOFError, paramiko.SSHException):
                return

    def _shell(self, channel: Any) -> None:
        channel.sendall(f"\r\n{self.prompt}".encode())
        line = ""
        while data := channel.recv(1024):
            for char in data.decode():
                if char not in "\r\n":
                    line += char
                elif not self.silent:
                    channel.sendall(self._answer(line.strip()).encode())
                    line = ""

    def _answer(self, line: str) -> str:
        output = self.quiet.get(line, "")
        if line in self.live:
            output = self.live[line]()
        elif line in self.tables:
            output = self.tables[line]
        elif line and line not in self.quiet:
            if self.left and self.left[0]["send"] == line:
                exchange = self.left.pop(0)
                output, self.prompt = exchange.get("output", ""), exchange.get("prompt", self.prompt)
            else:
                self.strange.append(line)
        body = "".join(f"{text}\r\n" for text in output.splitlines())
        return f"{line}\r\n{body}{self.prompt}"

    def close(self) -> None:
        self.there.close()
        self.wait()

    def wait(self) -> None:
        """Wait until the session has ended."""
        self._thread.join()


@dataclass(frozen=True)
class Playing:
    """An SSH server at `address`, in whose transcript some tables are `live`; every session finds it as it was."""

    address: str
    key: Any

    def known_hosts(self, folder: Path) -> Path:
        """A file with its host key."""
        host, _, port = self.address.rpartition(":")
        place = folder / f"known_hosts-{port}"
        place.write_text(f"[{host}]:{port} {self.key.get_name()} {self.key.get_base64()}\n")
        return place


@contextmanager
def playing(name: str, live: Mapping[str, Callable[[], str]]) -> Iterator[Playing]:
    """Have a dialect's transcript played on a port of this machine's loopback."""
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_accept, args=(listening, name, key, live))
        thread.start()
        host, port = listening.getsockname()
        try:
            yield Playing(f"{host}:{port}", key)
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listening: socket.socket, name: str, key: Any, live: Mapping[str, Callable[[], str]]) -> None:
    """Serve one session after another, until the server is closed."""
    while True:
        try:
            came, _ = listening.accept()
        except OSError:
            return
        Replay(name, key=key, live=live, here=came).wait()
