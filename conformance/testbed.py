"""Testbeds: the shape of a lab as data, one TOML file each (hosts, segments, addresses, underlay limits)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from conformance.errors import UsageError
from conformance.places import TESTBEDS
from conformance.profile import NAME
from conformance.validation import Strict, checked, table

Mtu = Annotated[int, Field(ge=1280, le=9000)]
"""Bytes; not below 1280, which every IPv6 link must carry (RFC 8200 §5)."""


NIC = r"^[^\s/]{1,15}$"
"""What the kernel allows as the name of an interface."""


def _text(value: Any) -> Any:
    if isinstance(value, int):
        raise ValueError("write the address in quotes")
    return value


Quoted = BeforeValidator(_text)
"""A number is no address, though the library would take it for one."""
AddressV4 = Annotated[IPv4Address, Quoted]
AddressV6 = Annotated[IPv6Address, Quoted]
PrefixV4 = Annotated[IPv4Network, Quoted]
PrefixV6 = Annotated[IPv6Network, Quoted]


class Segment(Strict):
    """One subnet of the underlay: a bridge of the top-of-rack, which is not the implementation's.

    Where there is more than one segment, `router_ipv4` and `router_ipv6` are the router's addresses in it.
    """

    ipv4: PrefixV4
    ipv6: PrefixV6
    router_ipv4: AddressV4 | None = None
    router_ipv6: AddressV6 | None = None
    mtu: Mtu | None = None


class Station(Strict):
    """A station on a segment: a host of the implementation, or the external client."""

    segment: str
    ipv4: AddressV4
    ipv6: AddressV6


class HostStation(Station):
    """A host that the implementation runs on.

    `workload_ipv4` and `workload_ipv6` are routed to this host by everybody else, as an ordinary IP route.
    `pool_ipv4` and `pool_ipv6` are addresses of the segment itself, for endpoints that live on it.
    """

    workload_ipv4: PrefixV4
    workload_ipv6: PrefixV6
    pool_ipv4: PrefixV4
    pool_ipv6: PrefixV6


class Overlay(Strict):
    """A prefix that spans all hosts and that nobody outside has a route to, for implementations that are overlays."""

    ipv4: PrefixV4
    ipv6: PrefixV6


class Underlay(Strict):
    """Limits of the underlay: MTU in bytes of every link, and whether multicast beyond ND, MLD and IGMP passes."""

    mtu: Mtu = 1500
    multicast: bool = True


class Testbed(Strict):
    """The shape of a lab.

    With `ports` it is a testbed of links: each host has that many ports besides its uplink, each cabled to a partner of
    the suite's own. Without, it is one of stations, where workloads are attached.

    `physical` maps ports (``host.number``) to NICs of this machine, by name: there our end of the cable is that NIC,
    and the implementation a device at its other end. While a lab has them they are not the machine's.
    """

    __test__ = False

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(pattern=NAME)]
    title: str
    underlay: Underlay = Underlay()
    overlay: Overlay
    segments: Annotated[Mapping[str, Segment], Field(min_length=1)]
    hosts: Annotated[Mapping[str, HostStation], Field(min_length=1)]
    client: Station
    ports: Annotated[int, Field(ge=0, le=30)] = 0
    physical: Mapping[str, Annotated[str, Field(pattern=NIC)]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Testbed:
        for name, station in [*self.hosts.items(), ("client", self.client)]:
            segment = self.segments.get(station.segment)
            if segment is None:
                raise ValueError(f"{name}.segment: there is no segment {station.segment!r}")
            if station.ipv4 not in segment.ipv4 or station.ipv6 not in segment.ipv6:
                raise ValueError(f"{name}: its addresses are not in segment {station.segment!r}")
        for port in self.physical:
            host, _, number = port.rpartition(".")
            if host not in self.hosts or not number.isdecimal() or not 1 <= int(number) <= self.ports:
                raise ValueError(f"physical: there is no port {port!r}; ports are called HOST.NUMBER, from 1 on")
        if len(set(self.physical.values())) < len(self.physical):
            raise ValueError("physical: a NIC is there twice")
        if self.routed and any(s.router_ipv4 is None or s.router_ipv6 is None for s in self.segments.values()):
            raise ValueError("segments: with more than one, each needs router_ipv4 and router_ipv6")
        return self

    def with_ports(self, ports: int) -> Testbed:
        """The same with so many ports on each host; NICs of ports beyond are left to the machine."""
        kept = {port: nic for port, nic in self.physical.items() if int(port.rpartition(".")[2]) <= ports}
        return self.model_copy(update={"ports": ports, "physical": kept})

    @property
    def links(self) -> bool:
        """Whether link protocols are looked at here: ports with partners, no workloads."""
        return self.ports > 0

    @property
    def routed(self) -> bool:
        """Whether a router joins several segments."""
        return len(self.segments) > 1

    def segment_mtu(self, segment: str) -> int:
        """MTU in bytes of one segment."""
        return self.segments[segment].mtu or self.underlay.mtu

    def hops_between(self, one: Station, other: Station) -> int:
        """Routed hops of the underlay between two stations: 0 in one segment, else 1 (one router joins all)."""
        return 0 if one.segment == other.segment else 1


def available() -> dict[str, Path]:
    """The testbeds that ship with the suite and ask nothing of this machine, by name; an example of a physical one,
    which names NICs, lies beside them and is used by its path."""
    return {path.stem: path for path in sorted(TESTBEDS.glob("*.toml")) if not path.stem.startswith("physical")}


def load(reference: str) -> Testbed:
    """Read a testbed by name or path. Raises UsageError: one line naming the file, the key and the fix."""
    shipped = available()
    path = shipped.get(reference, Path(reference))
    if path.suffix != ".toml" or not path.is_file():
        near = difflib.get_close_matches(reference, shipped, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(shipped)}"
        raise UsageError(f"--testbed {reference}: no testbed of that name; {hint}")
    return checked(Testbed, table(path), path.name)
