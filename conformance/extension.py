"""Extensions: what this package brings of a kind, and what other distributions bring by entry points.

Families (group ``conformance.families``) and adapters (``conformance.adapters``) are found in the same way: every
package that lies in the folder of this suite's own ones, and every entry point of the group. Finding one imports it no
further than its parent. What goes wrong in a module of others is not reported as this suite's own fault: `blamed`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final, NamedTuple

from conformance.errors import UsageError

GROUPS: Final = ("conformance.adapters", "conformance.families")
"""The groups of entry points by which other distributions bring something."""
FROM_FILE: Final = "conformance_adapter_"
"""How the name of a module begins that a profile names by its file."""
PACKAGE: Final = Path(__file__).parent


class Place(NamedTuple):
    """A line of a module of others, and the exception that ended it."""

    module: str
    file: Path
    line: int
    problem: BaseException


@functools.cache
def modules(group: str) -> Mapping[str, str]:
    """The modules of a group, such as ``conformance.families``, by name: this suite's own ones, then those of others.

    A package of this suite lends its name with ``-`` in place of ``_``; ``interface`` says what the members of a group
    are, and is none. Raises UsageError where two distributions bring the same name.
    """
    own = importlib.import_module(group)
    found = {
        name.replace("_", "-"): f"{group}.{name}"
        for _, name, package in pkgutil.iter_modules(own.__path__)
        if package and name != "interface"
    }
    for entry in sorted(entry_points(group=group)):
        if found.setdefault(entry.name, entry.module) != entry.module:
            raise UsageError(
                f"{group}: {entry.name}: {entry.module} and {found[entry.name]} both bring it; uninstall one of them"
            )
    return MappingProxyType(found)


def imported(module: str, place: str) -> ModuleType:
    """Import what `place` (in words) names. Raises UsageError: one line with the file and line of what is wrong."""
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as problem:
        raise UsageError(f"{place}: {module}: {spot(problem)}{type(problem).__name__}: {problem}") from problem


def spot(problem: BaseException) -> str:
    """``FILE:LINE: `` of the module of others that an exception comes from; nothing where there is none."""
    found = _place(problem)
    return f"{found.file.name}:{found.line}: " if found is not None else ""


def blamed(problem: BaseException) -> str | None:
    """Which module of others failed, where and with what, in one sentence; None where the exception is our own.

    It is theirs where the traceback has a frame of a module that is neither of this package nor of the libraries: the
    innermost one is named.
    """
    found = _place(problem)
    if found is None:
        return None
    name = found.file.name if found.module.startswith(FROM_FILE) else found.module
    words = " ".join(f"{type(found.problem).__name__}: {found.problem}".split())
    return f"the module {name} failed: {found.file.name}:{found.line}: {words}"


def _place(problem: BaseException) -> Place | None:
    """The innermost line of a module of others; of a group of exceptions, that of the first one that has any."""
    if isinstance(problem, SyntaxError) and problem.filename is not None and _of_others(problem.filename):
        file = Path(problem.filename)
        return Place(file.stem, file, problem.lineno or 1, problem)
    inner = problem.exceptions if isinstance(problem, BaseExceptionGroup) else ()
    for each in inner:
        found = _place(each)
        if found is not None:
            return found
    theirs = [one for one in traceback.walk_tb(problem.__traceback__) if _of_others(one[0].f_code.co_filename)]
    if not theirs:
        return None
    frame, line = theirs[-1]
    module = str(frame.f_globals.get("__name__", ""))
    return Place(module, Path(frame.f_code.co_filename), line, inner[0] if inner else problem)


@functools.cache
def _of_others(filename: str) -> bool:
    """Whether a source file is neither of this package nor of a library; what an entry point names is of others."""
    if filename.startswith("<"):
        return False
    file = Path(filename)
    if file.is_relative_to(PACKAGE):
        return False
    return any(file.is_relative_to(place) for place in _brought()) or not (
        {"site-packages", "dist-packages"} & set(file.parts)
        or any(file.is_relative_to(place) for place in _libraries())
    )


@functools.cache
def _libraries() -> frozenset[Path]:
    """Where Python's own modules lie, and the libraries that this suite calls."""
    paths = sysconfig.get_paths()
    dependency = sys.modules["pydantic"].__file__ if "pydantic" in sys.modules else None
    places = {Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return frozenset(places if dependency is None else {*places, Path(dependency).parents[1]})


@functools.cache
def _brought() -> frozenset[Path]:
    """The files and packages of the modules that entry points of other distributions name."""
    return frozenset(_top_levels())


def _top_levels() -> Iterator[Path]:
    names = {entry.module.partition(".")[0] for group in GROUPS for entry in entry_points(group=group)}
    for name in names - {PACKAGE.name}:
        found = importlib.util.find_spec(name)
        if found is not None and found.submodule_search_locations:
            yield from map(Path, found.submodule_search_locations)
        elif found is not None and found.origin is not None:
            yield Path(found.origin)
