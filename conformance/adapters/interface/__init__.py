"""What an adapter is: the smallest interface that drives one kind of implementation, optional powers apart.

An adapter never judges and never cleans up after the lab: the kernel does, when the lab ends. It reports what the
implementation says of itself (`Endpoint.reported`); the lab looks at the kernel for what is really there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from conformance.lab.kernel.namespace import Namespace
    from conformance.lab.lab import Host, Lab
    from conformance.policy.document import Policy

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface

MoveKind = Literal["migrate", "restart", "failover", "crash"]
"""Same addresses, same MAC, other host (live migration, re-attach); same addresses, new MAC, same host (restart); same
addresses, new MAC, other host (failover); the same after the station that had them has gone without a word (crash)."""


class AdapterError(Exception):
    """The implementation did not do what the adapter asked; the text says what, with the implementation's own words.

    Ends the recording's scenario as a failed precondition (inconclusive), or as what the scenario was looking for.
    """


@dataclass(frozen=True, slots=True)
class Identity:
    """What the implementation says of itself: product and version, and further versions (kernel modules, plugins)."""

    product: str
    version: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The implementation is not on this machine: why, and the Debian packages that provide it."""

    reason: str
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A request for one endpoint.

    `name` is unique in the lab. `publish` lists (protocol, port) to be published, for implementations that publish.
    `addresses` asks for exactly these addresses (of families the implementation supports; empty: its own choice).
    `extra_addresses` asks for that many further addresses per family on the same interface. `labels` are what a policy
    selects it by; `tenant` names the network that it belongs to, for implementations that keep tenants apart.
    A `peer` is there for others to talk to and never moves: an implementation whose endpoints are costly, or
    speak up by themselves, may attach a plain station of the same network instead.
    """

    name: str
    publish: tuple[tuple[str, int], ...] = ()
    addresses: tuple[Interface, ...] = ()
    extra_addresses: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""
    peer: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """Where clients dial a published port: `address`:`port` leads to port `target_port` of the endpoint."""

    protocol: str
    address: Address
    port: int
    target_port: int


@dataclass(frozen=True, slots=True)
class Reported:
    """What the implementation reported of an endpoint: in its API's or result's own words, decoded.

    `mtu` is None where the implementation reports none.
    """

    addresses: tuple[Interface, ...] = ()
    mac: str | None = None
    mtu: int | None = None
    gateways: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class HostSideInterface:
    """The host's end of an endpoint's link: where its frames are watched if its own namespace cannot be (a guest's)."""

    namespace: Namespace
    interface: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One attached endpoint: the namespace where it lives, its interface there, and what was reported of it.

    `host_side` is given where its frames can only be watched from outside. `since_ns` is when it came up at this place,
    where the implementation itself says so more exactly than by returning (CLOCK_REALTIME; 0: it does not).
    """

    name: str
    host: str
    namespace: Namespace
    interface: str
    reported: Reported
    publications: tuple[Publication, ...] = ()
    host_side: HostSideInterface | None = None
    since_ns: int = 0
    handle: Any = None


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


@runtime_checkable
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


@runtime_checkable
class Bridging(Protocol):
    """Optional power of a subject: bridges between its ports."""

    shortest_ageing: float
    """The shortest ageing time that it can be told, in seconds."""

    def bridge(self, host: Host, wishes: Sequence[BridgeConfig]) -> None:
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


@runtime_checkable
class Aggregating(Protocol):
    """Optional power of a subject: link aggregation groups that speak LACP."""

    def aggregate(self, host: Host, access: str, bundles: Sequence[LagConfig]) -> None:
        """Make all these groups, and one switch that forwards between them and the port `access`: what is broadcast
        there goes to each of them. When it returns they are up. Raises AdapterError."""


class Subject(Protocol):
    """The implementation, running on the hosts of a lab; its methods are called from several threads at a time."""

    def prepare(self, host: Host, name: str) -> Namespace | None:
        """The namespace in which the endpoint `name` will live, made before it is attached so that a tap can watch
        it from its first frame; None where the implementation makes the namespace itself."""

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach one endpoint on `host`. Raises AdapterError when the implementation refuses."""

    def detach(self, endpoint: Endpoint) -> None:
        """Detach the endpoint; its address may be given to another. Raises AdapterError."""


class Adapter(Protocol):
    """One kind of implementation, made from a profile's settings by `adapter(profile)`."""

    weight: int
    """How much of a machine one deployment takes, in units of a kernel-only lab (1); recordings are packed by it."""
    needs_root: bool
    """Whether it works only as root of the machine (container engines), not in a user namespace."""

    def identify(self) -> Identity | Unavailable:
        """Ask the implementation itself for its version; no side effects, no lab, no root."""

    def deploy(self, lab: Lab) -> AbstractContextManager[Subject]:
        """The implementation running on the lab's hosts. Raises AdapterError."""

    def plan(self) -> tuple[str, ...]:
        """What `deploy` and `attach` would start and configure, one step a line, for ``plugfest run --plan``."""


@runtime_checkable
class Explaining(Protocol):
    """Optional power of a subject: further state of its own that explains a verdict (never decides one)."""

    def explain(self, host: Host) -> Mapping[str, Any]:
        """Structured state by name (JSON values), stored in the snapshot of `host`."""


@runtime_checkable
class Outside(Protocol):
    """Optional power of a subject whose endpoints are watched from outside: it says where, before they are there."""

    def host_side(self, host: Host, name: str) -> HostSideInterface:
        """Where the frames of the endpoint `name` will be seen when it is on `host`."""


@runtime_checkable
class Moving(Protocol):
    """Optional power of a subject: to move an endpoint with its addresses, by what the product itself does for it."""

    moves: tuple[MoveKind, ...]
    """The kinds of move that the implementation can make, at least one."""

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace | None:
        """The namespace in which the endpoint will live after such a move, made beforehand so that taps and sockets
        are there from its first frame (its own one, where it stays there); None where it cannot be had before.
        Nothing of the endpoint may be heard from there yet. Raises AdapterError."""

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """Move the endpoint to the host `to` (for a restart: its own); returns when the implementation says it is done.

        Nothing is sent or announced for the implementation. The endpoint that is returned has the same name and may
        live in another namespace; the old one is not used any more. Raises AdapterError.
        """


@runtime_checkable
class Filtering(Protocol):
    """Optional power of a subject: to enforce a policy, in the implementation's own language."""

    def apply(self, policy: Policy) -> None:
        """Put `policy` in force on every host, in place of what was in force; returns when the implementation says so.

        Endpoints belong to its groups by the labels that they were attached with; who attaches later is governed from
        the start. Without a policy everything passes. Raises AdapterError, also for what the implementation cannot
        express.
        """


@runtime_checkable
class Restarting(Protocol):
    """Optional power of a subject: to restart what enforces policies on a host, as the product's own service does."""

    def restart(self, host: Host) -> None:
        """End it and start it again, with what it keeps of its own; returns when it says that it is ready. Endpoints
        stay attached. Raises AdapterError."""
