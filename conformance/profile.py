"""Profiles: what an implementation claims and how it is reached (ICS and IXIT of ISO/IEC 9646), one TOML file each."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, model_validator

from conformance.errors import UsageError
from conformance.family import FeatureName, RoleName, roles
from conformance.places import PROFILES
from conformance.validation import Strict, Text, checked, once, table

Settings = TypeVar("Settings", bound=BaseModel)
CONTROL: Final = "plain-wire"
"""The profile of the plain wire, which is judged first in every run."""
NAME = r"^[a-z0-9][a-z0-9.@_-]*$"


class Deviation(Strict):
    """A known failure: shown in the matrix, never hidden; after `expires` it counts as a failure again."""

    requirement: str
    reason: Annotated[str, Field(min_length=10)]
    issue: Annotated[str, Field(pattern=r"^https?://")]
    owner: Annotated[str, Field(min_length=2)]
    expires: datetime.date


class Limit(Strict):
    """A bound on a figure of a measuring requirement, by which the profile gates it: in the figure's own unit."""

    requirement: str
    figure: Annotated[str, Field(min_length=1)]
    at_most: float | None = None
    at_least: float | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Limit:
        if (self.at_most is None) is (self.at_least is None):
            raise ValueError("give either at_most or at_least")
        return self


PathClass = Literal["same-host", "cross-host", "inbound", "outbound"]
Hop = Literal["source", "target", "underlay"]
"""What a routed hop of a path is: the host of the path's source, that of its target, or the testbed's own routers
between them, however many there are."""


class Expectation(Strict):
    """What the topology of an implementation makes of a path, where it is not what `hops` says.

    `hops` are the routed hops by class of path, in order from the source: a tunnel between hosts that route has
    ``["source", "target"]`` on the path cross-host, whatever the underlay has.
    """

    hops: Mapping[PathClass, tuple[Hop, ...]] = {}


class Profile(Strict):
    """One implementation under test.

    `hops` is how many routed hops the implementation itself puts between an endpoint and the underlay segment of its
    host, and between two endpoints of one host (0: bridged); `expect` declares paths that are other than this.
    `endpoints` is how many a packet filter is tried with.
    `established` is what becomes of an open flow when the policy comes to deny it. `adapter` holds the settings of the
    adapter `kind`. `claims` are the conformance classes that it says it meets. `version` is stated where the product
    cannot be asked for its own. `limits` gate figures.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(pattern=NAME)]
    title: Annotated[str, Field(min_length=5)]
    kind: str
    module: str | None = None
    version: Text | None = None
    roles: Annotated[tuple[RoleName, ...], Field(min_length=1), AfterValidator(once)]
    features: Annotated[tuple[FeatureName, ...], AfterValidator(once)]
    packages: tuple[str, ...] = ()
    hops: Literal[0, 1] = 0
    same_host_hops: Literal[0, 1] = 0
    expect: Expectation = Expectation()
    endpoints: Annotated[int, Field(ge=8, le=100)] = 40
    established: Literal["kept", "cut"] = "kept"
    description: str = ""
    adapter: Mapping[str, Any] = {}
    deviations: tuple[Deviation, ...] = ()
    limits: tuple[Limit, ...] = ()
    claims: Annotated[tuple[str, ...], AfterValidator(once)] = ()

    @property
    def links(self) -> bool:
        """Whether it is judged by its ports, on testbeds of links, and not by workloads that it attaches."""
        return all(roles()[name].links for name in self.roles)

    @property
    def crowd(self) -> int:
        """How much of a machine the endpoints take that a packet filter is tried with, in ordinary labs. All labs share
        the machine's neighbour tables: forty of these have 360 entries there, an ordinary lab 70 at most."""
        return -(-self.endpoints // 4)

    def settings(self, model: type[Settings]) -> Settings:
        """The table `[adapter]`, checked. Raises UsageError: one line naming profile, key and fix."""
        return checked(model, self.adapter, f"{self.name}: adapter")

    @property
    def paired(self) -> bool:
        """Whether it is two implementations, each against the other."""
        return all(roles()[name].pair for name in self.roles)


def available() -> dict[str, Path]:
    """The profiles that ship with the suite, by name, without reading them."""
    return {path.stem: path for path in sorted(PROFILES.glob("*.toml"))}


def locate(reference: str) -> Path:
    """The file of a shipped profile's name or of a path. Raises UsageError with the nearest name."""
    shipped = available()
    if reference in shipped:
        return shipped[reference]
    path = Path(reference)
    if path.suffix == ".toml" and path.is_file():
        return path
    if path.suffix == ".toml":
        raise UsageError(f"{reference}: there is no such profile file")
    near = difflib.get_close_matches(reference, shipped, 1)
    hint = f"did you mean {near[0]!r}?" if near else "`plugfest list profiles` names them"
    raise UsageError(f"{reference}: no profile of that name; {hint}")


def load(reference: str, *, settings: Iterable[str] = (), rename: str | None = None) -> Profile:
    """Read a profile by name or path; `settings` are ``key.path=value`` overrides, `rename` its name in the report.

    Raises UsageError: one line naming the file, the key and the fix.
    """
    path = locate(reference)
    data = table(path)
    for setting in settings:
        _override(data, setting)
    if rename is not None:
        data["name"] = rename
    elif "module" not in data and path.stem != data.get("name", path.stem):
        raise UsageError(f"{path.name}: name: {data['name']!r} does not match the file's name; use {path.stem!r}")
    if isinstance(data.get("module"), str):
        data["module"] = str((path.parent / data["module"]).resolve())
    return parse(data, path.name)


def parse(data: Mapping[str, Any], source: str) -> Profile:
    """Validate a profile's data; `source` names it in the UsageError raised for the first wrong key."""
    profile = checked(Profile, data, source)
    _known_requirements(profile, source)
    _known_classes(profile, source)
    return profile


def _known_requirements(profile: Profile, source: str) -> None:
    from conformance.requirement import UnknownRequirement, find

    named = [(f"deviations.{index}", each.requirement) for index, each in enumerate(profile.deviations)]
    named += [(f"limits.{index}", each.requirement) for index, each in enumerate(profile.limits)]
    for key, name in named:
        try:
            find(name)
        except UnknownRequirement as problem:
            raise UsageError(f"{source}: {key}.requirement: {problem}") from None


def _known_classes(profile: Profile, source: str) -> None:
    if not profile.claims:
        return
    from conformance.classes import UnknownClass, find_class

    for index, name in enumerate(profile.claims):
        try:
            wanted = find_class(name)
        except UnknownClass as problem:
            raise UsageError(f"{source}: claims.{index}: {problem}") from None
        if not set(wanted.roles) & set(profile.roles):
            raise UsageError(f"{source}: claims.{index}: {name} is for the roles {', '.join(wanted.roles)}")


def _override(data: dict[str, Any], setting: str) -> None:
    key, separator, text = setting.partition("=")
    if not separator or not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", key):
        raise UsageError(f"--set {setting}: write KEY=VALUE, for instance adapter.plugin_dir=/opt/cni/bin")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise UsageError(f"--set {setting}: {parent} is not a table of the profile")
    place[last] = value
