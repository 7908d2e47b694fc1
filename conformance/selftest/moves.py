"""Planted faults of the family move: announced wrongly, too late, by the wrong one, or not at all."""

from __future__ import annotations

from typing import Final

from conformance.recording.model import Record
from conformance.selftest import movers
from conformance.selftest.announcer import wrote_down
from conformance.selftest.fault import Fault, rule_hit

NETWORK: Final = "linux-mover"
ONLY: Final = frozenset({"move"})
EFFECT: Final = frozenset({"move.neighbours-follow", "move.traffic-follows"})
BOTH: Final = frozenset({"move.announced-v4", "move.announced-v6"})


def _nobody_told(record: Record) -> str | None:
    """No neighbour entry ever had a new MAC address until the window ended."""
    new = {move.after.mac: move.ended_ns for move in record.moves if move.after is not None}
    learned = [c for c in record.changes if c.what == "neighbour" and c.time_ns < new.get(c.value, 0)]
    return None if learned or not new else f"no neighbour ever knew {', '.join(sorted(new))}"


def _old_address(record: Record) -> str | None:
    """A snapshot of the old namespace shows the address there at the end."""
    for change in record.changes:
        if change.what == "address" and change.state == "gone" and ":" not in change.key:
            return None
    return "no IPv4 address was ever taken from an old place"


FAULTS = (
    Fault(
        name="rarp-instead",
        title="what moved is made known by RARP, and by nothing else",
        labels=("X-08", "F-MOVE-01a"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.no-rarp"}) | BOTH | EFFECT,
        design=movers.Reversed,
        witness=wrote_down("RARP"),
    ),
    Fault(
        name="rarp-as-well",
        title="what moved is announced, and RARP is sent as well",
        labels=("X-08",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.no-rarp"}),
        design=movers.AlsoReversed,
        witness=wrote_down("RARP"),
    ),
    Fault(
        name="rarp-tagged",
        title="RARP is sent as well, behind a VLAN tag",
        labels=("X-09", "F-MOVE-10c"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.no-rarp"}),
        design=movers.TaggedReversed,
        witness=wrote_down("tagged"),
    ),
    Fault(
        name="empty-notify",
        title="an empty frame with the MAC address of what moved is sent as well",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.no-substitute"}),
        design=movers.Substituting,
        witness=wrote_down("empty"),
    ),
    Fault(
        name="announced-with-old-mac",
        title="announcements say the MAC address of before",
        labels=("F-MOVE-04b",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcement-form-v4", "move.announcement-form-v6", "move.new-mac-only"}) | EFFECT,
        design=movers.OldMac,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-by-unicast-reply",
        title="ARP replies go to the router alone",
        labels=("F-MOVE-02b",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-v4", "move.announcement-form-v4", "move.request-form"}) | EFFECT,
        design=movers.Unicasting,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="no-override",
        title="advertisements have Override clear",
        labels=("X-10", "F-MOVE-07a"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.override-set"}) | EFFECT,
        design=movers.Hesitant,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-without-option",
        title="advertisements lack the target link-layer address",
        labels=("F-MOVE-06c",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcement-form-v6"}) | EFFECT,
        design=movers.Optionless,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-with-hop-limit-64",
        title="advertisements have hop limit 64",
        labels=("F-MOVE-06a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcement-form-v6"}) | EFFECT,
        design=movers.FromAfar,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-late",
        title="what moved is announced five seconds later",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-after-forwarding"}) | BOTH | EFFECT,
        design=movers.Late,
        witness=wrote_down("late"),
    ),
    Fault(
        name="announcement-storm",
        title="two hundred ARP announcements in a second",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcements-bounded"}),
        design=movers.Storming,
        witness=wrote_down("again"),
    ),
    Fault(
        name="advertisements-in-a-burst",
        title="five advertisements of one address back to back",
        labels=("F-MOVE-08a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcement-rate-v6"}),
        design=movers.Bursting,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-on-old-host",
        title="the host that was left announces what moved",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-at-new-place", "move.old-place-silent", "move.neighbours-follow"}) | BOTH,
        design=movers.OldHost,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="old-place-answers",
        title="the old place keeps its IPv4 address and answers for it",
        labels=("F-MOVE-15a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.old-place-silent", "move.new-mac-only"}),
        design=movers.Lingering,
        witness=_old_address,
    ),
    Fault(
        name="ipv6-not-announced",
        title="IPv4 is announced, IPv6 is not",
        labels=("F-MOVE-05a", "F-MOVE-05b"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-v6"}) | EFFECT,
        design=movers.Forgetful,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="first-address-announced",
        title="of several addresses the first one alone is announced",
        labels=("F-MOVE-11a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.every-address-announced", "move.neighbours-follow"}),
        design=movers.FirstOnly,
        witness=wrote_down("alone"),
    ),
    Fault(
        name="foreign-address-announced",
        title="an address that did not move is announced as well",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.only-moved-announced"}),
        design=movers.Presumptuous,
        witness=wrote_down("does not have"),
    ),
    Fault(
        name="announcements-lost-at-port",
        title="the port of the new place passes no group frames",
        labels=("X-12", "F-MOVE-12a"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-after-forwarding", "move.switch-follows"}) | EFFECT,
        design=movers.Stifled,
        witness=rule_hit,
    ),
    Fault(
        name="routers-told-with-override",
        title="routers are told of an address that is new to its station with Override set",
        labels=("F-MOVE-09a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.routers-told"}),
        design=movers.Imperious,
        witness=wrote_down("tells routers"),
    ),
    Fault(
        name="connections-cut-by-move",
        title="what moves takes its sockets along, and the new host passes nothing of their connections",
        labels=("X-15",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.flows-survive"}),
        design=movers.Suspicious,
        witness=rule_hit,
    ),
    Fault(
        name="moved-in-silence-across-subnets",
        title="an endpoint goes to a host in another subnet, and nothing in the overlay announces it",
        network="linux-overlay-mover",
        testbed="routed",
        scenarios=ONLY,
        settings=(("notify", False),),
        fails=frozenset({"move.across-subnets"}),
        witness=_nobody_told,
    ),
    Fault(
        name="announced-unusually",
        title="three announcements of every form that is let pass, a second apart, and a word to the routers",
        labels=("D-03", "D-06", "D-07", "D-15"),
        network=NETWORK,
        scenarios=ONLY,
        notes=frozenset({"move.request-form", "move.announcement-form-v4"}),
        design=movers.Varied,
        witness=wrote_down("routers"),
    ),
)
