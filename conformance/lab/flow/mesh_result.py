"""What a mesh of probes found: one boolean for each question and cell, in arrays of one shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conformance.recording.model import AddressFamily

Transport = Literal["tcp", "udp", "icmp"]
"""What a mesh probes with; icmp is echo, which has no ports: its one port is 0."""
Table = NDArray[np.bool_]
"""Shape (protocol, port, source, target), in the order of the arguments of `mesh`."""

EXAMPLES: Final = 10
"""Translations of each transport that a result tells in full."""


class Translation(NamedTuple):
    """One cell that arrived changed: `sent` and `seen` are address and port of its source at both ends.

    `at` names the endpoint where it arrived, which differs from `target` where the destination was changed as well.
    """

    protocol: Transport
    port: int
    source: str
    target: str
    sent: tuple[str, int]
    seen: tuple[str, int]
    at: str


class MeshCell(NamedTuple):
    """One probe of the mesh and its verdicts, with the names of its ends."""

    protocol: Transport
    port: int
    source: str
    target: str
    answered: bool
    delivered: bool
    refused: bool
    unreachable: bool


@dataclass
class Tables:
    """The verdicts while the mesh runs: a byte for each cell, flat, in the order of `Table`."""

    cells: int
    answered: bytearray = field(init=False)
    delivered: bytearray = field(init=False)
    refused: bytearray = field(init=False)
    unreachable: bytearray = field(init=False)
    translated: bytearray = field(init=False)
    diverted: bytearray = field(init=False)
    examples: list[Translation] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("answered", "delivered", "refused", "unreachable", "translated", "diverted"):
            setattr(self, name, bytearray(self.cells))


@dataclass(frozen=True)
class MeshResult:
    """Verdicts of all ordered pairs. Each array has shape (protocol, port, source, target), dtype bool.

    The diagonal (source is target) is never probed and False everywhere. `answered`: the source had the handshake
    completed, or its datagram back from the address and port that it dialled. `delivered`: told inside the destination
    alone, by accept(2) of that connection or by the datagram's number. `refused`: RST or an ICMP error of the kind that
    is final (port or protocol unreachable, prohibited as Linux tells it). `unreachable` (and perhaps answered
    later): any other ICMP error, or the
    source's own system has no way. `translated`: the destination saw another source address or port. `diverted`:
    another endpoint (or port) of the mesh than the one that was dialled had it. `seconds`: what the whole mesh took.
    """

    names: tuple[str, ...]
    ports: tuple[int, ...]
    protocols: tuple[Transport, ...]
    family: AddressFamily
    answered: Table
    delivered: Table
    refused: Table
    unreachable: Table
    translated: Table
    diverted: Table
    examples: tuple[Translation, ...]
    seconds: float

    @property
    def probed(self) -> Table:
        """True for every cell off the diagonal: all that was probed."""
        return np.broadcast_to(~np.eye(len(self.names), dtype=np.bool_), self.answered.shape)

    def cells(self, expected: Table) -> Iterator[MeshCell]:
        """The cells whose `answered` differs from the truth table `expected`, in the order of the arrays.

        `expected` is broadcast to the shape of the arrays; the diagonal is left out. Raises ValueError where it cannot
        be broadcast.
        """
        differs = (self.answered != np.broadcast_to(expected, self.answered.shape)) & self.probed
        for protocol, port, source, target in np.argwhere(differs).tolist():
            where = protocol, port, source, target
            yield MeshCell(
                self.protocols[protocol],
                self.ports[port],
                self.names[source],
                self.names[target],
                bool(self.answered[where]),
                bool(self.delivered[where]),
                bool(self.refused[where]),
                bool(self.unreachable[where]),
            )


def finished(
    names: tuple[str, ...],
    ports: tuple[int, ...],
    protocols: tuple[Transport, ...],
    family: AddressFamily,
    *,
    tables: Tables,
    seconds: float,
) -> MeshResult:
    """The result of a mesh from its flat tables, which it goes on using as they are."""
    shape = (len(protocols), len(ports), len(names), len(names))

    def table(flat: bytearray) -> Table:
        return np.frombuffer(flat, dtype=np.bool_).reshape(shape)

    return MeshResult(
        names,
        ports,
        protocols,
        family,
        table(tables.answered),
        table(tables.delivered),
        table(tables.refused),
        table(tables.unreachable),
        table(tables.translated),
        table(tables.diverted),
        tuple(tables.examples),
        seconds,
    )
