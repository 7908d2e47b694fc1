"""Movers that misbehave, each in one way: what the faults of the family move are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from conformance.adapters.interface import Attachment, Endpoint, Interface
from conformance.adapters.interface.powers import MoveKind
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.network import INTERFACE, Allocation, refusals
from conformance.families.move.faults_announcer import Announcer, rarp, sound
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, link_local
from conformance.lab.nftables import Chain, Rule, drop, ether_destination, ether_source, transport
from conformance.protocols import arp, ndp
from conformance.protocols.mac import BROADCAST, mac_bytes
from conformance.selftest.fault import planted

RARP_GAPS: Final = (0.0, 0.05, 0.15, 0.25, 0.35)
"""How a known hypervisor spaces its five frames after a migration, in seconds."""
CONFIGURATION_TEST: Final = b"\x90\x00"
"""EtherType of the Ethernet configuration testing protocol: what some switches send to themselves."""
STORM: Final = 200
LATE: Final = 5.0


class Reversed(Announcer):
    """RARP and nothing else."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Five frames, as a hypervisor sends them."""
        del old
        if version == 4:
            self.later(RARP_GAPS, new.namespace, "sends RARP", [rarp(new.mac)])


class AlsoReversed(Announcer):
    """RARP as well."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Announce, and five RARP frames."""
        super().announce(old, new, version)
        if version == 4:
            self.later(RARP_GAPS, new.namespace, "sends RARP", [rarp(new.mac)])


class TaggedReversed(Announcer):
    """RARP behind a VLAN tag, where a filter for its EtherType does not see it."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Announce, and one tagged RARP frame."""
        super().announce(old, new, version)
        if version == 4:
            self.say(new.namespace, "sends tagged RARP", [rarp(new.mac, tag=5)])


class Substituting(Announcer):
    """An empty frame as well."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Announce, and send a frame that carries nothing, so that switches learn."""
        super().announce(old, new, version)
        if version == 4:
            addresses = mac_bytes(BROADCAST, new.mac)
            frame = (addresses + CONFIGURATION_TEST).ljust(60, b"\0")
            self.say(new.namespace, "sends an empty frame", [frame])


class OldMac(Announcer):
    """The MAC address of before, in ARP and in the option; said again when the hand-over is certainly over."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """At once, and a little more than a second later."""
        super().announce(old, new, version)
        for address in new.addresses:
            if address.version == version:
                self.later([1.1], new.namespace, f"announces {address.ip}", self.frames(old, new, address))

    def frames(self, old: Allocation, new: Allocation, address: Interface) -> list[bytes]:
        """Sent from the new MAC address, saying the old one."""
        if address.version == 4:
            return [sound(new, address, mac=old.mac, source=new.mac)]
        return [sound(new, address, mac=old.mac, ethernet_source=new.mac)]


class Unicasting(Announcer):
    """ARP replies to the router alone."""

    def frames(self, old: Allocation, new: Allocation, address: Interface) -> list[bytes]:
        """A reply to one station, the router of the segment, that nobody asked for."""
        if address.version == 6:
            return super().frames(old, new, address)
        return [sound(new, address, operation=arp.REPLY, destination="00:00:5e:00:53:e0")]


class Altered(Announcer):
    """Advertisements with something changed."""

    change: dict[str, Any]

    def frames(self, old: Allocation, new: Allocation, address: Interface) -> list[bytes]:
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

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Not now."""
        for address in new.addresses:
            if address.version == version:
                self.later([LATE], new.namespace, "announces late", self.frames(old, new, address))


class Storming(Announcer):
    """Two hundred ARP announcements in a second."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Again and again."""
        super().announce(old, new, version)
        if version == 4:
            for address in new.addresses[:1]:
                self.later([1 / STORM] * STORM, new.namespace, "announces again", self.frames(old, new, address))


class Bursting(Announcer):
    """Five advertisements back to back."""

    def frames(self, old: Allocation, new: Allocation, address: Interface) -> list[bytes]:
        """The same frame five times where it is an advertisement."""
        return super().frames(old, new, address) * (5 if address.version == 6 else 1)


class OldHost(Announcer):
    """The host that the endpoint has left announces it."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """The new MAC address, from the old host's own."""
        host = old.host.namespace
        own = host.netlink("link", "get", ifname=BRIDGE)[0].get_attr("IFLA_ADDRESS")
        for address in new.addresses:
            if address.version == version:
                key = "source" if version == 4 else "ethernet_source"
                frame = sound(new, address, **{key: own})
                self.later([0.0, 1.1], host, f"announces {address.ip}", [frame], old.host.uplink)


class Lingering(Announcer):
    """The old place keeps its IPv4 address, and answers for it."""

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach a station that no longer asks neighbours whether they are still there: what it says is an answer."""
        endpoint = super().attach(host, request)
        endpoint.namespace.sysctl(f"net.ipv4.neigh.{endpoint.interface}.delay_first_probe_time", 600)
        return endpoint

    def leave(self, old: Allocation) -> None:
        """Take the IPv6 addresses away, so that detection at the new place finds nothing, and leave the rest."""
        six = [one for one in (*old.addresses, link_local(old.mac)) if one.version == 6]
        steps = [rtnetlink.address(INTERFACE, one, remove=True) for one in six]
        netlink.transact(old.namespace, steps)
        self.said.append({"time_ns": 0, "where": old.namespace.name, "what": "stays where it was"})


class Forgetful(Announcer):
    """IPv6 is not announced."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """IPv4 alone."""
        if version == 4:
            super().announce(old, new, version)


class FirstOnly(Announcer):
    """The first address of each family is announced, the others are not."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """One of each family."""
        first = next(address for address in new.addresses if address.version == version)
        self.say(new.namespace, f"announces {first.ip} alone", self.frames(old, new, first))


class Presumptuous(Announcer):
    """Announces an address that did not move."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Its own, and one of the prefix that nobody has."""
        super().announce(old, new, version)
        if version == 4:
            foreign = rtnetlink.single(new.addresses[0].network.network_address + 240)
            self.say(new.namespace, f"announces {foreign.ip}, which it does not have", [sound(new, foreign)])


class Stifled(Announcer):
    """The port of the new place passes no group frames: every announcement is lost."""

    moves: tuple[MoveKind, ...] = ("migrate", "failover")

    def take_up(self, new: Allocation) -> None:
        """What the new MAC address sends to a group goes no further than the bridge's port."""
        group = ether_destination("01:00:00:00:00:00", "01:00:00:00:00:00")
        lost = Rule(drop(), (ether_source(new.mac), group), "announcements")
        planted(new.host, "bridge", Chain(f"lost-{new.port}", (lost,), "filter", "forward"))
        super().take_up(new)


class Imperious(Announcer):
    """Routers are told of an address with Override set."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Announce, and tell the routers."""
        super().announce(old, new, version)
        if version == 6:
            for address in new.addresses:
                if address.version == 6:
                    frame = sound(new, address, destination=ndp.ALL_ROUTERS)
                    self.say(new.namespace, "tells routers", [frame])


class Carried(Announcer):
    """The endpoint's namespace goes to the other host with its sockets, as a virtual machine does: its cable is put
    into the other bridge."""

    moves: tuple[MoveKind, ...] = ("migrate",)

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:
        """Where it lives."""
        del to, kind
        return endpoint.namespace

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """Take the cable's end from one bridge to the other, then announce. Raises AdapterError."""
        del kind
        old: Allocation = endpoint.handle
        new = replace(old, host=to)
        with refusals(endpoint.name):
            self.carry(old, new)
            link.await_link(new.namespace, INTERFACE)
            for version in (4, 6):
                self.announce(old, new, version)
        return replace(endpoint, host=to.name, handle=new)

    def carry(self, old: Allocation, new: Allocation) -> None:
        """Re-plug the host's end of the cable."""
        netlink.transact(old.host.namespace, [rtnetlink.move(old.port, new.host.namespace.descriptor, old.port)])
        netlink.transact(new.host.namespace, [rtnetlink.quiet(new.port), rtnetlink.up(new.port, master=BRIDGE)])
        self.await_connection(new)


class Suspicious(Carried):
    """The new host passes no packet of a connection that it has not seen begin."""

    def carry(self, old: Allocation, new: Allocation) -> None:
        """What is TCP and no SYN goes no further than the bridge: there is no new connection in this scenario."""
        lost = Rule(drop(), (transport("tcp"), ether_destination(new.mac)), "connections")
        planted(new.host, "bridge", Chain(f"lost-{new.port}", (lost,), "filter", "forward"))
        super().carry(old, new)


class Varied(Announcer):
    """Three announcements of each address, a second apart: a request first, then replies, the target all ones; an
    advertisement to all routers besides, with Override clear. Unusual and right."""

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """What a careful test lets pass."""
        del old
        for address in new.addresses:
            if address.version != version:
                continue
            if version == 4:
                self.say(new.namespace, f"announces {address.ip}", [sound(new, address, target_mac=BROADCAST)])
                self.later([1.0, 1.0], new.namespace, "replies", [sound(new, address, operation=arp.REPLY)])
            else:
                self.later([0.0, 1.1, 1.1], new.namespace, "advertises", [sound(new, address)])
                routers = sound(new, address, destination=ndp.ALL_ROUTERS, override=False)
                self.say(new.namespace, "tells routers", [routers])
