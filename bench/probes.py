"""Probes: all ordered pairs of 100 endpoints, three ports, TCP and UDP, from one process (``python -m bench.probes``).

Prints the time with everything answered, the ratio to one process for each probe, of which a sample is taken in the
same run, the time with one port of three dropped, and, for information, what flows with a record each take (`Engine`).
Every verdict of every pair is checked.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from ipaddress import IPv4Interface
from itertools import count, permutations
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

import numpy as np

from conformance.lab import nftables
from conformance.lab.flow import Engine, Probe, Server
from conformance.lab.flow.mesh import mesh
from conformance.lab.flow.mesh_result import MeshResult, Transport
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.sysctls import pin
from conformance.lab.lab import documentation_mac
from conformance.lab.sandbox import sandbox
from conformance.limits import ANSWER, COMMAND
from conformance.protocols.mac import mac_bytes

ENDPOINTS: Final = 100
PORTS: Final = (53, 80, 8080)
DROPPED: Final = 8080
SAMPLE: Final = 300
RUNS: Final = 3
CONNECT: Final = "import socket, sys; socket.create_connection(sys.argv[1:3], 1)"
PREFIX: Final = 24
_NEIGHBOUR: Final = Struct("=IHHII BxxxiHH HH4s HH6sxx")
"""nlmsghdr, ndmsg, and the attributes for address and link-layer address."""
_RTM_NEWNEIGH, _REQUEST_CREATE, _PERMANENT = 28, 0x401, 0x80
_DESTINATION, _LINK_ADDRESS = 1, 2
PROTOCOLS: Final[tuple[Transport, ...]] = ("tcp", "udp")


class Cost(NamedTuple):
    """The cost of a mesh in seconds; the processor time is the whole process's."""

    seconds: float
    user: float
    system: float


def address(number: int) -> str:
    """The IPv4 address of endpoint `number` (from 0)."""
    return f"10.1.0.{number + 1}"


def endpoints(resources: ExitStack) -> list[Namespace]:
    """The endpoints on one bridge, each knowing all neighbours for good (so the kernel's limit of 1024 stays away)."""
    rack = resources.enter_context(Namespace.create("rack"))
    pin(rack)
    link.add(rack, "br", "bridge", br_mcast_snooping=0)
    link.change(rack, "br", state="up")
    found = []
    for number in range(ENDPOINTS):
        namespace = resources.enter_context(Namespace.create(f"e{number}"))
        pin(namespace)
        link.veth(rack, f"p{number}", namespace, "eth0", far_mac=documentation_mac(number))
        link.change(rack, f"p{number}", master=link.index(rack, "br"), state="up")
        link.change(namespace, "lo", state="up")
        link.change(namespace, "eth0", state="up")
        link.address(namespace, "eth0", IPv4Interface(f"{address(number)}/{PREFIX}"))
        namespace.call(_neighbours, number, link.index(namespace, "eth0"))
        found.append(namespace)
    return found


def _neighbours(own: int, interface: int) -> None:
    """Install a permanent entry for every other endpoint, in one rtnetlink message train (rtnetlink(7))."""
    train = b"".join(
        _NEIGHBOUR.pack(
            _NEIGHBOUR.size,
            _RTM_NEWNEIGH,
            _REQUEST_CREATE,
            0,
            0,
            socket.AF_INET,
            interface,
            _PERMANENT,
            0,
            8,
            _DESTINATION,
            socket.inet_aton(address(number)),
            10,
            _LINK_ADDRESS,
            mac_bytes(documentation_mac(number)),
        )
        for number in range(ENDPOINTS)
        if number != own
    )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as rtnetlink:
        rtnetlink.send(train)


def verify(result: MeshResult, *, silent: int | None) -> None:
    """Every pair answered and delivered as it was sent, except on the port `silent`, where nothing arrived."""
    expected = result.probed.copy()
    if silent is not None:
        expected[:, PORTS.index(silent)] = False
    wrong = list(result.cells(expected))
    assert not wrong, wrong[:5]
    assert np.array_equal(result.delivered, expected)
    assert not (result.refused | result.unreachable | result.translated | result.diverted).any()


def records(namespaces: list[Namespace]) -> float:
    """Seconds that the same probes take as flows with data and a record each, every record checked."""
    identifiers = count(1)
    probes = [
        Probe(
            id=next(identifiers),
            purpose="bench",
            path="same-host",
            protocol=protocol,
            family="ipv4",
            source=f"e{one}",
            namespace=namespaces[one],
            target=f"e{other}",
            destination=address(other),
            port=port,
        )
        for protocol in PROTOCOLS
        for one, other in permutations(range(ENDPOINTS), 2)
        for port in PORTS
    ]
    with Engine() as engine:
        for number, namespace in enumerate(namespaces):
            engine.serve(Server(name=f"e{number}", namespace=namespace, tcp_ports=PORTS, udp_ports=PORTS))
        begun = time.perf_counter()
        flows = engine.run(probes, ANSWER, bulk=True)
        took = time.perf_counter() - begun
    for flow in flows:
        assert flow.status == "answered", flow
        assert flow.answer is not None, flow
        assert flow.answer == flow.arrival, flow
        assert (flow.answer.server, flow.answer.peer, flow.answer.local) == (
            flow.target,
            flow.local,
            flow.dialled,
        ), flow
    return took


def processes(namespaces: list[Namespace]) -> tuple[str, float]:
    """The kind of process that sends one probe, and how many of them run in a second, one after the other.

    Each is the cheapest client of a shell script that the machine has, and only connects: no answer, no record.
    """
    clients = {
        "nc": ["nc", "-z", "-w", "1"],
        "bash": ["bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"'],
        sys.executable: [sys.executable, "-I", "-S", "-c", CONNECT],
    }
    tool = next(name for name in clients if shutil.which(name))
    begun = time.perf_counter()
    for number in range(SAMPLE):
        target = address((number + 7) % ENDPOINTS)
        result = namespaces[number % ENDPOINTS].run([*clients[tool], target, str(PORTS[0])], timeout=COMMAND)
        assert result.returncode == 0, result
    return Path(tool).name, SAMPLE / (time.perf_counter() - begun)


def drop(namespace: Namespace) -> None:
    """Drop in silence what comes to the port `DROPPED`."""
    rules = tuple(
        nftables.Rule(nftables.drop(), (nftables.transport(protocol), nftables.destination_port(DROPPED)))
        for protocol in PROTOCOLS
    )
    chain = nftables.Chain("input", rules, type="filter", hook="input", priority=0)
    nftables.install(namespace, nftables.Table("ip", "bench", (chain,)))


def listening(namespaces: list[Namespace], resources: ExitStack) -> None:
    """A listener on the first port of each endpoint for the processes, which nobody needs to accept from."""
    for number, namespace in enumerate(namespaces):
        listener = resources.enter_context(namespace.socket(socket.AF_INET, socket.SOCK_STREAM))
        listener.bind((address(number), PORTS[0]))
        listener.listen()


def body() -> int:
    """The whole benchmark, inside the sandbox."""
    with ExitStack() as resources:
        namespaces = endpoints(resources)
        ends = [(f"e{number}", namespace, address(number)) for number, namespace in enumerate(namespaces)]

        def mesh_time(silent: int | None) -> Cost:
            before = os.times()
            result = mesh(ends, PORTS, PROTOCOLS)
            after = os.times()
            verify(result, silent=silent)
            return Cost(result.seconds, after.user - before.user, after.system - before.system)

        answered = min(mesh_time(None) for _ in range(RUNS))
        total = ENDPOINTS * (ENDPOINTS - 1) * len(PORTS) * len(PROTOCOLS)
        print(
            f"answered and verified: {total} probes in {answered.seconds:.2f} s (best of {RUNS}; target: 3 s), "
            f"{total / answered.seconds:,.0f} a second, CPU {answered.user:.2f} s user, {answered.system:.2f} s system",
            flush=True,
        )
        with ExitStack() as listeners:
            listening(namespaces, listeners)
            tool, rate = processes(namespaces)
        print(f"one process ({tool}) for each probe: {rate:,.0f} a second ({SAMPLE} sampled), {total / rate:,.0f} s")
        print(f"ratio: {total / rate / answered.seconds:,.1f} (target: 40)", flush=True)
        print(f"for information: with a record for each flow {records(namespaces):.2f} s", flush=True)
        for namespace in namespaces:
            drop(namespace)
        silent = min(mesh_time(DROPPED) for _ in range(RUNS))
        print(
            f"one port of three dropped and verified: {silent.seconds:.2f} s (best of {RUNS}), "
            f"{silent.seconds - answered.seconds:+.2f} s for one deadline of {ANSWER:.0f} s"
        )
    return 0


def main() -> int:
    """Run the benchmark in a sandbox of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        pid = sandbox.spawn(body, scratch=Path(scratch))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
