"""Two profiles as one: what a pair is called, what it claims, and which of the two has which host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

from pydantic import ValidationError

from conformance.errors import UsageError
from conformance.profile import Profile, Strict, explain
from conformance.testbed import Testbed

KIND: Final = "pair"
JOINT: Final = "_x_"
"""Between the two names in the name of a pair."""
SideName = Literal["left", "right"]
SIDES: Final[tuple[SideName, SideName]] = ("left", "right")
"""The left one has the testbed's first host, the right one the second."""
WORKLOADS: Final = ("plain-wire", "routed-64", "cni-bridge", "cni-ptp", "docker-bridge", "docker-bridge-ipv6")
"""Whose endpoints meet with ``--pairs all``; the plain wire's are machines without any container network."""


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
    return f"{left}{JOINT}{right}"


def pair_of(left: Profile, right: Profile, *, name: str | None = None) -> Profile:
    """The two as one profile: it claims what both claim. Raises UsageError where one attaches no workload."""
    for one in (left, right):
        if one.links:
            raise UsageError(f"--pair {one.name}: it attaches no workload; pair it with none")
    return Profile(
        name=name or pair_name(left.name, right.name),
        title=f"{left.name} on the first host, {right.name} on the second",
        kind=KIND,
        roles=("workload-pair",),
        features=tuple(feature for feature in left.features if feature in right.features),
        packages=tuple(dict.fromkeys((*left.packages, *right.packages))),
        hops=max(left.hops, right.hops),
        adapter={"left": _plain(left), "right": _plain(right)},
    )


def _plain(profile: Profile) -> dict[str, Any]:
    return profile.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"schema": 1}


def settings_of(profile: Profile) -> Settings:
    """The two profiles of a pair. Raises UsageError for wrong settings."""
    try:
        return Settings.model_validate(profile.adapter)
    except ValidationError as problem:
        raise UsageError(explain(problem, f"{profile.name}: adapter", Settings)) from None


def sides_of(profile: Profile, testbed: Testbed) -> tuple[Side, Side]:
    """The two sides of a pair on the hosts of a testbed. Raises UsageError where it has not two hosts."""
    if len(testbed.hosts) < 2 or not testbed.routed:
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


def couples(profiles: Iterable[Profile]) -> Iterator[tuple[Profile, Profile]]:
    """Everyone with everyone after it: both directions are tried in one recording."""
    return combinations(profiles, 2)
