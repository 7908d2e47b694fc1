"""The command line of one dockerd: its own places, and what the network of the profile needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from conformance.adapters.docker.mounts import STATE
from conformance.adapters.docker.settings import Settings, find_program
from conformance.lab.lab import Host

SOCKET: Final = STATE / "docker.sock"


def daemon_command(host: Host, settings: Settings) -> Sequence[str]:
    """The program and its arguments; the profile's own flags come last."""
    return (
        find_program(settings.dockerd) or settings.dockerd,
        f"--config-file={STATE / 'daemon.json'}",
        f"--data-root={STATE / 'data'}",
        f"--exec-root={STATE / 'exec'}",
        f"--pidfile={STATE / 'docker.pid'}",
        f"--host=unix://{SOCKET}",
        "--storage-driver=overlay2",
        "--exec-opt=native.cgroupdriver=cgroupfs",
        "--log-driver=none",
        *_network(host, settings),
        *settings.flags,
    )


def _network(host: Host, settings: Settings) -> Iterator[str]:
    """Arguments that belong to the network; everything else keeps the engine's defaults."""
    if settings.cgroup_parent is not None:
        yield f"--cgroup-parent={settings.cgroup_parent}"
    if settings.network != "default-bridge":
        yield "--bridge=none"
        return
    yield f"--bip={host.workload_ipv4[1]}/{host.workload_ipv4.prefixlen}"
    if settings.ipv6:
        yield "--ipv6"
        yield f"--fixed-cidr-v6={host.workload_ipv6}"
    if settings.mtu is not None:
        yield f"--mtu={settings.mtu}"
