"""One dockerd on one host of the lab, in the foreground, and the client of its API."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

import docker
import requests
from docker.errors import DockerException

from conformance import limits
from conformance.adapters.docker.command import SOCKET, daemon_command
from conformance.adapters.docker.image import REPOSITORY, TAG, image_archive
from conformance.adapters.docker.mounts import prepare_mounts
from conformance.adapters.docker.settings import SEARCH, Settings
from conformance.adapters.interface import AdapterError
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host, Lab

READY: Final = b"READY=1"
"""sd_notify(3): the service has finished its start-up."""
LOG_LINES: Final = 8


@contextmanager
def own_words(doing: str) -> Iterator[None]:
    """Turn what the API answers or fails to answer into an AdapterError that says what was being done."""
    try:
        yield
    except (DockerException, requests.RequestException) as problem:
        words = getattr(problem, "explanation", None) or str(problem)
        raise AdapterError(f"{doing}: {words}") from problem


class DockerEngine:
    """A running dockerd; `client` speaks to its socket, which lies in the host's private mounts. Raises AdapterError
    where it does not come up."""

    def __init__(self, host: Host, settings: Settings) -> None:
        self.host = host
        self._settings = settings
        try:
            host.namespace.call(prepare_mounts, host.logs)
        except OSError as problem:
            raise AdapterError(f"{host.name}: no private mounts for an engine: {problem}") from problem
        self._start()

    def _start(self) -> None:
        self.daemon = _start_daemon(self.host, self._settings)
        try:
            with own_words(f"{self.host.name}: connect to dockerd"):
                base_url = f"unix:///proc/{self.daemon.pid}/root{SOCKET}"
                self.client = docker.APIClient(base_url=base_url, version="auto", timeout=int(limits.ATTACH))
        except AdapterError:
            _kill(self.daemon)
            raise

    def restart(self) -> None:
        """End dockerd as a service manager does, and start it again with the same state. Raises AdapterError."""
        self.client.close()
        self.daemon.stop()
        self._start()

    def close(self) -> None:
        """End dockerd at once."""
        self.client.close()
        _kill(self.daemon)

    @contextmanager
    def asked(self, doing: str) -> Iterator[docker.APIClient]:
        """The client, for requests whose failure is an AdapterError: host, what was asked, docker's own words."""
        try:
            with own_words(f"{self.host.name}: {doing}"):
                yield self.client
        except AdapterError as problem:
            if self.daemon.alive():
                raise
            raise AdapterError(f"{problem}; dockerd has died: {self.daemon.tail(LOG_LINES)}") from problem


def start_engines(lab: Lab, settings: Settings, resources: ExitStack) -> dict[str, DockerEngine]:
    """An engine with its image on every host, all started at the same time; ended with `resources`.

    Raises AdapterError with the end of dockerd's log where one does not come up.
    """
    archive = image_archive(settings.busybox)

    def start(host: Host) -> DockerEngine:
        engine = DockerEngine(host, settings)
        resources.callback(engine.close)
        with engine.asked("import the image") as client:
            client.import_image_from_data(archive, repository=REPOSITORY, tag=TAG)
        return engine

    hosts = list(lab.hosts.values())
    with ThreadPoolExecutor(len(hosts)) as threads:
        return {engine.host.name: engine for engine in threads.map(start, hosts)}


def _start_daemon(host: Host, settings: Settings) -> Daemon:
    """Start dockerd and wait until it says that it is ready."""
    with host.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notices:
        notices.bind("")
        place = "@" + notices.getsockname()[1:].decode()
        try:
            daemon = host.start(
                daemon_command(host, settings), log="dockerd", environment={"NOTIFY_SOCKET": place, "PATH": SEARCH}
            )
        except OSError as problem:
            raise AdapterError(f"{host.name}: {settings.dockerd} does not start: {problem}") from problem
        try:
            daemon.await_sign(notices.fileno(), lambda: READY in notices.recv(4096).splitlines(), limits.DAEMON_START)
        except TimeoutError as problem:
            _kill(daemon)
            raise AdapterError(f"{host.name}: dockerd {problem}: {daemon.tail(LOG_LINES)}") from None
    return daemon


def _kill(daemon: Daemon) -> None:
    """End dockerd at once: an orderly end would wait for every container, and the lab goes away with them."""
    daemon.stop(signal.SIGKILL)
