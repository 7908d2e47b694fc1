"""The cells of a mesh: their numbers, and the addresses that belong to them."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from struct import Struct
from typing import Final

from conformance.lab.flow.mesh_result import EXAMPLES, Tables, Translation, Transport
from conformance.lab.kernel.namespace import Namespace
from conformance.recording.model import AddressFamily

NUMBER: Final = Struct("!I")
"""The cell's number in a message, after the nonce of the run."""
NONCE: Final = 4
"""Octets of the nonce."""
REFUSED: Final = frozenset({errno.ECONNREFUSED, errno.ENOPROTOOPT, errno.EACCES})
"""As Linux tells RST, port unreachable, protocol unreachable, and what is prohibited (ICMPv6)."""
UNREACHABLE: Final = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENONET, errno.EADDRNOTAVAIL, errno.EPROTO}
)
"""As Linux tells the other ICMP errors, what nobody answered the address resolution for, and missing routes."""

Name = tuple[str, int] | tuple[str, int, int, int]
"""What the kernel calls one end of a flow, in the form of Python's sockets."""


class MeshPlan:
    """Who probes whom on what. Cell = ((protocol x ports + port) x endpoints + source) x endpoints + target.

    `sent` has what connections call their source, where their cell's number goes over them.
    """

    def __init__(
        self,
        endpoints: Sequence[tuple[str, Namespace, str]],
        ports: Sequence[int],
        protocols: Sequence[Transport],
        family: AddressFamily,
        closed: Collection[int],
    ) -> None:
        self.names = tuple(name for name, _, _ in endpoints)
        self.namespaces = [namespace for _, namespace, _ in endpoints]
        self.addresses = [_address(text, family) for _, _, text in endpoints]
        self.ports = tuple(ports)
        self.protocols = tuple(protocols)
        self.family = family
        self.closed = frozenset(closed)
        self.size = len(endpoints)
        self.sent: dict[int, Name] = {}
        self.nonce = secrets.token_bytes(NONCE)
        self.tables = Tables(len(protocols) * len(ports) * self.size**2)

    def name(self, address: str, port: int) -> Name:
        """Address and port as the kernel gives them back."""
        return (address, port) if self.family == "ipv4" else (address, port, 0, 0)

    def arrived(self, cell: int, port: int, target: int, sent: Name | None, seen: Name) -> None:
        """Note that `cell` arrived at the server of `target` on the port with the number `port` (both from 0).

        `sent` is the source as it calls itself, None where that is not known.
        """
        tables = self.tables
        meant_port, source, meant = self.where(cell)[1:]
        if (meant_port, meant) == (port, target):
            tables.delivered[cell] = 1
        else:
            tables.diverted[cell] = 1
        translated = sent is not None and sent[:2] != seen[:2]
        if translated:
            tables.translated[cell] = 1
        if sent is not None and (translated or tables.diverted[cell]):
            protocol = self.protocols[self.where(cell)[0]]
            ends = self.ports[meant_port], self.names[source], self.names[meant]
            if sum(one.protocol == protocol for one in tables.examples) < EXAMPLES:
                tables.examples.append(Translation(protocol, *ends, sent[:2], seen[:2], self.names[target]))

    def where(self, cell: int) -> tuple[int, int, int, int]:
        """Numbers of protocol, port, source and target of a cell."""
        rest, target = divmod(cell, self.size)
        rest, source = divmod(rest, self.size)
        protocol, port = divmod(rest, len(self.ports))
        return protocol, port, source, target

    def number(self, message: bytes) -> int | None:
        """The cell that a message names; None where it is not of this mesh."""
        if len(message) != NONCE + NUMBER.size or message[:NONCE] != self.nonce:
            return None
        (cell,) = NUMBER.unpack_from(message, NONCE)
        return int(cell) if cell < self.tables.cells else None

    def failed(self, cell: int, number: int) -> None:
        """Note the errno that ended a probe. Raises OSError for one that has nothing to do with the network."""
        if number in REFUSED:
            self.tables.refused[cell] = 1
        elif number in UNREACHABLE:
            self.tables.unreachable[cell] = 1
        elif number not in {errno.ETIMEDOUT, errno.EPERM}:
            _, port, source, target = self.where(cell)
            raise OSError(number, f"{self.names[source]} to {self.names[target]} port {self.ports[port]}")


def _address(text: str, family: AddressFamily) -> str:
    """The address as the kernel writes it. Raises ValueError for one of the other family or of link-local scope."""
    address = ip_address(text)
    if address.version != (4 if family == "ipv4" else 6) or (address.version == 6 and address.is_link_local):
        raise ValueError(f"{text}: not an address for a mesh over {family}")
    return str(address)
