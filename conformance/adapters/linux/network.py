"""What the kernel-only networks have in common: an endpoint's namespace, its addresses, and their detection."""

from __future__ import annotations

import hashlib
import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar, Self

from conformance import limits
from conformance.adapters.interface import AdapterError, Address, Attachment, Endpoint, Interface, Reported
from conformance.adapters.linux.pool import Pool
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.protocols.mac import mac_text

INTERFACE = "eth0"


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one endpoint gets: `port` names the host's end of its link, `mtu` is in bytes, `labels` are as asked for."""

    name: str
    host: Host
    namespace: Namespace
    port: str
    mac: str
    addresses: tuple[Interface, ...]
    mtu: int
    labels: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""


class Network(ABC):
    """One design of a network, on all hosts of a lab. A subclass says how an endpoint is cabled and routed.

    Safe to use from several threads: endpoints that attach at the same time wait for their duplicate address
    detection at the same time.
    """

    powers: tuple[type, ...] = ()
    steps: ClassVar[tuple[str, ...]] = ()
    """What the design configures, one step a line."""
    detects = True
    """Whether duplicate address detection is run on the addresses that endpoints are given."""
    awaits = True
    """Whether attach returns only when that detection is over."""
    refuses = True
    """Whether attach fails when that detection finds a duplicate. Careless products lack one of the three."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._namespaces: dict[str, Namespace] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.pools = {
            (host.name, version): self.pool(host, version) for host in lab.hosts.values() for version in (4, 6)
        }

    # --- what a design says -----------------------------------------------------------------------------------
    @abstractmethod
    def pool(self, host: Host, version: int) -> Pool:
        """Where the addresses of `host`'s endpoints come from."""

    def allocations_of(self, host: Host, tenant: str, version: int) -> Pool:
        """Who has which address: tenants whose addresses are their own affair have a pool each."""
        del tenant
        return self.pools[host.name, version]

    @abstractmethod
    def start(self) -> None:
        """Configure the hosts, before the first endpoint."""

    def close(self) -> None:  # noqa: B027 - nothing by default: what the kernel was told goes with the lab
        """End what does not go with the lab by itself."""

    @contextmanager
    def running(self, what: str = "bridge") -> Iterator[Self]:
        """The network with its hosts configured, closed at the end. Raises AdapterError about `what`."""
        with refusals(what):
            self.start()
        try:
            yield self
        finally:
            self.close()

    def mtu(self, host: Host) -> int:
        """MTU in bytes of an endpoint's link."""
        return host.mtu

    @abstractmethod
    def connect(self, allocation: Allocation) -> None:
        """Cable the endpoint: its namespace has the interface afterwards."""

    def await_connection(self, allocation: Allocation) -> None:
        """Wait until what the network sends reaches the endpoint, whose interface has just been set up."""
        del allocation  # its link is up already, or nobody else is on it

    def disconnect(self, allocation: Allocation) -> None:
        """Take the endpoint's interface away; the other end of a cable goes with it."""
        netlink.transact(allocation.namespace, [rtnetlink.delete_link(INTERFACE)])

    def gateways(self, host: Host) -> tuple[Address, ...]:
        """Where the endpoints of `host` send what is not on their link; none of a family without a default route."""
        return tuple(address for address in (host.gateway_ipv4, host.gateway_ipv6) if address is not None)

    def routes(self, allocation: Allocation) -> list[netlink.Request]:
        """The endpoint's own routes: by default the default routes, through the gateways."""
        versions = {address.version for address in allocation.addresses}
        gateways = [str(one) for one in self.gateways(allocation.host) if one.version in versions]
        return [rtnetlink.route(link.everything(one), via=one, link=INTERFACE) for one in gateways]

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
        return self.lab.namespace(name)

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Cable the endpoint, give it its addresses and wait until none is tentative.

        Raises AdapterError where an address is taken, by the pool's pools of addresses or by duplicate address
        detection; the endpoint is then not attached."""
        namespace = self.prepare(host, request.name)
        if request.publish:
            raise AdapterError(f"{request.name}: this network publishes no ports; dial the endpoint's own address")
        addresses = self._take(host, request)
        allocation = Allocation(
            name=request.name,
            host=host,
            namespace=namespace,
            port=f"ep{next(self._numbers)}",
            mac=mac_of(request.name),
            addresses=addresses,
            mtu=self.mtu(host),
            labels=request.labels,
            tenant=request.tenant,
        )
        try:
            self._configure(allocation)
        except BaseException:
            self._release(allocation)
            raise
        used = {address.version for address in addresses}
        gateways = tuple(one for one in self.gateways(host) if one.version in used)
        reported = Reported(addresses=addresses, mac=allocation.mac, mtu=allocation.mtu, gateways=gateways)
        return Endpoint(request.name, host.name, namespace, INTERFACE, reported, handle=allocation)

    def detach(self, endpoint: Endpoint) -> None:
        """Take the endpoint's interface away and give its addresses back. Raises AdapterError."""
        with refusals(endpoint.name):
            self.disconnect(endpoint.handle)
        allocation: Allocation = endpoint.handle
        self._give_back(allocation.host, allocation.addresses, allocation.tenant)

    # --- how it is done ---------------------------------------------------------------------------------------
    def _take(self, host: Host, request: Attachment) -> tuple[Interface, ...]:
        taken: list[Interface] = []
        try:
            taken.extend(
                self.allocations_of(host, request.tenant, wanted.version).take(wanted.ip)
                for wanted in request.addresses
            )
            versions = {wanted.version for wanted in request.addresses} or {4, 6}
            own = 0 if request.addresses else 1
            for version in sorted(versions):
                pool = self.allocations_of(host, request.tenant, version)
                taken.extend(pool.take() for _ in range(own + request.extra_addresses))
        except AdapterError as problem:
            self._give_back(host, taken, request.tenant)
            raise AdapterError(f"{request.name}: {problem}") from None
        return tuple(taken)

    def _give_back(self, host: Host, addresses: Sequence[Interface], tenant: str = "") -> None:
        for address in addresses:
            self.allocations_of(host, tenant, address.version).give_back(address.ip)

    def _configure(self, allocation: Allocation) -> None:
        with refusals(allocation.name):
            self.connect(allocation)
            netlink.transact(allocation.namespace, [rtnetlink.up(INTERFACE)])
            self.await_connection(allocation)
            addresses = [rtnetlink.address(INTERFACE, address, dad=self.detects) for address in allocation.addresses]
            netlink.transact(allocation.namespace, [*addresses, *self.routes(allocation)])
            failed = link.await_dad(allocation.namespace, INTERFACE, limits.DAD_SETTLED) if self.awaits else []
        if failed and self.refuses:
            taken = ", ".join(str(address) for address in failed)
            raise AdapterError(f"{allocation.name}: duplicate address detection failed: {taken} is in use")

    def _release(self, allocation: Allocation) -> None:
        with suppress(Exception):
            self.disconnect(allocation)
        self._give_back(allocation.host, allocation.addresses, allocation.tenant)


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
