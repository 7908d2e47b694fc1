"""Addresses that an implementation of ours gives out: each to one endpoint at a time, the longest unused first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from conformance.adapters.interface import AdapterError, Address, Interface
from conformance.lab.kernel.netlink.rtnetlink import Network
from conformance.lab.lab import Host, Lab


class Pool:
    """Addresses of one family. `fresh` gives one that was never used, None when there is no more.

    An endpoint may ask for an address of `allowed`; `length` is the prefix length on its interface, in bits.
    """

    def __init__(self, allowed: Network, length: int, fresh: Callable[[], Address | None]) -> None:
        self.allowed = allowed
        self.length = length
        self._fresh = fresh
        self._used: set[Address] = set()
        self._returned: deque[Address] = deque()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, prefix: Network, length: int, *, skip: int = 0) -> Pool:
        """The usable addresses of `prefix` without the first `skip`."""
        addresses: Iterator[Address] = iter(prefix.hosts())
        for _ in range(skip):
            next(addresses)
        return cls(prefix, length, lambda: next(addresses, None))

    @classmethod
    def part_of(cls, prefix: Network, part: Network) -> Pool:
        """The addresses of `part` without its first, which is a network's own; any of `prefix` may be asked for."""
        own = cls.of(part, prefix.prefixlen, skip=1)
        return cls(prefix, prefix.prefixlen, own._fresh)

    @classmethod
    def on_segment(cls, host: Host, version: int) -> Pool:
        """Addresses of the host's own segment: those set aside for it, or any of the segment that is asked for."""
        network = host.ipv4.network if version == 4 else host.ipv6.network

        def fresh() -> Address | None:
            try:
                return host.next_pool_address(version).ip
            except LookupError:
                return None

        return cls(network, network.prefixlen, fresh)

    def take(self, wanted: Address | None = None) -> Interface:
        """An address, exactly `wanted` if given. Raises AdapterError where there is none or it is taken."""
        with self._lock:
            found = self._next() if wanted is None else self._exactly(wanted)
            self._used.add(found)
        return _interface(found, self.length)

    def _exactly(self, wanted: Address) -> Address:
        if wanted not in self.allowed:
            raise AdapterError(f"{wanted} is not in {self.allowed}")
        if wanted in self._used:
            raise AdapterError(f"{wanted} is given to another endpoint")
        return wanted

    def _next(self) -> Address:
        while (found := self._fresh()) is not None:
            if found not in self._used:
                return found
        while self._returned:
            if (found := self._returned.popleft()) not in self._used:
                return found
        raise AdapterError(f"{self.allowed} has no address left")

    def give_back(self, address: Address) -> None:
        """The address may be given to another."""
        with self._lock:
            self._used.discard(address)
            self._returned.append(address)


Allocations = Callable[[Host, str, int], Pool]
"""Which addresses are free, by host, tenant and IP version."""


def by_host(lab: Lab, made: Callable[[Host, int], Pool]) -> Allocations:
    """A pool for each host and IP version, whatever the tenant."""
    pools = {(host.name, version): made(host, version) for host in lab.hosts.values() for version in (4, 6)}
    return lambda host, _, version: pools[host.name, version]


def on_segments(lab: Lab) -> Allocations:
    """Addresses of the segments that are set aside for each host."""
    return by_host(lab, Pool.on_segment)


def of_workloads(lab: Lab) -> Allocations:
    """The usable addresses of each host's workload prefixes, without the first, which is the gateway's."""

    def made(host: Host, version: int) -> Pool:
        prefix = host.workload_ipv4 if version == 4 else host.workload_ipv6
        return Pool.of(prefix, prefix.prefixlen, skip=1)

    return by_host(lab, made)


def _interface(address: Address, length: int) -> Interface:
    if isinstance(address, IPv4Address):
        return IPv4Interface((address, length))
    return IPv6Interface((address, length))
