"""Requirement families: what each brings, as data, and all that there are.

A family is a package with ``FAMILY`` in its ``__init__.py`` and these files beside it, each of them optional:
``requirements.toml``, ``classes/*.toml``, ``checks.py`` and ``checks_*.py``, ``evidence*.py``, ``scenario*.py``, and
``faults.py`` and ``faults_*.py``, each with a tuple ``FAULTS``. This suite's own families lie in
`conformance.families`; another distribution brings one by an entry point of the group ``conformance.families``.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from conformance.errors import UsageError
from conformance.extension import imported, modules
from conformance.validation import known

GROUP: Final = "conformance.families"
LAST: Final = 1000
"""The rank of a family that states none: behind those of this suite, by name."""

Parameter = tuple[str, str]
"""A parameter of a check and one of its values, such as ``("path", "published")``."""


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of implementation that a requirement can bind.

    `links`: it is judged by its ports; a profile with none but such roles attaches no workload. `pair`: it is two
    implementations in one lab, each against the other. `meets` is the role of the pair of two that have this role.
    """

    name: str
    links: bool = False
    pair: bool = False
    meets: str = ""


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a profile can claim.

    `design`: it is a kind of design, not a service; without it, requirements that need it are not applicable.
    `needed_for` are parameters that only a profile that claims it is judged by (others are unsupported there), `adds`
    those that exist only for a profile that claims it (others have no row). `ethertype` (with `protocol`, its name) is
    that of frames which show that it is there although the profile does not claim it.
    """

    name: str
    design: bool = False
    needed_for: tuple[Parameter, ...] = ()
    adds: tuple[Parameter, ...] = ()
    ethertype: int | None = None
    protocol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is done to an implementation, once. `module` has ``run(context)`` and, if it wants another testbed,
    ``shape(testbed)`` (see `conformance.provoking.scenario`). `waits` is its longest chain of waits that protocols ask
    for, in s.

    `inside` records every interface of the hosts and every frame of the top-of-rack, not only the uplinks: for
    scenarios of few frames, in which what happens on an endpoint's link matters. `streams` leaves the bulk of streams
    off the taps, which keep a sample of them. `steady`: taps keep streams of a thousand datagrams a second, and bear a
    reader that is kept waiting. `many`: among as many endpoints as the profile says. `silent`: hardly anything is
    sent, and time passes. `links`: done to ports, with partners of the suite's on them, on testbeds of links.
    `shows` ranks the recordings in which a feature is looked for that a profile does not claim: the lowest that is
    there is looked at, 0 never.
    """

    name: str
    title: str
    module: str
    waits: float
    inside: bool = False
    streams: bool = False
    links: bool = False
    steady: bool = False
    many: bool = False
    silent: bool = False
    shows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a family wants to know of every host whenever a scenario takes a snapshot of it, beyond what snapshots hold.

    `sysctls` are names such as ``net.ipv4.tcp_syncookies``, `files` paths below /proc and /sys, `commands` programs
    with their arguments, which are run on the host and end within `limits.FACT`, `views` names of tables that an
    implementation shows (`ShowingRows`). A check reads them with `Case.facts`. Raises ValueError for a wrong path, or a
    command without a program.
    """

    sysctls: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in self.files:
            if not path.startswith(("/proc/", "/sys/")) or ".." in path.split("/"):
                raise ValueError(f"facts: files: {path}: only files below /proc and /sys are recorded")
        for command in self.commands:
            if isinstance(command, str) or not command or not command[0]:
                raise ValueError(f"facts: commands: {command!r}: write a program and its arguments, one text each")


View = Literal["workload", "links", "filter"]
VIEWS: Final[Mapping[View, str]] = {
    "workload": "Workload networks",
    "links": "Movers and link protocols",
    "filter": "Filters",
}
"""The parts of the matrix, in order, with their titles: what is judged in one says little of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One requirement family. `package` is its own (``__name__``), `title` what it is about in a few words; `rank`
    orders families in reports. `captured` names the senders in a capture from the field of which its checks speak (see
    `conformance.judging.capture`). `facts` are recorded for it in every recording. `rests_on` names
    families whose failures may be the cause of failures of this one. `view` is the part of the matrix that shows it."""

    name: str
    title: str
    package: str
    rank: int = LAST
    roles: tuple[Role, ...] = ()
    features: tuple[Feature, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    captured: tuple[str, ...] = ()
    facts: Facts | None = None
    rests_on: tuple[str, ...] = ()
    view: View = "workload"

    @property
    def folder(self) -> Path:
        """The folder of its package."""
        found = importlib.util.find_spec(self.package)
        assert found is not None
        assert found.origin is not None
        return Path(found.origin).parent

    def parts(self, role: str) -> list[str]:
        """The modules of one role: ``checks``, ``scenario``, ``evidence`` or ``faults``, the plain one first."""
        paths = [*self.folder.glob(f"{role}.py"), *sorted(self.folder.glob(f"{role}_*.py"))]
        return [f"{self.package}.{path.stem}" for path in paths]


Named = TypeVar("Named", Role, Feature, Scenario)


@functools.cache
def families() -> Mapping[str, Family]:
    """Every family that is installed, by name, in the order in which a report shows them. Raises UsageError."""
    found = [_family(name, module) for name, module in modules(GROUP).items()]
    return MappingProxyType({one.name: one for one in sorted(found, key=lambda one: (one.rank, one.name))})


def _family(name: str, module: str) -> Family:
    family = getattr(imported(module, f"family {name}"), "FAMILY", None)
    if not isinstance(family, Family):
        raise UsageError(f"family {name}: {module}: it has no FAMILY = Family(...)")
    if family.name != name:
        raise UsageError(
            f"family {name}: {module}: FAMILY.name is {family.name!r}; its entry point must be named so, too"
        )
    return family


def position(family: str) -> int:
    """The place of a family in reports, from 0; behind all others where it is not installed."""
    known_ones = list(families())
    return known_ones.index(family) if family in families() else len(known_ones)


def view_of(family: str) -> View:
    """The part of the matrix that shows a family; that of one that is not installed is the first."""
    known = families().get(family)
    return known.view if known is not None else "workload"


def title_of(family: str) -> str:
    """The title of a family; its own name where it is not installed."""
    return families()[family].title if family in families() else family


@functools.cache
def roles() -> Mapping[str, Role]:
    """Every role, by name, in the order of the families. Raises UsageError where two families bring the same one."""
    return _all("roles", lambda family: family.roles)


@functools.cache
def features() -> Mapping[str, Feature]:
    """Every feature, by name, in the order of the families. Raises UsageError where two families bring the same one."""
    return _all("features", lambda family: family.features)


@functools.cache
def scenarios() -> Mapping[str, Scenario]:
    """Every scenario, by name, in the order of the families. Raises UsageError where two bring the same one."""
    return _all("scenarios", lambda family: family.scenarios)


def _all(what: str, of: Callable[[Family], Iterable[Named]]) -> Mapping[str, Named]:
    found: dict[str, Named] = {}
    owners: dict[str, str] = {}
    for family in families().values():
        for one in of(family):
            if one.name in owners:
                raise UsageError(f"family {family.name}: {what}: {one.name}: family {owners[one.name]} has it already")
            owners[one.name] = family.name
            found[one.name] = one
    return MappingProxyType(found)


@dataclass(frozen=True)
class _Words:
    """Lists the words that there are in the JSON Schema of a key."""

    words: Callable[[], Iterable[str]]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "enum": list(self.words())}


RoleName = Annotated[str, AfterValidator(lambda word: known(word, roles())), _Words(roles)]
"""The name of a role that a family brings."""
FeatureName = Annotated[str, AfterValidator(lambda word: known(word, features())), _Words(features)]
"""The name of a feature that a family brings."""


def forget() -> None:
    """Look anew when next asked: for tests, and for whoever installs a distribution while the suite runs."""
    cached: tuple[Any, ...] = (families, roles, features, scenarios, modules)
    for function in cached:
        function.cache_clear()
