"""Planted faults of the family move: announced wrongly, too late, by the wrong one, or not at all."""

from __future__ import annotations

from typing import Any, Final

from conformance.families.move import faults_movers as movers
from conformance.families.move.faults_announcer import ONLY, Announcement, announcing, besides, mover_fault, soundly
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


def _announced(name: str, title: str, announcement: Announcement, *fails: str, **further: Any) -> Fault:
    """A fault of what a mover announces."""
    return mover_fault(name, title, announcing(announcement), *fails, **further)


FAULTS = (
    _announced("rarp-instead", "what moved is made known by RARP, and by nothing else", movers.reversed_instead,
               "move.no-rarp", *BOTH, *EFFECT, words="RARP", labels=("X-08", "F-MOVE-01a")),
    _announced("rarp-as-well", "what moved is announced, and RARP is sent as well", besides(movers.reversed_instead),
               "move.no-rarp", words="RARP", labels=("X-08",)),
    _announced("rarp-tagged", "RARP is sent as well, behind a VLAN tag", besides(movers.tagged), "move.no-rarp",
               words="tagged", labels=("X-09", "F-MOVE-10c")),
    _announced("empty-notify", "an empty frame with the MAC address of what moved is sent as well",
               besides(movers.empty), "move.no-substitute", words="empty"),
    _announced("announced-with-old-mac", "announcements say the MAC address of before", movers.old_mac,
               "move.announcement-form-v4", "move.announcement-form-v6", "move.new-mac-only", *EFFECT,
               labels=("F-MOVE-04b",)),
    _announced("announced-by-unicast-reply", "ARP replies go to the router alone", movers.unicasting,
               "move.announced-v4", "move.announcement-form-v4", "move.request-form", *EFFECT, labels=("F-MOVE-02b",)),
    _announced("no-override", "advertisements have Override clear", movers.altered(override=False), "move.override-set",
               *EFFECT, labels=("X-10", "F-MOVE-07a")),
    _announced("announced-without-option", "advertisements lack the target link-layer address",
               movers.altered(option=False), "move.announcement-form-v6", *EFFECT, labels=("F-MOVE-06c",)),
    _announced("announced-with-hop-limit-64", "advertisements have hop limit 64", movers.altered(hop_limit=64),
               "move.announcement-form-v6", *EFFECT, labels=("F-MOVE-06a",)),
    _announced("announced-late", "what moved is announced five seconds later", movers.late,
               "move.announced-after-forwarding", *BOTH, *EFFECT, words="late"),
    _announced("announcement-storm", "two hundred ARP announcements in a second", besides(movers.storm),
               "move.announcements-bounded", words="again"),
    _announced("advertisements-in-a-burst", "five advertisements of one address back to back", movers.bursting,
               "move.announcement-rate-v6", labels=("F-MOVE-08a",)),
    _announced("announced-on-old-host", "the host that was left announces what moved", movers.by_old_host,
               "move.announced-at-new-place", "move.old-place-silent", "move.neighbours-follow", *BOTH),
    mover_fault("old-place-answers", "the old place keeps its IPv4 address and answers for it", movers.lingering,
                "move.old-place-silent", "move.new-mac-only", on_endpoint=movers.ask_nobody, witness=_old_address,
                labels=("F-MOVE-15a",)),
    _announced("ipv6-not-announced", "IPv4 is announced, IPv6 is not", movers.ipv4_only, "move.announced-v6", *EFFECT,
               labels=("F-MOVE-05a", "F-MOVE-05b")),
    _announced("first-address-announced", "of several addresses the first one alone is announced", movers.first_only,
               "move.every-address-announced", "move.neighbours-follow", words="alone", labels=("F-MOVE-11a",)),
    _announced("foreign-address-announced", "an address that did not move is announced as well",
               besides(movers.foreign), "move.only-moved-announced", words="does not have"),
    mover_fault("announcements-lost-at-port", "the port of the new place passes no group frames",
                announcing(soundly, movers.STIFLED), "move.announced-after-forwarding", "move.switch-follows", *EFFECT,
                witness=rule_hit, labels=("X-12", "F-MOVE-12a")),
    _announced("routers-told-with-override",
               "routers are told of an address that is new to its station with Override set",
               besides(movers.to_routers), "move.routers-told", words="tells routers", labels=("F-MOVE-09a",)),
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
    _announced("announced-unusually",
               "three announcements of every form that is let pass, a second apart, and a word to the routers",
               movers.varied, words="routers", labels=("D-03", "D-06", "D-07", "D-15"),
               notes=frozenset({"move.request-form", "move.announcement-form-v4"})),
)  # fmt: skip
