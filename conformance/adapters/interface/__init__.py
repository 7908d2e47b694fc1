"""What an adapter is: the smallest interface that drives one kind of implementation, optional powers apart.

A power is a Protocol. Those of any subject lie in `powers`, those of one with ports in `ports`, of an LLDP agent in
`lldp`, of a subject that shows its own tables in `views`. A subject names the powers that it has, and `power_of` is the
only way to ask for one.

An adapter never judges and never cleans up after the lab: the kernel does, when the lab ends. It reports what the
implementation says of itself (`Endpoint.reported`); the lab looks at the kernel for what is really there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from conformance.lab.kernel.namespace import Namespace
    from conformance.lab.lab import Host, Lab

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface


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


class Subject(Protocol):
    """The implementation, running on the hosts of a lab; its methods are called from several threads at a time."""

    @property
    def powers(self) -> tuple[type, ...]:
        """The optional powers that it has: Protocols of this package, such as `Moving`; ``()`` where it has none. A
        method without the declaration is no power."""

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


Power = TypeVar("Power")


def power_of(subject: object, power: type[Power]) -> Power | None:
    """The subject as one that has `power`, a Protocol of this package; None where it does not declare it.

    Raises AdapterError where it declares the power without one of its methods or attributes.
    """
    holder: Any = subject
    if power not in getattr(holder, "powers", ()):
        return None
    lacking = next((name for name in members(power) if not hasattr(holder, name)), None)
    if lacking is not None:
        raise AdapterError(f"{type(subject).__name__} declares the power {power.__name__} and has no {lacking}")
    held: Power = holder
    return held


def members(power: type) -> tuple[str, ...]:
    """The methods and attributes that a power consists of, those of powers that it extends among them."""
    names = (name for one in power.__mro__ for name in (*vars(one), *vars(one).get("__annotations__", ())))
    return tuple(dict.fromkeys(name for name in names if not name.startswith("_")))
