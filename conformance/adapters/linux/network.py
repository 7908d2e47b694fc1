"""Endpoints of kernel-only networks: a namespace each, addresses, and their detection, as a design says.

A design is a value: functions for its parts. Designs that build on another one replace parts of it.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from conformance import limits
from conformance.adapters.interface import AdapterError, Address, Attachment, Endpoint, Interface, Reported
from conformance.adapters.linux.pool import Allocations
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.protocols.mac import mac_text

INTERFACE = "eth0"


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one endpoint gets: `port` names the host's end of its link, `mtu` is in bytes, `labels` are as asked for.

    A `peer` never moves (see `Attachment`); `asked` says that its addresses are those that were asked for.
    """

    name: str
    host: Host
    namespace: Namespace
    port: str
    mac: str
    addresses: tuple[Interface, ...]
    mtu: int
    labels: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""
    peer: bool = False
    asked: bool = False


def nothing() -> None:
    """Nothing is to be done: what the kernel holds goes with the lab."""


def connected(allocation: Allocation) -> None:
    """The endpoint's link is up already, or nobody else is on it."""


def unplug(allocation: Allocation) -> None:
    """Take the endpoint's interface away; the other end of a cable goes with it."""
    netlink.transact(allocation.namespace, [rtnetlink.delete_link(INTERFACE)])


def own_mac(request: Attachment) -> str:
    """The MAC address that goes with the endpoint's name."""
    return mac_of(request.name)


def underlay_mtu(host: Host) -> int:
    """The MTU of the host's own link, in bytes."""
    return host.mtu


def routers_of(host: Host) -> tuple[Address, ...]:
    """The routers of the host's segment, of each family that has one."""
    return tuple(address for address in (host.gateway_ipv4, host.gateway_ipv6) if address is not None)


def cable(allocation: Allocation) -> netlink.Request:
    """A veth cable between the host and the endpoint's namespace."""
    descriptor = allocation.namespace.descriptor
    return rtnetlink.veth(allocation.port, INTERFACE, descriptor, mtu=allocation.mtu, far_mac=allocation.mac)


def default_routes(allocation: Allocation, gateways: Sequence[Address]) -> list[netlink.Request]:
    """A default route through each gateway."""
    del allocation
    return [rtnetlink.route(link.everything(str(one)), via=str(one), link=INTERFACE) for one in gateways]


def assign(design: Design, allocation: Allocation) -> None:
    """Give the kernel the endpoint's addresses and routes, and wait until no address is tentative.

    Raises AdapterError where duplicate address detection fails.
    """
    addresses = [rtnetlink.address(INTERFACE, address, dad=design.detects) for address in allocation.addresses]
    netlink.transact(allocation.namespace, [*addresses, *design.routes_of(allocation)])
    failed = link.await_dad(allocation.namespace, INTERFACE, limits.DAD_SETTLED) if design.awaits else []
    if design.refuses:
        refuse_duplicates(allocation.name, failed)


def refuse_duplicates(name: str, failed: Sequence[object]) -> None:
    """Raises AdapterError where duplicate address detection failed for any address."""
    if failed:
        taken = ", ".join(str(address) for address in failed)
        raise AdapterError(f"{name}: duplicate address detection failed: {taken} is in use")


@dataclass(frozen=True, kw_only=True)
class Design:
    """One design of a network on all hosts of a lab, part by part. A variant of it replaces a part.

    Parts are called from several threads. They raise AdapterError or what `refusals` turns into it.
    """

    allocations: Allocations
    """Which addresses are free, by host, tenant and IP version."""
    connect: Callable[[Allocation], None]
    """Cable the endpoint: its namespace has the interface afterwards."""
    start: Callable[[], None] = nothing
    """Configure the hosts, before the first endpoint."""
    close: Callable[[], None] = nothing
    """End what does not go with the lab by itself."""
    await_connection: Callable[[Allocation], None] = connected
    """Wait until what the network sends reaches the endpoint, whose interface has just been set up."""
    disconnect: Callable[[Allocation], None] = unplug
    """Take the endpoint's interface away."""
    assign: Callable[[Design, Allocation], None] = assign
    """Give the endpoint, which is connected, its addresses and routes."""
    mac: Callable[[Attachment], str] = own_mac
    """MAC address of an endpoint."""
    mtu: Callable[[Host], int] = underlay_mtu
    """MTU in bytes of an endpoint's link."""
    gateways: Callable[[Host], tuple[Address, ...]] = routers_of
    """Where the endpoints of a host send what is not on their link; none of a family without a default route."""
    routes: Callable[[Allocation, Sequence[Address]], list[netlink.Request]] = default_routes
    """The endpoint's own routes, given the gateways of the families that it has addresses of."""
    versions: tuple[int, ...] = (4, 6)
    """IP versions of which endpoints get addresses."""
    mounts: bool = False
    """Whether an endpoint's namespace has mounts of its own."""
    detects: bool = True
    """Whether duplicate address detection is run on the addresses that endpoints are given."""
    awaits: bool = True
    """Whether attach returns only when that detection is over."""
    refuses: bool = True
    """Whether attach fails when that detection finds a duplicate. Careless products lack one of the three."""
    said: list[dict[str, Any]] = field(default_factory=list)
    """What parts write down of their own doing: time, place and words. It explains, and decides nothing."""

    def gateways_of(self, allocation: Allocation) -> tuple[Address, ...]:
        """The gateways of the families that the endpoint has addresses of."""
        used = {address.version for address in allocation.addresses}
        return tuple(one for one in self.gateways(allocation.host) if one.version in used)

    def routes_of(self, allocation: Allocation) -> list[netlink.Request]:
        """The endpoint's own routes."""
        return self.routes(allocation, self.gateways_of(allocation))


class Network:
    """A design's network, on all hosts of a lab. A subclass has further powers of a subject.

    Safe to use from several threads: endpoints that attach at the same time wait for their duplicate address
    detection at the same time.
    """

    powers: tuple[type, ...] = ()

    def __init__(self, lab: Lab, design: Design) -> None:
        self.lab = lab
        self.design = design
        self._namespaces: dict[str, Namespace] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def said(self) -> Sequence[Mapping[str, Any]]:
        """What the design wrote down of its own doing."""
        return self.design.said

    @contextmanager
    def running(self, what: str = "bridge") -> Iterator[Self]:
        """The network with its hosts configured, closed at the end. Raises AdapterError about `what`."""
        with refusals(what):
            self.design.start()
        try:
            yield self
        finally:
            self.design.close()

    # --- what a scenario asks ---------------------------------------------------------------------------------
    def prepare(self, host: Host, name: str) -> Namespace:
        """The endpoint's namespace, empty but for a loopback that is up."""
        del host
        with self._lock:
            if name not in self._namespaces:
                self._namespaces[name] = self.station(name)
            return self._namespaces[name]

    def station(self, name: str) -> Namespace:
        """A new namespace for an endpoint."""
        return self.lab.namespace(name, mounts=self.design.mounts)

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Cable the endpoint, give it its addresses and wait until none is tentative.

        Raises AdapterError where an address is taken, by the pool's pools of addresses or by duplicate address
        detection; the endpoint is then not attached.
        """
        namespace = self.prepare(host, request.name)
        if request.publish:
            raise AdapterError(f"{request.name}: this network publishes no ports; dial the endpoint's own address")
        addresses = self.take(host, request)
        allocation = Allocation(
            name=request.name,
            host=host,
            namespace=namespace,
            port=f"ep{next(self._numbers)}",
            mac=self.design.mac(request),
            addresses=addresses,
            mtu=self.design.mtu(host),
            labels=request.labels,
            tenant=request.tenant,
            peer=request.peer,
            asked=bool(request.addresses),
        )
        try:
            self._configure(allocation)
        except BaseException:
            self._release(allocation)
            raise
        gateways = self.design.gateways_of(allocation)
        reported = Reported(addresses=addresses, mac=allocation.mac, mtu=allocation.mtu, gateways=gateways)
        return Endpoint(request.name, host.name, namespace, INTERFACE, reported, handle=allocation)

    def detach(self, endpoint: Endpoint) -> None:
        """Take the endpoint's interface away and give its addresses back. Raises AdapterError."""
        with refusals(endpoint.name):
            self.design.disconnect(endpoint.handle)
        allocation: Allocation = endpoint.handle
        self.give_back(allocation.host, allocation.addresses, allocation.tenant)

    # --- how it is done ---------------------------------------------------------------------------------------
    def take(self, host: Host, request: Attachment) -> tuple[Interface, ...]:
        """Addresses for an endpoint: those that it asks for, or the next ones. Raises AdapterError."""
        taken: list[Interface] = []
        asked = [wanted for wanted in request.addresses if wanted.version in self.design.versions]
        try:
            taken.extend(
                self.design.allocations(host, request.tenant, wanted.version).take(wanted.ip) for wanted in asked
            )
            own = 0 if asked else 1
            versions: set[int] = {wanted.version for wanted in asked} or set(self.design.versions)
            for version in sorted(versions):
                pool = self.design.allocations(host, request.tenant, version)
                taken.extend(pool.take() for _ in range(own + request.extra_addresses))
        except AdapterError as problem:
            self.give_back(host, taken, request.tenant)
            raise AdapterError(f"{request.name}: {problem}") from None
        return tuple(taken)

    def give_back(self, host: Host, addresses: Sequence[Interface], tenant: str = "") -> None:
        """The addresses may be given to other endpoints."""
        for address in addresses:
            self.design.allocations(host, tenant, address.version).give_back(address.ip)

    def _configure(self, allocation: Allocation) -> None:
        with refusals(allocation.name):
            self.design.connect(allocation)
            netlink.transact(allocation.namespace, [rtnetlink.up(INTERFACE)])
            self.design.await_connection(allocation)
            self.design.assign(self.design, allocation)

    def _release(self, allocation: Allocation) -> None:
        with suppress(Exception):
            self.design.disconnect(allocation)
        self.give_back(allocation.host, allocation.addresses, allocation.tenant)


def mac_of(name: str) -> str:
    """A locally administered unicast MAC address (IEEE 802 §8.2) that depends on the endpoint's name alone."""
    digest = hashlib.sha256(name.encode()).digest()
    return mac_text(bytes((0x02, *digest[:5])))


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn the kernel's refusal into an AdapterError about `what`, with the kernel's words."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as problem:
        raise AdapterError(f"{what}: the kernel refused: {problem.args[1]}") from problem
    except (OSError, LookupError, TimeoutError) as problem:
        raise AdapterError(f"{what}: {problem}") from problem
