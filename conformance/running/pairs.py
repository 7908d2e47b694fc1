"""The profiles of a run of pairs: every pair that was wished for, and two plain wires as their control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from conformance import profile as profiles
from conformance import testbed as testbeds
from conformance.errors import UsageError
from conformance.judging.plan import CONTROL
from conformance.pairs.pairing import WORKLOADS, couples, pair_of, sides_of
from conformance.profile import Profile
from conformance.testbed import Testbed

if TYPE_CHECKING:
    from conformance.running.run import Wish


def load_pairs(wish: Wish) -> dict[str, Profile]:
    """The pairs of the wish by name, the control first. Raises UsageError."""
    names = wish.profiles or WORKLOADS
    if len(names) < 2:
        raise UsageError(f"--pair {' '.join(names)}: name at least two profiles")
    if wish.rename or wish.settings:
        raise UsageError("--set and --as: not with --pair; copy the profile and name the copy by its path")
    members = [profiles.load(reference) for reference in names]
    wire = profiles.load(CONTROL)
    found = {CONTROL: pair_of(wire, wire, name=CONTROL)}
    for left, right in couples(members):
        made = pair_of(left, right)
        found[made.name] = made
    return found


def pair_testbeds(wish: Wish, known: Mapping[str, Profile]) -> list[Testbed]:
    """The testbeds on which pairs meet: those that were named, or every one with two hosts and a router between.

    Raises UsageError for one on which they cannot.
    """
    if wish.testbeds:
        loaded = [testbeds.load(reference) for reference in wish.testbeds]
        for one in loaded:
            sides_of(known[CONTROL], one)
        return loaded
    every = [testbeds.load(reference) for reference in testbeds.available()]
    return [one for one in every if one.routed and len(one.hosts) == 2 and not one.links]
