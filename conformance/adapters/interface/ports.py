"""Ports, and what can be asked of a subject that is judged by them: powers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from conformance.lab.kernel.namespace import Namespace
    from conformance.lab.lab import Host


@dataclass(frozen=True, slots=True)
class Port:
    """One port of the implementation and the partner's end of its cable.

    `name` is what the implementation calls it. `interface` is the kernel's interface of the host that it is, empty
    where the port lies out of the kernel's sight (in a virtual machine). The partner speaks on `partner` in
    `namespace`, which its tap calls `where`.
    """

    name: str
    host: str
    interface: str
    namespace: Namespace
    where: str
    partner: str

    @property
    def tap(self) -> str:
        """The partner's tap: what arrives there is what the port has sent."""
        return f"{self.where}:{self.partner}"


class Linking(Protocol):
    """What is judged by its ports. Where a profile has only link roles this stands in the place of `Subject`."""

    def ports(self) -> Sequence[Port]:
        """The ports in use, in a fixed order; the host's own cables (`Host.cables`) or others that it made."""


SpanningTree = Literal["off", "stp", "rstp"]


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """A request for one bridge between ports of a host, named by their interfaces. Times in seconds.

    The times of the spanning tree are the bridge's own, which hold while it is the root; it is the root where its
    `priority`, a multiple of 4096, is the lowest of all.
    """

    name: str
    ports: tuple[str, ...]
    spanning: SpanningTree = "off"
    ageing: float = 300.0
    hello: float = 2.0
    max_age: float = 20.0
    forward_delay: float = 15.0
    priority: int = 0x8000


class Bridging(Protocol):
    """Optional power of a subject: bridges between its ports."""

    shortest_ageing: float
    """The shortest ageing time that it can be told, in seconds."""

    def bridge(self, host: Host, configs: Sequence[BridgeConfig]) -> None:
        """Make all these bridges; when it returns they are up. Raises AdapterError."""


@dataclass(frozen=True, slots=True)
class LagConfig:
    """A request for one link aggregation group of ports of a host, named by their interfaces.

    `active`: it speaks LACP unasked; else it is passive. `short`: it has the short timeout, and says so to its partner.
    """

    name: str
    ports: tuple[str, ...]
    active: bool = True
    short: bool = True


class Aggregating(Protocol):
    """Optional power of a subject: link aggregation groups that speak LACP."""

    def aggregate(self, host: Host, access: str, bundles: Sequence[LagConfig]) -> None:
        """Make all these groups, and one switch that forwards between them and the port `access`: what is broadcast
        there goes to each of them. When it returns they are up. Raises AdapterError."""


class Paired(Protocol):
    """Optional power of a subject: to be two implementations in one lab, each with a host of its own."""

    sides: tuple[Any, ...]
    """Their subjects, the left one first."""
