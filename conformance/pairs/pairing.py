"""Two profiles as one: what a pair is called, what it claims, and which of the two has which host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from itertools import combinations_with_replacement
from typing import Any, Final, Literal

from conformance.errors import UsageError
from conformance.family import roles
from conformance.profile import Profile
from conformance.testbed import Testbed
from conformance.validation import Strict

KIND: Final = "pair"
SEPARATOR: Final = "_x_"
"""Between the two names in the name of a pair."""
SideName = Literal["left", "right"]
SIDES: Final[tuple[SideName, SideName]] = ("left", "right")
"""The left one has the testbed's first host, the right one the second."""
WORKLOAD: Final = "workload-pair"
"""As what two profiles meet that attach workloads; as what those of ports do is told by their roles (`Role.meets`)."""
CIRCLES: Final[Mapping[str, tuple[str, ...]]] = {
    "workload": ("plain-wire", "routed-64", "cni-bridge", "cni-ptp", "docker-bridge", "docker-bridge-ipv6"),
    "lldp": ("lldpd", "ladvd", "networkd", "ovs-lldp"),
    "lacp": ("ovs-bond", "linux-bonding", "reference-lacp"),
    "bridge": ("linux-bridge", "ovs-bridge"),
}
"""Who meets whom with ``--pairs``, by kind of meeting; the plain wire's endpoints are machines without any container
network."""


class Settings(Strict):
    """The table `[adapter]` of a pair: the two profiles, whole."""

    left: Profile
    right: Profile


@dataclass(frozen=True)
class Side:
    """One of the two: its name in the pair, its profile, and the host that it has."""

    name: SideName
    profile: Profile
    host: str


def pair_name(left: str, right: str) -> str:
    """What the pair of these two profiles is called."""
    return f"{left}{SEPARATOR}{right}"


def pair_of(left: Profile, right: Profile, *, name: str | None = None) -> Profile:
    """The two as one profile: it claims what both claim. Raises UsageError where they have nothing to meet in."""
    roles = _roles(left, right)
    if not roles:
        told = "; ".join(f"{one.name}: {', '.join(one.roles)}" for one in (left, right))
        raise UsageError(f"--pair {left.name} {right.name}: they have no role in common to meet in ({told})")
    return Profile(
        name=name or pair_name(left.name, right.name),
        title=f"{left.name} on the first host, {right.name} on the second",
        kind=KIND,
        roles=roles,
        features=tuple(feature for feature in left.features if feature in right.features),
        packages=tuple(dict.fromkeys((*left.packages, *right.packages))),
        hops=max(left.hops, right.hops),
        adapter={"left": _plain(left), "right": _plain(right)},
    )


def _roles(left: Profile, right: Profile) -> tuple[str, ...]:
    if left.links or right.links:
        both = left.links and right.links
        common = (roles()[name].meets for name in roles() if name in left.roles and name in right.roles)
        return tuple(made for made in common if both and made)
    return (WORKLOAD,)


def _plain(profile: Profile) -> dict[str, Any]:
    return profile.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"schema": 1}


def settings_of(profile: Profile) -> Settings:
    """The two profiles of a pair. Raises UsageError for wrong settings."""
    return profile.settings(Settings)


def sides_of(profile: Profile, testbed: Testbed) -> tuple[Side, Side]:
    """The two sides of a pair on the hosts of a testbed. Raises UsageError where it has not two hosts that suit it."""
    suits = testbed.links if profile.links else testbed.routed and not testbed.links
    if len(testbed.hosts) < 2 or not suits:
        raise UsageError(f"--testbed {testbed.name}: a pair meets on a testbed of two hosts with a router between")
    settings = settings_of(profile)
    first, second, *_ = testbed.hosts
    return Side("left", settings.left, first), Side("right", settings.right, second)


def members(profile: Profile) -> tuple[str, ...]:
    """The names of the two implementations of a pair; nothing for a profile that is none."""
    if not profile.paired:
        return ()
    settings = settings_of(profile)
    return settings.left.name, settings.right.name


def couples(profiles: Iterable[Profile], *, itself: bool = False) -> Iterator[tuple[Profile, Profile]]:
    """Everyone with everyone after it, and with another of its own kind where `itself` says so, or where it is named
    twice: both directions are tried in one recording."""
    listed = list(profiles)
    once = list({one.name: one for one in listed}.values())
    twice = {one.name for one in once if itself or sum(other.name == one.name for other in listed) > 1}
    pairs = combinations_with_replacement(once, 2)
    return (pair for pair in pairs if pair[0] is not pair[1] or pair[0].name in twice)


def add_host(testbed: Testbed, ports: int) -> Testbed:
    """A testbed of links with a second host like the first, each with so many ports: two implementations meet there."""
    (name, first), *_ = testbed.hosts.items()
    own = ("workload_ipv4", "workload_ipv6", "pool_ipv4", "pool_ipv6")
    further = {key: _after(getattr(first, key)) for key in own}
    second = first.model_copy(update={"ipv4": first.ipv4 + 1, "ipv6": first.ipv6 + 1, **further})
    return testbed.with_ports(ports).model_copy(update={"hosts": {name: first, "h2": second}})


def _after(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """The next network of the same size."""
    return type(network)((int(network.network_address) + network.num_addresses, network.prefixlen))
