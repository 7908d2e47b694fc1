"""What a policy lets pass against what arrived: tables over all ordered pairs of endpoints, one cell for each probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.judging.case import Case
from conformance.policy.document import Policy, Transport
from conformance.policy.truth import DecisionTable, Opening, Peer, decision_on, table
from conformance.recording import matrix as matrices
from conformance.recording.model import AddressFamily, Matrix
from conformance.recording.store import Recording

Bits = NDArray[np.bool_]

NUMBERS: Final = {"tcp": (6,), "udp": (17,), "icmp": (1, 58)}
ECHO_REQUESTS: Final = (8, 128)
SYN, SYN_ACK = 0x02, 0x12
GRID_ROWS: Final = 12
"""Sources with differing cells that a grid shows."""


@dataclass(frozen=True)
class Result:
    """One family and protocol of a mesh, judged against the policy that was in force.

    Every table has the shape (ports, sources, targets). `first` holds, for each cell, the row of the first frame that
    arrived at the target's own interface to open that flow, -1 where none did.
    """

    matrix: Matrix
    protocol: Transport
    policy: Policy
    peers: tuple[Peer, ...]
    expected: DecisionTable
    first: NDArray[np.int64]

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports, in the order of the tables; (0,) for icmp."""
        return self.matrix.ports

    def table(self, name: str) -> Bits:
        """What the probes' own ends say: answered, delivered, refused, unreachable, translated, diverted."""
        found: Bits = matrices.table(self.matrix, name)[self.matrix.protocols.index(self.protocol)]
        return found

    @cached_property
    def passed(self) -> Bits:
        """What got through: to the target's interface by the frames, or to its server by its own word."""
        return (self.first >= 0) | self.table("delivered") | self.table("translated")

    @cached_property
    def apart(self) -> Bits:
        """The cells that were probed."""
        size = len(self.peers)
        return np.broadcast_to(~np.eye(size, dtype=np.bool_), (len(self.ports), size, size))

    def name(self, cell: Sequence[int]) -> str:
        """A cell in words: protocol, port, source, target."""
        port, source, target = cell
        wire = self.protocol if self.protocol == "icmp" else f"{self.protocol}/{self.ports[port]}"
        return f"{wire} {self.peers[source].name} -> {self.peers[target].name}"

    def rule(self, cell: Sequence[int]) -> str:
        """Which rules decide a cell, in words."""
        port, source, target = cell
        opening = Opening(4 if self.matrix.family == "ipv4" else 6, self.protocol, self.ports[port])
        found = decision_on(self.policy, self.peers[source], self.peers[target], opening)
        return ", ".join(f"{side} {one.rule or 'ungoverned'}" for side, one in zip(found._fields, found, strict=True))

    def end(self, cell: Sequence[int]) -> str:
        """How a cell ended at its source: the faces of a denial apart."""
        port, source, target = cell
        for name, word in (("answered", "answered"), ("refused", "rejected"), ("unreachable", "reported unreachable")):
            if self.table(name)[port, source, target]:
                return word
        return "silence"

    def grid(self, differs: Bits) -> list[str]:
        """The differing cells as a grid for each port: L leaks, x is kept back, . is as the policy says, a space was
        not asked for. Rows are sources, columns targets in the same order; rows without a difference are left out."""
        lines = []
        size = len(self.peers)
        for port, layer in enumerate(differs):
            if not layer.any():
                continue
            wire = self.protocol if self.protocol == "icmp" else f"{self.protocol}/{self.ports[port]}"
            rows = np.flatnonzero(layer.any(axis=1)).tolist()
            lines.append(f"{wire} over {self.matrix.family}: {int(layer.sum())} of {size * (size - 1)} cells differ")
            lines.append(f"{'':>12} {''.join(str((number + 1) // 10 % 10) for number in range(size))}")
            lines.append(f"{'':>12} {''.join(str((number + 1) % 10) for number in range(size))}")
            for row in rows[:GRID_ROWS]:
                cells = "".join(self._letter(layer, port, row, column) for column in range(size))
                lines.append(f"{row + 1:>3} {self.peers[row].name:>8} {cells}")
            if len(rows) > GRID_ROWS:
                lines.append(f"... and {len(rows) - GRID_ROWS} rows more")
        return lines

    def _letter(self, layer: Bits, port: int, row: int, column: int) -> str:
        if row == column:
            return " "
        if not layer[row, column]:
            return "."
        return "x" if self.expected.allowed[port, row, column] else "L"


def result(case: Case, family: AddressFamily, protocol: Transport) -> Result:
    """The mesh of the scenario's first policy in one family and protocol. Requires that every endpoint was seen.

    Requires as well that no tap lost frames, that what a server had was seen on its tap, and that every endpoint's tap
    saw something that is allowed: else nothing that was not seen there is proved to be absent.
    """
    found = _remembered(case, family, protocol)
    for endpoint in case.endpoints:
        case.tap(endpoint.tap)
    delivered = found.table("delivered")
    unseen = delivered & (found.first < 0)
    case.require(not unseen.any(), f"{int(unseen.sum())} probes were delivered and not seen on the target's own tap")
    seen = np.zeros(len(found.peers), dtype=np.bool_)
    for other in ("tcp", "udp", "icmp"):
        one = _remembered(case, family, other)
        seen |= ((one.first >= 0) & one.expected.allowed).any(axis=(0, 1))
    silent = [peer.name for peer, heard in zip(found.peers, seen, strict=True) if not heard]
    case.require(
        not silent, f"nothing that is allowed over {family} was seen at {', '.join(silent)}: no absence is proved"
    )
    return found


def _remembered(case: Case, family: str, protocol: Transport) -> Result:
    key = "tried", family, protocol
    memory = case.recording.memory
    if key not in memory:
        memory[key] = _tried(case, family, protocol)
    found: Result = memory[key]
    return found


def _tried(case: Case, family: str, protocol: Transport) -> Result:
    record = case.recording.record
    meshes = [one for one in record.matrices if one.purpose == "policy" and one.family == family]
    wanted = [one for one in meshes if protocol in one.protocols]
    case.require(wanted and record.policies, f"the scenario tried no mesh of {protocol} over {family}")
    matrix, policy = wanted[0], record.policies[0]
    peers = parties_of(case.recording)
    ends = tuple(peers[name] for name in matrix.names)
    version = 4 if family == "ipv4" else 6
    return Result(
        matrix,
        protocol,
        policy,
        ends,
        table(policy, ends, version, protocol, matrix.ports),
        _first_frames(case, matrix, protocol),
    )


def parties_of(recording: Recording) -> dict[str, Peer]:
    """Every endpoint, and the external client, as the policy sees them, by name."""
    found = {
        endpoint.name: Peer(
            endpoint.name,
            endpoint.labels,
            tuple(ip_address(one.address) for one in endpoint.kernel.addresses if one.scope == "global"),
        )
        for endpoint in recording.record.endpoints
    }
    client = recording.record.testbed.client
    return {**found, "client": Peer("client", None, (client.ipv4, client.ipv6))}


def _first_frames(case: Case, matrix: Matrix, protocol: Transport) -> NDArray[np.int64]:
    """For each cell the row of the first frame that came in at the target's interface to open that flow."""
    index = case.recording.frames
    places = {name: number for number, name in enumerate(matrix.names)}
    taps = {tap.number: places[tap.where] for tap in case.recording.record.taps if tap.where in places}
    opening = index.mask(
        between=(matrix.start_ns, matrix.end_ns),
        protocol=NUMBERS[protocol],
        ip_version=4 if matrix.family == "ipv4" else 6,
        fragment_offset=0,
        tap=list(taps),
    )
    opening &= ~index.outbound
    if protocol == "icmp":
        opening &= np.isin(index.icmp_type, ECHO_REQUESTS)
        ports = {0: 0}
    else:
        ports = {port: number for number, port in enumerate(matrix.ports)}
        opening &= np.isin(index.destination_port, matrix.ports)
        if protocol == "tcp":
            opening &= index.tcp_flags & SYN_ACK == SYN
    first = np.full((len(ports), len(places), len(places)), -1, dtype=np.int64)
    ends = {int(ip_address(address)): number for number, address in enumerate(matrix.addresses)}
    for row in np.flatnonzero(opening)[::-1].tolist():
        source = ends.get(int(index.source_high[row]) << 64 | int(index.source_low[row]))
        target = ends.get(int(index.destination_high[row]) << 64 | int(index.destination_low[row]))
        if source is not None and target is not None and target == taps[int(index.tap[row])]:
            port = 0 if protocol == "icmp" else ports[int(index.destination_port[row])]
            first[port, source, target] = row
    return first


def kept_back(case: Case, found: Result, denied: Bits, expected: str) -> None:
    """Nothing of the cells `denied` got through; what did is shown with its frame, and all of it as a grid."""
    case.window("policy")
    case.require(denied.any(), "the policy denies no such cell")
    leaks = denied & found.passed
    for _ in range(int((denied & ~leaks).sum())):
        case.expect(True, expected=expected, seen="kept back")
    for cell in np.argwhere(leaks).tolist():
        row = int(found.first[tuple(cell)])
        case.expect(
            False,
            expected=expected,
            seen=f"{found.name(cell)} got through ({found.rule(cell)}) and ended in {found.end(cell)}",
            frames=[row + 1] if row >= 0 else [],
        )
    case.show(found.grid(leaks))
    _faces(case, found, denied & ~leaks)


def _faces(case: Case, found: Result, denied: Bits) -> None:
    """How denials end, each face apart, as figures."""
    for name, word in (
        ("refused", "rejected"),
        ("unreachable", "reported unreachable"),
        ("answered", "answered by another"),
    ):
        count = int((denied & found.table(name)).sum())
        if count:
            case.figures[f"denied and {word}"] = count
    case.figures["denied"] = int(denied.sum())
