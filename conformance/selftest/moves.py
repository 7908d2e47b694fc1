"""Planted faults of the family move: announced wrongly, too late, by the wrong one, or not at all."""

from __future__ import annotations

from typing import Any, Final

from conformance.adapters.interface import Interface, MoveKind
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.network import INTERFACE, Lease
from conformance.frames import arp, ndp
from conformance.lab import netlink, rtnetlink
from conformance.lab.lab import link_local
from conformance.lab.nftables import Chain, Rule, drop, ether_destination, ether_source
from conformance.recording.model import Record
from conformance.selftest.announcer import Announcer, rarp, sound, wrote_down
from conformance.selftest.fault import Fault, planted, rule_hit

NETWORK: Final = "linux-mover"
ONLY: Final = frozenset({"move"})
RARP_TIMES: Final = (0.0, 0.05, 0.2, 0.45, 0.8)
"""When a known hypervisor sends its five frames after a migration, in seconds."""
EFFECT: Final = frozenset({"move.neighbours-follow", "move.traffic-follows"})
BOTH: Final = frozenset({"move.announced-v4", "move.announced-v6"})
CONFIGURATION_TEST: Final = b"\x90\x00"
"""EtherType of the Ethernet configuration testing protocol: what some switches send to themselves."""
STORM: Final = 200
LATE: Final = 5.0


class Reversed(Announcer):
    """RARP and nothing else."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """Five frames, as a hypervisor sends them."""
        del old
        if version == 4:
            self.later(RARP_TIMES, new.namespace, "sends RARP", [rarp(new.mac)])


class AlsoReversed(Announcer):
    """RARP as well."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """Announce, and five RARP frames."""
        super().announce(old, new, version)
        if version == 4:
            self.later(RARP_TIMES, new.namespace, "sends RARP", [rarp(new.mac)])


class TaggedReversed(Announcer):
    """RARP behind a VLAN tag, where a filter for its EtherType does not see it."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """Announce, and one tagged RARP frame."""
        super().announce(old, new, version)
        if version == 4:
            self.say(new.namespace, "sends tagged RARP", [rarp(new.mac, tag=5)])


class Substituting(Announcer):
    """An empty frame as well."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """Announce, and send a frame that carries nothing, so that switches learn."""
        super().announce(old, new, version)
        if version == 4:
            addresses = bytes.fromhex((arp.BROADCAST + new.mac).replace(":", ""))
            frame = (addresses + CONFIGURATION_TEST).ljust(60, b"\0")
            self.say(new.namespace, "sends an empty frame", [frame])


class OldMac(Announcer):
    """The MAC address of before, in ARP and in the option."""

    def frames(self, old: Lease, new: Lease, address: Interface) -> list[bytes]:
        """Sent from the new MAC address, saying the old one."""
        if address.version == 4:
            return [sound(new, address, mac=old.mac, source=new.mac)]
        return [sound(new, address, mac=old.mac, ethernet_source=new.mac)]


class Unicasting(Announcer):
    """ARP replies to the router alone."""

    def frames(self, old: Lease, new: Lease, address: Interface) -> list[bytes]:
        """A reply to one station, the router of the segment, that nobody asked for."""
        if address.version == 6:
            return super().frames(old, new, address)
        return [sound(new, address, operation=arp.REPLY, destination="00:00:5e:00:53:e0")]


class Altered(Announcer):
    """Advertisements with something changed."""

    change: dict[str, Any]

    def frames(self, old: Lease, new: Lease, address: Interface) -> list[bytes]:
        """IPv4 in due form, IPv6 with the change."""
        del old
        return [sound(new, address, **(self.change if address.version == 6 else {}))]


class Hesitant(Altered):
    """Override is clear."""

    change = {"override": False}  # noqa: RUF012 - a constant of the class


class Optionless(Altered):
    """No target link-layer address."""

    change = {"option": False}  # noqa: RUF012


class FromAfar(Altered):
    """Hop limit 64."""

    change = {"hop_limit": 64}  # noqa: RUF012


class Late(Announcer):
    """Five seconds too late."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """Not now."""
        for address in new.addresses:
            if address.version == version:
                self.later([LATE], new.namespace, "announces late", self.frames(old, new, address))


class Storming(Announcer):
    """Two hundred ARP announcements in a second."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """Again and again."""
        super().announce(old, new, version)
        if version == 4:
            times = [number / STORM for number in range(STORM)]
            for address in new.addresses[:1]:
                self.later(times, new.namespace, "announces again", self.frames(old, new, address))


class Bursting(Announcer):
    """Five advertisements back to back."""

    def frames(self, old: Lease, new: Lease, address: Interface) -> list[bytes]:
        """The same frame five times where it is an advertisement."""
        return super().frames(old, new, address) * (5 if address.version == 6 else 1)


class OldHost(Announcer):
    """The host that the endpoint has left announces it."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """The new MAC address, from the old host's own."""
        host = old.host.namespace
        own = host.netlink("link", "get", ifname=BRIDGE)[0].get_attr("IFLA_ADDRESS")
        for address in new.addresses:
            if address.version == version:
                key = "source" if version == 4 else "ethernet_source"
                self.say(host, f"announces {address.ip}", [sound(new, address, **{key: own})], old.host.uplink)


class Lingering(Announcer):
    """The old place keeps its IPv4 address, and answers for it."""

    def leave(self, old: Lease) -> None:
        """Take the IPv6 addresses away, so that detection at the new place finds nothing, and leave the rest."""
        six = [one for one in (*old.addresses, link_local(old.mac)) if one.version == 6]
        steps = [rtnetlink.address(INTERFACE, one, remove=True) for one in six]
        netlink.transact(old.namespace, steps)
        self.said.append({"time_ns": 0, "where": old.namespace.name, "what": "stays where it was"})


class Forgetful(Announcer):
    """IPv6 is not announced."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """IPv4 alone."""
        if version == 4:
            super().announce(old, new, version)


class FirstOnly(Announcer):
    """The first address of each family is announced, the others are not."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """One of each family."""
        first = next(address for address in new.addresses if address.version == version)
        self.say(new.namespace, f"announces {first.ip} alone", self.frames(old, new, first))


class Presumptuous(Announcer):
    """Announces an address that did not move."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """Its own, and one of the prefix that nobody has."""
        super().announce(old, new, version)
        if version == 4:
            foreign = rtnetlink.single(new.addresses[0].network.network_address + 240)
            self.say(new.namespace, f"announces {foreign.ip}, which it does not have", [sound(new, foreign)])


class Stifled(Announcer):
    """The port of the new place passes no group frames: every announcement is lost."""

    moves: tuple[MoveKind, ...] = ("migrate", "failover")

    def take_up(self, new: Lease) -> None:
        """What the new MAC address sends to a group goes no further than the bridge's port."""
        group = ether_destination("01:00:00:00:00:00", "01:00:00:00:00:00")
        lost = Rule(drop(), (ether_source(new.mac), group), "announcements")
        planted(new.host, "bridge", Chain(f"lost-{new.port}", (lost,), "filter", "forward"))
        super().take_up(new)


class Varied(Announcer):
    """Three announcements of each address, a second apart: a request first, then replies, the target all ones; an
    advertisement to all routers besides, with Override clear. Unusual and right."""

    def announce(self, old: Lease, new: Lease, version: int) -> None:
        """What a careful test lets pass."""
        del old
        for address in new.addresses:
            if address.version != version:
                continue
            if version == 4:
                self.say(new.namespace, f"announces {address.ip}", [sound(new, address, target_mac=arp.BROADCAST)])
                self.later([1.0, 2.0], new.namespace, "replies", [sound(new, address, operation=arp.REPLY)])
            else:
                self.later([0.0, 1.1, 2.2], new.namespace, "advertises", [sound(new, address)])
                routers = sound(new, address, destination=ndp.ALL_ROUTERS, override=False)
                self.say(new.namespace, "tells routers", [routers])


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
        design=Reversed,
        witness=wrote_down("RARP"),
    ),
    Fault(
        name="rarp-as-well",
        title="what moved is announced, and RARP is sent as well",
        labels=("X-08",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.no-rarp"}),
        design=AlsoReversed,
        witness=wrote_down("RARP"),
    ),
    Fault(
        name="rarp-tagged",
        title="RARP is sent as well, behind a VLAN tag",
        labels=("X-09", "F-MOVE-10c"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.no-rarp"}),
        design=TaggedReversed,
        witness=wrote_down("tagged"),
    ),
    Fault(
        name="empty-notify",
        title="an empty frame with the MAC address of what moved is sent as well",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.no-substitute"}),
        design=Substituting,
        witness=wrote_down("empty"),
    ),
    Fault(
        name="announced-with-old-mac",
        title="announcements say the MAC address of before",
        labels=("F-MOVE-04b",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcement-form-v4", "move.announcement-form-v6", "move.new-mac-only"}) | EFFECT,
        design=OldMac,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-by-unicast-reply",
        title="ARP replies go to the router alone",
        labels=("F-MOVE-02b",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-v4", "move.announcement-form-v4", "move.request-form"}) | EFFECT,
        design=Unicasting,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="no-override",
        title="advertisements have Override clear",
        labels=("X-10", "F-MOVE-07a"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.override-set"}) | EFFECT,
        design=Hesitant,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-without-option",
        title="advertisements lack the target link-layer address",
        labels=("F-MOVE-06c",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcement-form-v6"}) | EFFECT,
        design=Optionless,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-with-hop-limit-64",
        title="advertisements have hop limit 64",
        labels=("F-MOVE-06a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcement-form-v6"}) | EFFECT,
        design=FromAfar,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-late",
        title="what moved is announced five seconds later",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-after-forwarding"}) | BOTH | EFFECT,
        design=Late,
        witness=wrote_down("late"),
    ),
    Fault(
        name="announcement-storm",
        title="two hundred ARP announcements in a second",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcements-bounded"}),
        design=Storming,
        witness=wrote_down("again"),
    ),
    Fault(
        name="advertisements-in-a-burst",
        title="five advertisements of one address back to back",
        labels=("F-MOVE-08a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announcement-rate-v6"}),
        design=Bursting,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="announced-on-old-host",
        title="the host that was left announces what moved",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-at-new-place", "move.old-place-silent", "move.neighbours-follow"}) | BOTH,
        design=OldHost,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="old-place-answers",
        title="the old place keeps its IPv4 address and answers for it",
        labels=("F-MOVE-15a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.old-place-silent", "move.new-mac-only"}),
        design=Lingering,
        witness=_old_address,
    ),
    Fault(
        name="ipv6-not-announced",
        title="IPv4 is announced, IPv6 is not",
        labels=("F-MOVE-05a", "F-MOVE-05b"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-v6"}) | EFFECT,
        design=Forgetful,
        witness=wrote_down("announces"),
    ),
    Fault(
        name="first-address-announced",
        title="of several addresses the first one alone is announced",
        labels=("F-MOVE-11a",),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.every-address-announced", "move.neighbours-follow"}),
        design=FirstOnly,
        witness=wrote_down("alone"),
    ),
    Fault(
        name="foreign-address-announced",
        title="an address that did not move is announced as well",
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.only-moved-announced"}),
        design=Presumptuous,
        witness=wrote_down("does not have"),
    ),
    Fault(
        name="announcements-lost-at-port",
        title="the port of the new place passes no group frames",
        labels=("X-12", "F-MOVE-12a"),
        network=NETWORK,
        scenarios=ONLY,
        fails=frozenset({"move.announced-after-forwarding", "move.switch-follows"}) | EFFECT,
        design=Stifled,
        witness=rule_hit,
    ),
    Fault(
        name="announced-unusually",
        title="three announcements of every form that is let pass, a second apart, and a word to the routers",
        labels=("D-03", "D-06", "D-07", "D-15"),
        network=NETWORK,
        scenarios=ONLY,
        notes=frozenset({"move.request-form", "move.announcement-form-v4"}),
        design=Varied,
        witness=wrote_down("routers"),
    ),
)
