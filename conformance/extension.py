"""Extensions: what this package brings of a kind, and what other distributions bring by entry points.

Families (group ``conformance.families``) and adapters (``conformance.adapters``) are found in the same way: every
package that lies in the folder of this suite's own ones, and every entry point of the group. Finding one imports it no
further than its parent.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import traceback
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType

from conformance.errors import UsageError


@functools.cache
def modules(group: str) -> Mapping[str, str]:
    """The modules of a group, such as ``conformance.families``, by name: this suite's own ones, then those of others.

    A package of this suite lends its name with ``-`` in place of ``_``; ``interface`` says what the members of a group
    are, and is none. Raises UsageError where two distributions bring
    the same name.
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
    except Exception as problem:
        raise UsageError(f"{place}: {module}: {spot(problem)}{type(problem).__name__}: {problem}") from problem


def spot(problem: BaseException) -> str:
    """``FILE:LINE: `` of the innermost frame of an exception's traceback; nothing where it has none."""
    frames = [one for one in traceback.extract_tb(problem.__traceback__) if not one.filename.startswith("<frozen")]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
