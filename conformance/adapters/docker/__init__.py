"""The adapter for Docker Engine: one real dockerd per lab host, driven through its API.

Every engine has its own data root, socket, containerd and (empty) configuration; nothing is pulled from a registry.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from conformance import limits
from conformance.adapters.docker.settings import Settings, find_program, settings_of
from conformance.adapters.interface import Identity, Subject, Unavailable
from conformance.profile import Profile

if TYPE_CHECKING:
    from conformance.lab.lab import Lab

PARTS: Final = ("containerd", "runc", "iptables")
"""Programs whose versions belong to the engine's behaviour."""


def adapter(profile: Profile) -> DockerAdapter:
    """The adapter of a profile of kind ``docker``. Raises UsageError for a wrong setting."""
    return DockerAdapter(profile, settings_of(profile))


class DockerAdapter:
    """Docker Engine with one network, chosen by the profile's settings."""

    needs_root = True

    def __init__(self, profile: Profile, settings: Settings) -> None:
        self._packages = profile.packages
        self._settings = settings
        self.weight = 10 if settings.network == "overlay" else 8

    def identify(self) -> Identity | Unavailable:
        """What ``dockerd --version`` says, with the versions of the programs that it calls."""
        from conformance.adapters.docker.image import is_static

        dockerd, busybox = find_program(self._settings.dockerd), find_program(self._settings.busybox)
        if dockerd is None:
            return self._unavailable(f"{self._settings.dockerd} is not installed")
        if busybox is None or not is_static(Path(busybox)):
            return self._unavailable("there is no statically linked busybox to make an image of")
        version = _version(dockerd)
        if version is None:
            return self._unavailable(f"{self._settings.dockerd} does not tell its version")
        number, _, build = version.removeprefix("Docker version ").partition(", build ")
        parts = {name: _version(place) or "unknown" for name in PARTS if (place := find_program(name)) is not None}
        return Identity("Docker Engine", number, {"build": build, **parts})

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(reason, self._packages)

    def deploy(self, lab: Lab) -> AbstractContextManager[Subject]:
        """One engine on every host of the lab and the network between its endpoints. Raises AdapterError."""
        return self._deployed(lab)

    @contextmanager
    def _deployed(self, lab: Lab) -> Iterator[Subject]:
        from conformance.adapters.docker.engine import start_engines
        from conformance.adapters.docker.filtered import FilteredSubject
        from conformance.adapters.docker.networks import make_network
        from conformance.adapters.docker.subject import DockerSubject

        with ExitStack() as resources:
            engines = start_engines(lab, self._settings, resources)
            network = make_network(engines, lab, self._settings)
            if self._settings.policy:
                yield FilteredSubject(lab, engines, network)
                return
            yield DockerSubject(lab, engines, network, spans=self._settings.network in ("macvlan", "overlay"))

    def plan(self) -> tuple[str, ...]:
        """What is started and configured, one step a line; addresses are those of the testbed's hosts."""
        from conformance.adapters.docker.networks import plan_lines

        daemon = self._settings.dockerd
        return (
            f"on every host: {daemon} with its own data root, socket and empty configuration",
            "on every host: import an image made of busybox, without a registry",
            *plan_lines(self._settings),
            "per endpoint: create and start a container, enter its network namespace",
        )


def _version(program: str) -> str | None:
    """The first line that ``PROGRAM --version`` prints, None where it fails."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=limits.COMMAND, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0] if lines and done.returncode == 0 else None
