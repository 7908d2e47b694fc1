"""Finding the adapter of a profile: by its kind among all that are installed, or the profile's own module."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from conformance.adapters.interface import Adapter, Identity, Unavailable
from conformance.errors import UsageError
from conformance.extension import FROM_FILE, blamed, imported, modules, spot
from conformance.pairs.pairing import settings_of
from conformance.profile import Profile

GROUP: Final = "conformance.adapters"


def kinds() -> Mapping[str, str]:
    """Every adapter kind that is installed, with the module that drives it, without importing any.

    Raises UsageError where two distributions bring the same kind.
    """
    return modules(GROUP)


def adapter_for(profile: Profile) -> Adapter:
    """The adapter that drives this profile.

    Raises UsageError where the kind or the module is not there, and where a module of others fails.
    """
    module: Any = _from_file(Path(profile.module)) if profile.module else _by_kind(profile)
    try:
        made: Adapter = module.adapter(profile)
    except UsageError:
        raise
    except (Exception, SystemExit) as problem:
        sentence = blamed(problem)
        if sentence is None:
            raise
        raise UsageError(f"{profile.name}: {sentence}") from problem
    return made


def foreign_modules(profile: Profile) -> list[Path]:
    """The files of the modules that a profile names, of a pair those of both sides: programs of others, which only a
    run loads."""
    if profile.paired:
        both = settings_of(profile)
        return list(dict.fromkeys(file for side in (both.left, both.right) for file in foreign_modules(side)))
    return [Path(profile.module)] if profile.module else []


def with_modules(identity: Identity, profile: Profile) -> Identity:
    """What the implementation says of itself, with the hash of each module that the profile names."""
    found = {
        f"module {file.name}": f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        for file in foreign_modules(profile)
    }
    return replace(identity, details={**identity.details, **found}) if found else identity


def identified(adapter: Adapter, profile: Profile) -> Identity | Unavailable:
    """What the implementation says of itself; unavailable, with file and line, where a module of others fails."""
    try:
        found = adapter.identify()
        return found if isinstance(found, Unavailable) else with_modules(found, profile)
    except (Exception, SystemExit) as problem:
        sentence = blamed(problem)
        if sentence is None:
            raise
        return Unavailable(sentence)


def speaking_adapter(profile: Profile, conduct: Any) -> Adapter:
    """The adapter of a reference speaker that misbehaves as `conduct` says (see conformance.selftest). Raises
    UsageError."""
    module: Any = _by_kind(profile)
    made: Adapter = module.adapter(profile, conduct)
    return made


def _by_kind(profile: Profile) -> ModuleType:
    known = kinds()
    if profile.kind not in known:
        near = difflib.get_close_matches(profile.kind, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        raise UsageError(f"{profile.name}: kind: there is no adapter {profile.kind!r}; {hint}")
    place = f"kind: {profile.kind}"
    return _complete(imported(known[profile.kind], place), f"{place}: {known[profile.kind]}")


def check_file(path: Path) -> None:
    """Raises UsageError where the file of a module that a profile names is not there. Nothing is loaded."""
    if not path.is_file():
        raise UsageError(f"module: {path.name}: there is no such file beside the profile")


def _from_file(path: Path) -> ModuleType:
    check_file(path)
    name = f"{FROM_FILE}{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise UsageError(f"module: {path.name}: not a Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        del sys.modules[name]
        raise UsageError(f"module: {path.name}: {spot(problem)}{type(problem).__name__}: {problem}") from problem
    return _complete(module, f"module: {path.name}")


def _complete(module: ModuleType, place: str) -> ModuleType:
    if not callable(getattr(module, "adapter", None)):
        raise UsageError(f"{place}: it has no function adapter(profile)")
    return module
