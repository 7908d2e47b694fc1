"""Meshes: many endpoints, of every kind that a policy knows, each tried from every other one at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from conformance.adapters.interface import AdapterError, Attachment
from conformance.lab.flow.mesh import Wanted, meshes
from conformance.lab.flow.mesh_result import MeshResult
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host
from conformance.limits import ANSWER
from conformance.policy.document import Policy
from conformance.provoking.context import Context
from conformance.recording.matrix import packed
from conformance.recording.model import AddressFamily, Matrix

DATABASE: Final = 5432
PORTS: Final = (53, 80, DATABASE)
"""Of the mesh, over TCP and UDP: each is open to some and closed to others."""
OPERATORS: Final = 5433
"""The port that a prefix of operators may reach at the databases."""
TABLES: Final = ("answered", "delivered", "refused", "unreachable", "translated", "diverted")


def population(context: Context, policy: Policy, count: int) -> Iterator[tuple[Host, Attachment]]:
    """So many endpoints, labelled as the policy has it, every kind on every host."""
    hosts = context.hosts
    for number in range(count):
        turn, place = divmod(number, len(policy.population))
        labels = policy.population[place]
        kind = next(iter(labels.values()), "e")
        offered = (("tcp", OPERATORS), ("udp", OPERATORS)) if kind == "db" and "publish" in context.claims else ()
        made = Attachment(f"{kind}{number + 1:02}", offered, labels=labels, tenant=labels.get("tenant", ""))
        yield hosts[(place + turn) % len(hosts)], made


def mesh_of(context: Context, purpose: str) -> None:
    """Every ordered pair of endpoints, over every family, protocol and port."""
    wanted = []
    for family in context.families:
        ends = ends_of(context, family)
        wanted += [Wanted(ends, PORTS, ("tcp", "udp"), family), Wanted(ends, (0,), ("icmp",), family)]
    began = time.time_ns()
    found = meshes(wanted, ANSWER)
    ended = time.time_ns()
    for one, result in zip(wanted, found, strict=True):
        context.matrices.append(matrix(purpose, [address for _, _, address in one.endpoints], result, (began, ended)))


def ends_of(context: Context, family: AddressFamily) -> list[tuple[str, Namespace, str]]:
    """Name, namespace and first address of every endpoint. Raises AdapterError where one has none."""
    found = []
    for endpoint in context.endpoints.values():
        addresses = context.addresses(endpoint, family)
        if not addresses:
            raise AdapterError(f"{endpoint.name} has no {family} address")
        found.append((endpoint.name, endpoint.namespace, str(addresses[0])))
    return found


def matrix(purpose: str, addresses: Sequence[str], result: MeshResult, span: tuple[int, int]) -> Matrix:
    """The result of a mesh as the recording keeps it."""
    return Matrix(
        purpose=purpose,
        family=result.family,
        protocols=result.protocols,
        ports=result.ports,
        names=result.names,
        addresses=tuple(addresses),
        tables={name: packed(getattr(result, name)) for name in TABLES},
        start_ns=span[0],
        end_ns=span[1],
    )
