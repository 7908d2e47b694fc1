"""The scenarios that there are, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from conformance.provoking.context import Stage
    from conformance.testbed import Testbed


@dataclass(frozen=True)
class Scenario:
    """What is done to an implementation, once. `waits` is its longest chain of waits that protocols ask for, in s.

    `inside` records every interface of the hosts and every frame of the top-of-rack, not the uplinks alone: for
    scenarios of few frames, in which what happens on an endpoint's link matters. `streams` leaves the bulk of streams
    off the taps, which keep a sample of them. `steady`: taps keep streams of a thousand datagrams a second, and bear a
    reader that is kept waiting. `crowded`: among as many endpoints as the profile says. `silent`: hardly anything is
    sent, and time passes. `links`: done to ports, with partners
    of the suite's on them, on testbeds of links.
    """

    name: str
    title: str
    waits: float
    inside: bool = False
    streams: bool = False
    links: bool = False
    steady: bool = False
    crowded: bool = False
    silent: bool = False

    def shape(self, testbed: Testbed) -> Testbed:
        """The testbed as this scenario wants it."""
        module = importlib.import_module(f"conformance.provoking.{self.name}")
        shape: Callable[[Testbed], Testbed] | None = getattr(module, "shape", None)
        return testbed if shape is None else shape(testbed)

    def act(self, stage: Stage) -> None:
        """Do it."""
        importlib.import_module(f"conformance.provoking.{self.name}").act(stage)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario("reachability", "Everybody talks to everybody: protocols, ports, hop limits, absent addresses", 6.0),
        Scenario("mtu", "A narrow underlay, probed with DF set and with fragments, both ways", 6.0),
        Scenario("discovery", "IPv6 neighbours: DAD, a duplicate, solicitations, IPv6 alone", 10.0, inside=True),
        Scenario("lldp", "An LLDP agent is left alone, met, lied to, disabled, changed and ended", 24.0, True, True),
        Scenario("bridge", "A bridge of four ports: floods, learns, forgets, keeps to itself", 20.0, links=True),
        Scenario("stp", "Spanning trees: a loop, better and worse roots, changes, silence", 30.0, links=True),
        Scenario("lacp", "Groups of ports, each with a partner that behaves in its own way", 15.0, links=True),
        Scenario("move", "Endpoints move under steady streams, silent or talking", 11.0, inside=True, streams=True),
        Scenario("idle", "Flows stay silent longer than state lives, then the outer side speaks", 12.0, silent=True),
        Scenario(
            "policy",
            "A policy between many endpoints: all pairs at once, and what lies one step beside it",
            12.0,
            steady=True,
            crowded=True,
        ),
        Scenario("tenant", "Two tenants on the same hosts: every pair, and frames that a bridge floods", 6.0),
        Scenario("spoof", "One endpoint sends in others' names, and what it may send between that", 5.0),
        Scenario(
            "pair_lldp", "Two LLDP agents find each other on two cables; one falls silent", 40.0, True, links=True
        ),
        Scenario(
            "pair_lacp", "Two switches and two cables between them: negotiated, lost, taken back", 40.0, links=True
        ),
        Scenario(
            "pair_stp", "Two bridges and two cables between them: one root, one way, then the other", 30.0, links=True
        ),
        Scenario("pair", "Endpoints of two implementations, one on each host, talk to each other", 6.0, inside=True),
    )
}
