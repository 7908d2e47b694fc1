"""Setting up a lab of ten hosts, dual-stack, ready to send: the suite's way against one ip(8) process per command."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from conformance.lab.kernel.mounts import mount
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Lab
from conformance.lab.sandbox.sandbox import spawn
from conformance.testbed import Testbed

HOSTS = 10
RUNS = 9
TARGET = 0.1
"""Seconds."""


def testbed() -> Testbed:
    """Ten hosts and a client in one segment."""
    hosts = {
        f"h{n}": {
            "segment": "lan",
            "ipv4": f"192.0.2.{10 + n}",
            "ipv6": f"2001:db8:0:1::{10 + n}",
            "workload_ipv4": f"10.{n}.0.0/24",
            "workload_ipv6": f"2001:db8:{n}:1::/64",
            "pool_ipv4": "192.0.2.64/27",
            "pool_ipv6": "2001:db8:0:1:1::/80",
        }
        for n in range(1, HOSTS + 1)
    }
    return Testbed.model_validate(
        {
            "schema": 1,
            "name": "ten",
            "title": "Ten hosts in one segment",
            "hosts": hosts,
            "overlay": {"ipv4": "10.200.0.0/24", "ipv6": "2001:db8:200::/64"},
            "segments": {"lan": {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:0:1::/64"}},
            "client": {"segment": "lan", "ipv4": "192.0.2.200", "ipv6": "2001:db8:0:1::c"},
        }
    )


def ours() -> tuple[float, float, float]:
    """Seconds until the lab is built, CPU seconds of it, and seconds until every host has heard its neighbour."""
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        begin, used = time.perf_counter(), time.process_time()
        with Lab(testbed(), Path(folder)) as lab:
            built, used = time.perf_counter() - begin, time.process_time() - used
            begin = time.perf_counter()
            pairs = list(pairwise(lab.hosts.values()))
            hear([(one.namespace, other.namespace, str(other.ipv4.ip)) for one, other in pairs])
            hear([(one.namespace, other.namespace, str(other.ipv6.ip)) for one, other in pairs])
            return built, used, time.perf_counter() - begin


def hear(pairs: list[tuple[Namespace, Namespace, str]]) -> None:
    """One datagram for each pair, all at once; returns when all have arrived. Raises TimeoutError."""
    family = socket.AF_INET6 if ":" in pairs[0][2] else socket.AF_INET
    servers = []
    try:
        for _, target, address in pairs:
            server = target.socket(family, socket.SOCK_DGRAM)
            servers.append(server)
            server.bind((address, 9))
            server.settimeout(5)
        for source, _, address in pairs:
            with source.socket(family, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", (address, 9))
        for server in servers:
            server.recv(1)
    finally:
        for server in servers:
            server.close()


def commands() -> Iterator[str]:
    """The same objects as commands of ip(8); its sysctls, private mounts and folders are left out."""
    bed = testbed()
    stations = {**bed.hosts, "client": bed.client}
    yield "netns add rack"
    yield "-n rack link set lo up"
    yield "-n rack link add lan type bridge mcast_snooping 0"
    yield "-n rack link set lan addrgenmode none up"
    for name, station in stations.items():
        yield f"netns add {name}"
        yield f"-n {name} link set lo up"
        yield f"-n rack link add {name}.lan mtu 1500 type veth peer name eth0 mtu 1500 netns {name}"
        yield f"-n rack link set {name}.lan addrgenmode none master lan up"
        yield f"-n {name} link set eth0 up"
        yield f"-n {name} addr add {station.ipv4}/24 dev eth0"
        yield f"-n {name} addr add {station.ipv6}/64 dev eth0 nodad"
        for other, host in bed.hosts.items():
            if other != name:
                yield f"-n {name} route add {host.workload_ipv4} via {host.ipv4}"
                yield f"-n {name} -6 route add {host.workload_ipv6} via {host.ipv6}"


def by_commands(program: str) -> tuple[int, float]:
    """The number of commands, and the seconds that they take with a process for each."""
    listed = list(commands())
    begin = time.perf_counter()
    for words in listed:
        subprocess.run([program, *words.split()], check=True)
    return len(listed), time.perf_counter() - begin


def _measure() -> int:
    mount("plugfest", "/run", "tmpfs")
    ours()
    runs = [ours() for _ in range(RUNS)]
    built = statistics.median(run[0] for run in runs)
    print(
        f"lab of {HOSTS} hosts: {built * 1e3:.0f} ms (best {min(run[0] for run in runs) * 1e3:.0f}, CPU "
        f"{statistics.median(run[1] for run in runs) * 1e3:.0f}), every neighbour heard over IPv4 and IPv6 "
        f"{statistics.median(run[2] for run in runs) * 1e3:.1f} ms later; target {TARGET * 1e3:.0f} ms; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    program = shutil.which("ip")
    if program is None:
        print("ip(8) is not here: no comparison")
        return 0
    count, seconds = by_commands(program)
    print(f"the same by {count} processes of ip(8): {seconds * 1e3:.0f} ms, {seconds / built:.1f} times as long")
    return 0


def main() -> int:
    """Print the figures, measured in a sandbox."""
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        return os.waitstatus_to_exitcode(os.waitpid(spawn(_measure, scratch=Path(folder)), 0)[1])


if __name__ == "__main__":
    sys.exit(main())
