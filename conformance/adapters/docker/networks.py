"""The network of a profile: how it is made through the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from docker.types import IPAMConfig, IPAMPool

from conformance.adapters.docker import swarm
from conformance.adapters.docker.engine import DockerEngine
from conformance.adapters.docker.settings import Settings
from conformance.adapters.linux.macvlan_tenants import FIRST_VNI, interface, make_segments
from conformance.lab.lab import Host, Lab

NETWORK: Final = "plugfest"
DEFAULT_BRIDGE: Final = "bridge"
MTU_OPTION: Final = "com.docker.network.driver.mtu"


@dataclass(frozen=True, slots=True)
class AddressPool:
    """One family's part of a network; None leaves the choice to Docker."""

    subnet: IPv4Network | IPv6Network
    range: IPv4Network | IPv6Network | None = None
    gateway: str | None = None


def make_network(engines: Mapping[str, DockerEngine], lab: Lab, settings: Settings) -> str:
    """Make the network on every host (an overlay: in the Swarm) and return its name. Raises AdapterError."""
    if settings.network == "default-bridge":
        return DEFAULT_BRIDGE
    if settings.network == "overlay":
        swarm.form(list(engines.values()))
        manager = next(iter(engines.values()))
        _create(manager, _overlay_pools(lab, settings), settings, scope="swarm", attachable=True)
        return NETWORK
    if settings.tenants and settings.network == "macvlan":
        make_segments(lab, len(settings.tenants))
    for place, engine in enumerate(engines.values()):
        if settings.tenants:
            for number, tenant in enumerate(settings.tenants):
                if settings.network == "macvlan":
                    parent = {"parent": interface(FIRST_VNI + number)}
                    _create(engine, _segment_pools(lab, settings, number, place), settings, parent, name=tenant)
                else:
                    _create(engine, _part(engine.host, settings, number), settings, name=tenant)
            continue
        pools = _bridge_pools(engine.host, settings)
        options = {}
        if settings.network == "macvlan":
            pools = _macvlan_pools(engine.host, settings)
            options["parent"] = engine.host.uplink
        _create(engine, pools, settings, options)
    return settings.tenants[0] if settings.tenants else NETWORK


def _create(
    engine: DockerEngine,
    pools: list[AddressPool],
    settings: Settings,
    options: Mapping[str, str] | None = None,
    name: str = NETWORK,
    **further: Any,
) -> None:
    """Create one network on one engine; `further` are arguments of the SDK's create_network."""
    wanted = {**(options or {}), **settings.driver_options}
    if settings.mtu is not None:
        wanted[MTU_OPTION] = str(settings.mtu)
    with engine.asked(f"create the {settings.network} network") as client:
        client.create_network(
            name,
            driver=settings.network,
            options=wanted,
            ipam=IPAMConfig(
                pool_configs=[
                    IPAMPool(
                        subnet=str(pool.subnet),
                        iprange=None if pool.range is None else str(pool.range),
                        gateway=pool.gateway,
                    )
                    for pool in pools
                ]
            ),
            internal=settings.internal,
            enable_ipv6=settings.ipv6,
            **further,
        )


def _bridge_pools(host: Host, settings: Settings) -> list[AddressPool]:
    """The prefixes that everybody routes to this host."""
    return [AddressPool(host.workload_ipv4), *([AddressPool(host.workload_ipv6)] if settings.ipv6 else [])]


def _part(host: Host, settings: Settings, number: int) -> list[AddressPool]:
    """One tenant's part of the prefixes."""
    bits = (len(settings.tenants) - 1).bit_length()
    parts = [AddressPool(list(host.workload_ipv4.subnets(bits))[number])]
    return [*parts, AddressPool(list(host.workload_ipv6.subnets(bits))[number])] if settings.ipv6 else parts


def _macvlan_pools(host: Host, settings: Settings) -> list[AddressPool]:
    """The segment's own subnets, of which this host gives out its pool.

    Where the segment has no router, a gateway is named all the same, the last address but one of the pool: Docker would
    take the first one for it, and needs one for the containers' default route. Nobody answers there.
    """
    gateway_ipv4 = host.gateway_ipv4 or host.pool_ipv4[-2]
    pools = [AddressPool(host.ipv4.network, host.pool_ipv4, str(gateway_ipv4))]
    if settings.ipv6:
        gateway_ipv6 = host.gateway_ipv6 or host.pool_ipv6[-2]
        pools.append(AddressPool(host.ipv6.network, host.pool_ipv6, str(gateway_ipv6)))
    return pools


def _segment_pools(lab: Lab, settings: Settings, number: int, place: int) -> list[AddressPool]:
    """One tenant's part of the overlay's prefixes, of which the host at `place` gives out its own; the last address
    but one is named as gateway, as on the uplink."""
    bits = (len(settings.tenants) - 1).bit_length()
    overlay = lab.testbed.overlay
    share = (len(lab.hosts) - 1).bit_length()
    four = list(overlay.ipv4.subnets(bits))[number]
    pools = [AddressPool(four, list(four.subnets(share))[place], str(four[-2]))]
    if settings.ipv6:
        six = list(overlay.ipv6.subnets(bits))[number]
        pools.append(AddressPool(six, list(six.subnets(share))[place], str(six[-2])))
    return pools


def _overlay_pools(lab: Lab, settings: Settings) -> list[AddressPool]:
    overlay = lab.testbed.overlay
    return [AddressPool(overlay.ipv4), *([AddressPool(overlay.ipv6)] if settings.ipv6 else [])]


def plan_lines(settings: Settings) -> tuple[str, ...]:
    """What the command line of dockerd and `make_network` do, one step a line."""
    families = "IPv4 and IPv6" if settings.ipv6 else "IPv4"
    inside = " internal" if settings.internal else ""
    match settings.network:
        case "default-bridge":
            return (f"on every host: dockerd's default bridge docker0, {families} of the host's workload prefixes",)
        case "bridge" if settings.tenants:
            return (f"on every host: a{inside} bridge network for each of {', '.join(settings.tenants)}, {families}",)
        case "bridge" if settings.policy:
            return (
                f"on every host: a{inside} bridge network, {families} of the host's workload prefixes",
                "on every host: the policy in DOCKER-USER, replaced in one transaction",
            )
        case "bridge":
            return (f"on every host: a{inside} bridge network, {families} of the host's workload prefixes",)
        case "macvlan":
            where, whence = "the uplink", "the segment, from the host's pool"
            if settings.tenants:
                where = f"a VXLAN interface for each of {', '.join(settings.tenants)}"
                whence = "a part of the testbed's overlay prefixes"
            return (f"on every host: a macvlan network on {where}, {families} of {whence}",)
        case "overlay":
            return (
                "a Swarm: the first host is its manager, the others join as workers",
                f"on the manager: an attachable{inside} overlay network, {families} of the testbed's overlay prefixes",
            )
