"""The profiles of a run of pairs: every pair that was asked for, and two plain wires as their control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from conformance import profile as profiles
from conformance import testbed as testbeds
from conformance.errors import UsageError
from conformance.pairs.pairing import CIRCLES, couples, pair_of, sides_of
from conformance.profile import CONTROL, Profile
from conformance.testbed import Testbed

if TYPE_CHECKING:
    from conformance.running.request import Request


def load_pairs(request: Request) -> dict[str, Profile]:
    """The pairs of the request by name, the control first, which meetings of ports have none of. Raises UsageError."""
    if len(request.profiles) == 1:
        raise UsageError(f"--pair {request.profiles[0]}: name at least two profiles")
    if request.rename or request.settings:
        raise UsageError("--set and --as: not with --pair; copy the profile and name the copy by its path")
    circles = [request.profiles] if request.profiles else [CIRCLES[name] for name in request.circles or CIRCLES]
    found: dict[str, Profile] = {}
    for names in circles:
        members = [profiles.load(reference) for reference in names]
        made = [pair_of(*both) for both in couples(members, itself=not request.profiles)]
        found |= {one.name: one for one in made}
    if all(one.links for one in found.values()):
        return found
    wire = profiles.load(CONTROL)
    return {CONTROL: pair_of(wire, wire, name=CONTROL), **found}


def pair_testbeds(request: Request, known: Mapping[str, Profile]) -> list[Testbed]:
    """The testbeds on which pairs meet: those that were named, or every one with ports for pairs that are cabled port
    to port, and every one with two hosts and a router between for the others.

    Raises UsageError for one on which they cannot.
    """
    kinds = {one.links: one for one in known.values()}
    if request.testbeds:
        loaded = [testbeds.load(reference) for reference in request.testbeds]
        for one in loaded:
            if one.links and True in kinds:
                continue  # a scenario of ports adds the second host itself
            if False not in kinds:
                raise UsageError(
                    f"--testbed {one.name}: a pair that is cabled port to port meets on a testbed of links"
                )
            sides_of(kinds[False], one)
        return loaded
    every = [testbeds.load(reference) for reference in testbeds.available()]
    return [one for one in every if one.links in kinds and (one.links or (one.routed and len(one.hosts) == 2))]
