"""The register of checks: which requirement each decides, on which scenario, and over which parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from conformance.pairs.pairing import settings_of
from conformance.profile import PAIR_ROLES
from conformance.requirement import Requirement, find

if TYPE_CHECKING:
    from conformance.judging.case import Case
    from conformance.profile import Profile

Function = TypeVar("Function", bound=Callable[["Case"], None])

FAMILIES = ("ipv4", "ipv6")
PROTOCOLS = ("tcp", "udp", "icmp")
NEEDS: Mapping[tuple[str, str], str] = {
    ("family", "ipv4"): "ipv4",
    ("family", "ipv6"): "ipv6",
    ("path", "cross-host"): "multi-host",
}
"""A parameter's value that a profile can only be judged by when it claims the feature."""
KINDS = frozenset({"encapsulation"})
"""Features that are a kind of design, not a service: without one the requirement is not applicable."""
ONLY_WITH: Mapping[tuple[str, str], str] = {
    ("path", "published"): "publish",
    ("path", "published-hairpin"): "publish",
}
"""A parameter's value that exists only for profiles that claim the feature: no row for others."""


LINK_SCENARIOS = frozenset({"lldp", "lacp", "stp", "bridge", "pair_lldp", "pair_lacp", "pair_stp"})
"""Scenarios that are done to ports, on testbeds of links; every other one attaches workloads."""


@dataclass(frozen=True)
class Check:
    """A check and the parameters over which it is repeated: name to values.

    `captures`: it decides from frames alone, so that a capture from the field is enough; the others need a stimulus.
    """

    requirement: Requirement
    scenario: str
    axes: Mapping[str, tuple[str, ...]]
    function: Callable[[Case], None]
    captures: bool = False

    def instances(self, profile: Profile) -> Iterator[dict[str, str]]:
        """Every combination of parameters that this check has for a profile."""
        for values in itertools.product(*self.axes.values()):
            parameters = dict(zip(self.axes, values, strict=True))
            wanted = [ONLY_WITH[item] for item in parameters.items() if item in ONLY_WITH]
            if all(feature in profile.features for feature in wanted):
                yield parameters

    @property
    def paired(self) -> bool:
        """Whether it speaks of two implementations, each against the other."""
        return PAIR_ROLES.issuperset(self.requirement.roles)

    def undeclared(self, profile: Profile, parameters: Mapping[str, str]) -> str | None:
        """Why the profile is not judged by this instance, as it declared before the run; None where it is.

        Of a pair, what the requirement needs is asked of the side that it is about: that of the case, or the one that
        its direction leads to.
        """
        whose = _whose(profile, parameters)
        missing = [feature for feature in self.requirement.features if feature not in whose.features]
        if missing and whose is not profile:
            return f"the profile {whose.name} does not claim {', '.join(missing)}"
        missing += [NEEDS[item] for item in parameters.items() if item in NEEDS and NEEDS[item] not in profile.features]
        return f"the profile does not claim {', '.join(dict.fromkeys(missing))}" if missing else None

    def out_of_scope(self, profile: Profile) -> str | None:
        """Why the requirement says nothing about this kind of implementation; None where it does."""
        if not set(self.requirement.roles) & set(profile.roles):
            return f"it binds {', '.join(self.requirement.roles)}"
        if profile.links and self.scenario not in LINK_SCENARIOS:
            return "it speaks of workloads, and the profile attaches none"
        if (
            not profile.links
            and self.scenario in LINK_SCENARIOS
            and set(self.requirement.features) <= {*profile.features}
        ):
            return "it speaks of single ports, which a profile of link roles alone is judged by"
        lacking = [word for word in self.requirement.features if word in KINDS and word not in profile.features]
        return f"it is about {', '.join(lacking)}" if lacking else None


def _whose(profile: Profile, parameters: Mapping[str, str]) -> Profile:
    """The profile that a case is about: of a pair one of the two, of any other itself."""
    if not profile.paired:
        return profile
    side = {"left-to-right": "right", "right-to-left": "left"}.get(parameters.get("direction", ""))
    side = parameters.get("side", side)
    both = settings_of(profile)
    return {"left": both.left, "right": both.right}.get(side or "", profile)


def check(
    requirement: str, *, scenario: str, captures: bool = False, **axes: tuple[str, ...]
) -> Callable[[Function], Function]:
    """Mark a pytest function as the check of `requirement` on recordings of `scenario`, repeated over `axes`; with
    `captures` also on captures from the field.

    Raises UnknownRequirement when imported with an id that the catalogue does not have.
    """

    def mark(function: Function) -> Function:
        marked: Any = function
        marked.check = Check(find(requirement), scenario, axes, function, captures)
        return function

    return mark


def check_of(function: Any) -> Check | None:
    """The check that a function was marked as."""
    found = getattr(function, "check", None)
    return found if isinstance(found, Check) else None
