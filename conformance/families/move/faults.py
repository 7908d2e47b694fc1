"""Planted faults of the family move: announced wrongly, too late, by the wrong one, or not at all."""

from __future__ import annotations

from typing import Final

from conformance.families.move import faults_movers as movers
from conformance.families.move.faults_announcer import ONLY, mover_fault
from conformance.recording.model import Record
from conformance.selftest.fault import Fault, rule_hit

EFFECT: Final = ("move.neighbours-follow", "move.traffic-follows")
BOTH: Final = ("move.announced-v4", "move.announced-v6")


def _nobody_told(record: Record) -> str | None:
    """No neighbour entry ever had a new MAC address until the window ended."""
    new = {move.after.mac: move.ended_ns for move in record.moves if move.after is not None}
    learned = [c for c in record.changes if c.what == "neighbour" and c.time_ns < new.get(c.value, 0)]
    return None if learned or not new else f"no neighbour ever knew {', '.join(sorted(new))}"


def _old_address(record: Record) -> str | None:
    """The kernel never told that an IPv4 address was taken away."""
    for change in record.changes:
        if change.what == "address" and change.state == "gone" and ":" not in change.key:
            return None
    return "no IPv4 address was ever taken from an old place"


FAULTS = (
    mover_fault("rarp-instead", "what moved is made known by RARP, and by nothing else", movers.Reversed,
                "move.no-rarp", *BOTH, *EFFECT, words="RARP", labels=("X-08", "F-MOVE-01a")),
    mover_fault("rarp-as-well", "what moved is announced, and RARP is sent as well", movers.AlsoReversed,
                "move.no-rarp", words="RARP", labels=("X-08",)),
    mover_fault("rarp-tagged", "RARP is sent as well, behind a VLAN tag", movers.TaggedReversed, "move.no-rarp",
                words="tagged", labels=("X-09", "F-MOVE-10c")),
    mover_fault("empty-notify", "an empty frame with the MAC address of what moved is sent as well",
                movers.Substituting, "move.no-substitute", words="empty"),
    mover_fault("announced-with-old-mac", "announcements say the MAC address of before", movers.OldMac,
                "move.announcement-form-v4", "move.announcement-form-v6", "move.new-mac-only", *EFFECT,
                labels=("F-MOVE-04b",)),
    mover_fault("announced-by-unicast-reply", "ARP replies go to the router alone", movers.Unicasting,
                "move.announced-v4", "move.announcement-form-v4", "move.request-form", *EFFECT,
                labels=("F-MOVE-02b",)),
    mover_fault("no-override", "advertisements have Override clear", movers.Hesitant, "move.override-set", *EFFECT,
                labels=("X-10", "F-MOVE-07a")),
    mover_fault("announced-without-option", "advertisements lack the target link-layer address", movers.Optionless,
                "move.announcement-form-v6", *EFFECT, labels=("F-MOVE-06c",)),
    mover_fault("announced-with-hop-limit-64", "advertisements have hop limit 64", movers.FromAfar,
                "move.announcement-form-v6", *EFFECT, labels=("F-MOVE-06a",)),
    mover_fault("announced-late", "what moved is announced five seconds later", movers.Late,
                "move.announced-after-forwarding", *BOTH, *EFFECT, words="late"),
    mover_fault("announcement-storm", "two hundred ARP announcements in a second", movers.Storming,
                "move.announcements-bounded", words="again"),
    mover_fault("advertisements-in-a-burst", "five advertisements of one address back to back", movers.Bursting,
                "move.announcement-rate-v6", labels=("F-MOVE-08a",)),
    mover_fault("announced-on-old-host", "the host that was left announces what moved", movers.OldHost,
                "move.announced-at-new-place", "move.old-place-silent", "move.neighbours-follow", *BOTH),
    mover_fault("old-place-answers", "the old place keeps its IPv4 address and answers for it", movers.Lingering,
                "move.old-place-silent", "move.new-mac-only", witness=_old_address, labels=("F-MOVE-15a",)),
    mover_fault("ipv6-not-announced", "IPv4 is announced, IPv6 is not", movers.Forgetful, "move.announced-v6",
                *EFFECT, labels=("F-MOVE-05a", "F-MOVE-05b")),
    mover_fault("first-address-announced", "of several addresses the first one alone is announced", movers.FirstOnly,
                "move.every-address-announced", "move.neighbours-follow", words="alone", labels=("F-MOVE-11a",)),
    mover_fault("foreign-address-announced", "an address that did not move is announced as well", movers.Presumptuous,
                "move.only-moved-announced", words="does not have"),
    mover_fault("announcements-lost-at-port", "the port of the new place passes no group frames", movers.Stifled,
                "move.announced-after-forwarding", "move.switch-follows", *EFFECT, witness=rule_hit,
                labels=("X-12", "F-MOVE-12a")),
    mover_fault("routers-told-with-override",
                "routers are told of an address that is new to its station with Override set", movers.Imperious,
                "move.routers-told", words="tells routers", labels=("F-MOVE-09a",)),
    mover_fault("connections-cut-by-move",
                "what moves takes its sockets along, and the new host passes nothing of their connections",
                movers.Suspicious, "move.flows-survive", witness=rule_hit, labels=("X-15",)),
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
    mover_fault("announced-unusually",
                "three announcements of every form that is let pass, a second apart, and a word to the routers",
                movers.Varied, words="routers", labels=("D-03", "D-06", "D-07", "D-15"),
                notes=frozenset({"move.request-form", "move.announcement-form-v4"})),
)  # fmt: skip
