"""The register of checks: which requirement each decides, on which scenario, and over which parameters."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from conformance.family import Parameter, features, roles, scenarios
from conformance.pairs.pairing import settings_of
from conformance.requirement import Requirement, find
from conformance.validation import known

if TYPE_CHECKING:
    from conformance.judging.case import Case
    from conformance.profile import Profile

Function = TypeVar("Function", bound=Callable[["Case"], None])


@functools.cache
def needed() -> Mapping[Parameter, str]:
    """The feature that a profile must claim to be judged by a parameter's value."""
    return {parameter: one.name for one in features().values() for parameter in one.needed_for}


@functools.cache
def added() -> Mapping[Parameter, str]:
    """The feature with which alone a parameter's value exists: no row for profiles that do not claim it."""
    return {parameter: one.name for one in features().values() for parameter in one.adds}


@dataclass(frozen=True)
class Check:
    """A check and the parameters over which it is repeated: name to values.

    `captures` decides a capture from the field, which nobody provoked: the check itself where frames are enough, or
    what stands for it there; None where a stimulus is needed.
    """

    requirement: Requirement
    scenario: str
    axes: Mapping[str, tuple[str, ...]]
    function: Callable[[Case], None]
    captures: Callable[[Case], None] | None = None

    def instances(self, profile: Profile) -> Iterator[dict[str, str]]:
        """Every combination of parameters that this check has for a profile."""
        for values in itertools.product(*self.axes.values()):
            parameters = dict(zip(self.axes, values, strict=True))
            wanted = [added()[item] for item in parameters.items() if item in added()]
            if all(feature in profile.features for feature in wanted):
                yield parameters

    @property
    def paired(self) -> bool:
        """Whether it speaks of two implementations, each against the other."""
        return all(roles()[name].pair for name in self.requirement.roles)

    @property
    def links(self) -> bool:
        """Whether its scenario is done to ports, on testbeds of links; every other one attaches workloads."""
        return scenarios()[self.scenario].links

    def undeclared(self, profile: Profile, parameters: Mapping[str, str]) -> str | None:
        """Why the profile is not judged by this instance, as it declared before the run; None where it is.

        Of a pair, what the requirement needs is asked of the side that it is about: that of the case, or the one that
        its direction leads to.
        """
        whose = _whose(profile, parameters)
        missing = [feature for feature in self.requirement.features if feature not in whose.features]
        if missing and whose is not profile:
            return f"the profile {whose.name} does not claim {', '.join(missing)}"
        wanted = [needed()[item] for item in parameters.items() if item in needed()]
        missing += [feature for feature in wanted if feature not in profile.features]
        return f"the profile does not claim {', '.join(dict.fromkeys(missing))}" if missing else None

    def out_of_scope(self, profile: Profile) -> str | None:
        """Why the requirement says nothing about this kind of implementation; None where it does."""
        if not set(self.requirement.roles) & set(profile.roles):
            return f"it binds {', '.join(self.requirement.roles)}"
        if profile.links and not self.links:
            return "it speaks of workloads, and the profile attaches none"
        if not profile.links and self.links and set(self.requirement.features) <= {*profile.features}:
            return "it speaks of single ports, which a profile of link roles alone is judged by"
        designs = [word for word in self.requirement.features if features()[word].design]
        lacking = [word for word in designs if word not in profile.features]
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
    requirement: str, *, scenario: str, captures: bool | Callable[[Case], None] = False, **axes: tuple[str, ...]
) -> Callable[[Function], Function]:
    """Mark a pytest function as the check of `requirement` on recordings of `scenario`, repeated over `axes`; with
    `captures` also on captures from the field, which another function may decide in its place.

    Raises UnknownRequirement when imported with an id that the catalogue does not have, and ValueError with a scenario
    that no family has.
    """
    known(scenario, scenarios())

    def mark(function: Function) -> Function:
        marked: Any = function
        captured = (function if captures else None) if isinstance(captures, bool) else captures
        marked.check = Check(find(requirement), scenario, axes, function, captured)
        return function

    return mark


def check_of(function: Any) -> Check | None:
    """The check that a function was marked as."""
    found = getattr(function, "check", None)
    return found if isinstance(found, Check) else None
