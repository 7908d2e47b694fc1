"""Profiles: what an implementation claims and how it is reached (ICS and IXIT of ISO/IEC 9646), one TOML file each."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from conformance.errors import UsageError
from conformance.places import PROFILES

Settings = TypeVar("Settings", bound=BaseModel)
NAME = r"^[a-z0-9][a-z0-9.@_-]*$"

Role = Literal[
    "workload-network",
    "ipam",
    "bridge",
    "overlay",
    "migration",
    "address-mover",
    "switch",
    "lldp-agent",
    "lacp-partner",
    "packet-filter",
    "workload-pair",
    "lldp-pair",
    "lacp-pair",
    "bridge-pair",
]
Feature = Literal[
    "ipv4", "ipv6", "multi-host", "ipv6-prefix-per-host", "duplicate-detection", "publish", "encapsulation",
    "conflict-detection", "multi-address", "policy", "restart", "tenants", "source-validation",
    "overlapping-addresses",
    "lldp", "lldp-receive", "lldp-admin", "lldp-changes", "lacp", "stp", "rstp", "own-view",
    "move", "routed-move", "vrrp",
]  # fmt: skip


LINK_PAIR_ROLES = frozenset({"lldp-pair", "lacp-pair", "bridge-pair"})
"""Roles of two implementations that are cabled port to port."""
LINK_ROLES = frozenset({"bridge", "switch", "lldp-agent", "lacp-partner"}) | LINK_PAIR_ROLES
"""A profile with none but these is judged on testbeds of links: it attaches no workload."""
PAIR_ROLES = LINK_PAIR_ROLES | {"workload-pair"}
"""Roles of two implementations in one lab, each against the other (see conformance.pairs)."""


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Deviation(Strict):
    """A known failure: shown in the matrix, never hidden; after `expires` it counts as a failure again."""

    requirement: str
    reason: Annotated[str, Field(min_length=10)]
    issue: Annotated[str, Field(pattern=r"^https?://")]
    owner: Annotated[str, Field(min_length=2)]
    expires: datetime.date


class Profile(Strict):
    """One implementation under test.

    `hops` is how many routed hops the implementation itself puts between an endpoint and the underlay segment of its
    host, and between two endpoints of one host (0: bridged). `endpoints` is how many a packet filter is tried with.
    `established` is what becomes of an open flow when the policy comes to deny it. `adapter` holds the settings of the
    adapter `kind`. `claims` are the conformance classes that it says it meets.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(pattern=NAME)]
    title: Annotated[str, Field(min_length=5)]
    kind: str
    module: str | None = None
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    features: tuple[Feature, ...]
    packages: tuple[str, ...] = ()
    hops: Literal[0, 1] = 0
    same_host_hops: Literal[0, 1] = 0
    endpoints: Annotated[int, Field(ge=8, le=100)] = 40
    established: Literal["kept", "cut"] = "kept"
    description: str = ""
    adapter: Mapping[str, Any] = {}
    deviations: tuple[Deviation, ...] = ()
    claims: tuple[str, ...] = ()

    @property
    def links(self) -> bool:
        """Whether it is judged by its ports, on testbeds of links, and not by workloads that it attaches."""
        return LINK_ROLES.issuperset(self.roles)

    @property
    def crowd(self) -> int:
        """How much of a machine the endpoints take that a packet filter is tried with, in ordinary labs. All labs share
        the machine's neighbour tables: forty of these have 360 entries there, an ordinary lab 70 at most."""
        return -(-self.endpoints // 4)

    def settings(self, model: type[Settings]) -> Settings:
        """The table `[adapter]`, checked. Raises UsageError: one line naming profile, key and fix."""
        try:
            return model.model_validate(self.adapter)
        except ValidationError as problem:
            raise UsageError(explain(problem, f"{self.name}: adapter", model)) from None

    @property
    def paired(self) -> bool:
        """Whether it is two implementations, each against the other."""
        return PAIR_ROLES.issuperset(self.roles)

    @field_validator("features", "roles", "claims")
    @classmethod
    def _unique(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("an entry is there twice; name each once")
        return value


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
    try:
        data = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UsageError(f"{path.name}: not valid TOML: {problem}") from problem
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
    try:
        profile = Profile.model_validate(data)
    except ValidationError as problem:
        raise UsageError(explain(problem, source, Profile)) from None
    _known_requirements(profile, source)
    _known_classes(profile, source)
    return profile


def _known_requirements(profile: Profile, source: str) -> None:
    from conformance.requirement import UnknownRequirement, find

    for index, deviation in enumerate(profile.deviations):
        try:
            find(deviation.requirement)
        except UnknownRequirement as problem:
            raise UsageError(f"{source}: deviations.{index}.requirement: {problem}") from None


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


def explain(problem: ValidationError, source: str, model: type[BaseModel]) -> str:
    """The first error of a validation in one line: file, key, what is wrong and the nearest valid key.

    An unknown key comes before a missing one, which it may have been meant to be.
    """
    error = min(problem.errors(), key=lambda each: each["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _keys_at(model, error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, 1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(sorted(known))}"
        return f"{source}: {place}: unknown key; {hint}"
    if error["type"] == "missing":
        return f"{source}: {place}: this key is missing; add it"
    return f"{source}: {place}: {error['msg']} (got {error['input']!r:.80})"


def _keys_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that are valid at a place: those of the table there, however deep it is."""
    for part in place:
        inner = [_models(field.annotation) for name, field in model.model_fields.items() if part in (name, field.alias)]
        model = next((found for models in inner for found in models), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models(inner)]
