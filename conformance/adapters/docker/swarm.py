"""A Swarm of all hosts of the lab, over their IPv4 underlay addresses."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from conformance.adapters.docker.engine import DockerEngine

PORT: Final = 2377
"""TCP port of the cluster management traffic (Docker's manual, Swarm mode)."""


def form(engines: Sequence[DockerEngine]) -> None:
    """Make the first engine the manager and let the others join as workers. Raises AdapterError."""
    manager, *workers = engines
    place = str(manager.host.ipv4.ip)
    with manager.asked("initialise a swarm") as client:
        client.init_swarm(advertise_addr=place, listen_addr=f"{place}:{PORT}")
        token = client.inspect_swarm()["JoinTokens"]["Worker"]

    def join(worker: DockerEngine) -> None:
        own = str(worker.host.ipv4.ip)
        with worker.asked("join the swarm") as client:
            client.join_swarm(
                remote_addrs=[f"{place}:{PORT}"], join_token=token, advertise_addr=own, listen_addr=f"{own}:{PORT}"
            )

    with ThreadPoolExecutor(max(1, len(workers))) as threads:
        list(threads.map(join, workers))
