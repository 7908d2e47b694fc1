"""Versions of the CNI specification: those spoken here, and the choice of one for a network configuration list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from conformance.adapters.interface import AdapterError

SPOKEN: Final = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
"""From the lowest to the highest. 0.1.0 and 0.2.0 know neither lists nor interfaces."""
CHECK_SINCE: Final = "0.4.0"
"""CHECK, and the cached result as prevResult of DEL, came with this version."""


def at_least(version: str, since: str) -> bool:
    """Whether a spoken `version` is `since` or later."""
    return SPOKEN.index(version) >= SPOKEN.index(since)


def negotiate(configured: Sequence[str], supported: Mapping[str, Sequence[str]]) -> str:
    """The version to use: the highest that the list is written for and that all plugins support.

    `configured` are the versions that the list names, `supported` those of each plugin (its answer to VERSION). A list
    that names exactly one version gets it, and the plugins have their say; one that names none is written for all that
    are spoken here (CNI SPEC 1.1.0 §1 Version considerations). Raises AdapterError if nothing is common.
    """
    if len(set(configured)) == 1:
        return configured[0]
    wanted = [version for version in SPOKEN if not configured or version in configured]
    common = [version for version in wanted if all(version in versions for versions in supported.values())]
    if not common:
        said = "; ".join(f"{plugin}: {', '.join(versions) or 'none'}" for plugin, versions in supported.items())
        raise AdapterError(f"no version of CNI is common to {', '.join(wanted)} and the plugins ({said})")
    return common[-1]
