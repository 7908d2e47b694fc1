"""Finding the adapter of a profile: an entry point of the group ``conformance.adapters``, or a module of its own."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Final

from conformance.adapters.interface import Adapter
from conformance.errors import UsageError
from conformance.profile import Profile

GROUP: Final = "conformance.adapters"


def kinds() -> dict[str, str]:
    """Every adapter kind that is installed, with the module that drives it, without importing any."""
    return {entry.name: entry.value for entry in sorted(entry_points(group=GROUP))}


def adapter_for(profile: Profile) -> Adapter:
    """The adapter that drives this profile. Raises UsageError where the kind or the module is not there."""
    module = _from_file(Path(profile.module)) if profile.module else _from_entry_point(profile)
    made: Adapter = module.adapter(profile)
    return made


def _from_entry_point(profile: Profile) -> ModuleType:
    known = kinds()
    if profile.kind not in known:
        near = difflib.get_close_matches(profile.kind, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        raise UsageError(f"{profile.name}: kind: there is no adapter {profile.kind!r}; {hint}")
    return importlib.import_module(known[profile.kind])


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"module: {path.name}: there is no such file beside the profile")
    name = f"conformance_adapter_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except Exception as problem:
        del sys.modules[name]
        raise UsageError(f"module: {path.name}: {type(problem).__name__}: {problem}") from problem
    if not hasattr(module, "adapter"):
        raise UsageError(f"module: {path.name}: it has no function adapter(profile)")
    return module
