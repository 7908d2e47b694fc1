"""The code of others that a run loads: modules that profiles name, and adapters and families of other distributions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance.adapters.interface.registry import GROUP as ADAPTERS
from conformance.adapters.interface.registry import check_file, foreign_modules, kinds
from conformance.extension import modules
from conformance.family import GROUP as FAMILIES
from conformance.pairs.pairing import settings_of
from conformance.profile import Profile


def foreign_code(profiles: Iterable[Profile]) -> list[str]:
    """Each module of others that judges or drives these profiles, in words, once.

    Raises UsageError where the file of one is not there: nothing is said of code that nobody can load.
    """
    found = [f"family {name} ({module})" for name, module in modules(FAMILIES).items() if _of_others(module, FAMILIES)]
    for profile in profiles:
        for file in foreign_modules(profile):
            check_file(file)
            found.append(f"module {file}")
        found += [
            f"adapter {kind} ({kinds()[kind]})" for kind in _driven(profile) if _of_others(kinds()[kind], ADAPTERS)
        ]
    return list(dict.fromkeys(found))


def _driven(profile: Profile) -> Iterator[str]:
    """The kinds of adapters that drive a profile, where it names no module."""
    if profile.paired:
        both = settings_of(profile)
        yield from _driven(both.left)
        yield from _driven(both.right)
    elif not profile.module and profile.kind in kinds():
        yield profile.kind


def _of_others(module: str, group: str) -> bool:
    return not module.startswith(f"{group}.")
