"""Movers that misbehave, each in one way: what the faults of the family move are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from conformance.adapters.interface import Endpoint, Interface
from conformance.adapters.interface.powers import Attempting, MoveKind, Moving
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.mover import Handover, Mover, Relocation, take_up
from conformance.adapters.linux.network import INTERFACE, Allocation, Design, Network, refusals
from conformance.families.move.faults_announcer import (
    FAILOVER,
    Announcement,
    Announcer,
    Frames,
    addresses,
    both,
    each,
    in_due_form,
    mover,
    rarp,
    sound,
    soundly,
)
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local
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


# --- what is announced ----------------------------------------------------------------------------------------
def reversed_instead(speaker: Announcer, move: Relocation, version: int) -> None:
    """RARP and nothing else: five frames, as a hypervisor sends them."""
    if version == 4:
        speaker.later(RARP_GAPS, move.new.namespace, "sends RARP", [rarp(move.new.mac)])


def tagged(speaker: Announcer, move: Relocation, version: int) -> None:
    """RARP behind a VLAN tag, where a filter for its EtherType does not see it."""
    if version == 4:
        speaker.say(move.new.namespace, "sends tagged RARP", [rarp(move.new.mac, tag=5)])


def empty(speaker: Announcer, move: Relocation, version: int) -> None:
    """A frame that carries nothing, so that switches learn."""
    if version == 4:
        ends = mac_bytes(BROADCAST, move.new.mac)
        speaker.say(move.new.namespace, "sends an empty frame", [(ends + CONFIGURATION_TEST).ljust(60, b"\0")])


def _with_old_mac(move: Relocation, address: Interface) -> list[bytes]:
    """Sent from the new MAC address, saying the old one, in ARP and in the option."""
    source = "source" if address.version == 4 else "ethernet_source"
    return [sound(move.new, address, mac=move.old.mac, **{source: move.new.mac})]


def later(gaps: tuple[float, ...], frames: Frames, words: str) -> Announcement:
    """Say what `frames` makes of each address so many seconds later."""

    def announcement(speaker: Announcer, move: Relocation, version: int) -> None:
        for address in addresses(move, version):
            speaker.later(gaps, move.new.namespace, f"{words} {address.ip}", frames(move, address))

    return announcement


old_mac: Final = both(each(_with_old_mac), later((1.1,), _with_old_mac, "announces"))
"""The MAC address of before; said again when the hand-over is certainly over."""
late: Final = later((LATE,), in_due_form, "announces late")


def _to_one(move: Relocation, address: Interface) -> list[bytes]:
    """ARP: a reply to one station, the router of the segment, that nobody asked for."""
    if address.version == 6:
        return in_due_form(move, address)
    return [sound(move.new, address, operation=arp.REPLY, destination="00:00:5e:00:53:e0")]


unicasting: Final = each(_to_one)


def altered(**changes: Any) -> Announcement:
    """IPv4 in due form, advertisements with something changed."""
    return each(lambda move, address: [sound(move.new, address, **(changes if address.version == 6 else {}))])


def storm(speaker: Announcer, move: Relocation, version: int) -> None:
    """Two hundred ARP announcements in a second."""
    if version == 4:
        for address in move.new.addresses[:1]:
            gaps = [1 / STORM] * STORM
            speaker.later(gaps, move.new.namespace, "announces again", in_due_form(move, address))


bursting: Final = each(lambda move, address: in_due_form(move, address) * (5 if address.version == 6 else 1))
"""The same frame five times, back to back, where it is an advertisement."""


def by_old_host(speaker: Announcer, move: Relocation, version: int) -> None:
    """The host that the endpoint has left announces the new MAC address, from its own."""
    host = move.old.host.namespace
    own = host.netlink("link", "get", ifname=BRIDGE)[0].get_attr("IFLA_ADDRESS")
    for address in addresses(move, version):
        key = "source" if version == 4 else "ethernet_source"
        frame = sound(move.new, address, **{key: own})
        speaker.later([0.0, 1.1], host, f"announces {address.ip}", [frame], move.old.host.uplink)


def ipv4_only(speaker: Announcer, move: Relocation, version: int) -> None:
    """IPv6 is not announced."""
    if version == 4:
        soundly(speaker, move, version)


def first_only(speaker: Announcer, move: Relocation, version: int) -> None:
    """The first address of each family is announced, the others are not."""
    first = addresses(move, version)[0]
    speaker.say(move.new.namespace, f"announces {first.ip} alone", in_due_form(move, first))


def foreign(speaker: Announcer, move: Relocation, version: int) -> None:
    """An address of the prefix that did not move, and that nobody has."""
    if version == 4:
        other = rtnetlink.single(move.new.addresses[0].network.network_address + 240)
        speaker.say(move.new.namespace, f"announces {other.ip}, which it does not have", [sound(move.new, other)])


def to_routers(speaker: Announcer, move: Relocation, version: int) -> None:
    """Routers are told of an address with Override set."""
    for address in addresses(move, version) if version == 6 else ():
        frame = sound(move.new, address, destination=ndp.ALL_ROUTERS)
        speaker.say(move.new.namespace, "tells routers", [frame])


def varied(speaker: Announcer, move: Relocation, version: int) -> None:
    """Three announcements of each address, a second apart: a request first, then replies, the target all ones; an
    advertisement to all routers besides, with Override clear. Unusual and right: what a careful test lets pass."""
    new = move.new
    for address in addresses(move, version):
        if version == 4:
            speaker.say(new.namespace, f"announces {address.ip}", [sound(new, address, target_mac=BROADCAST)])
            speaker.later([1.0, 1.0], new.namespace, "replies", [sound(new, address, operation=arp.REPLY)])
        else:
            speaker.later([0.0, 1.1, 1.1], new.namespace, "advertises", [sound(new, address)])
            routers = sound(new, address, destination=ndp.ALL_ROUTERS, override=False)
            speaker.say(new.namespace, "tells routers", [routers])


# --- how endpoints move ---------------------------------------------------------------------------------------
def stay(speaker: Announcer, move: Relocation) -> None:
    """The old place keeps its IPv4 address, and answers for it. The IPv6 addresses go, so that detection at the new
    place finds nothing."""
    old = move.old
    six = [one for one in (*old.addresses, link_local(old.mac)) if one.version == 6]
    netlink.transact(old.namespace, [rtnetlink.address(INTERFACE, one, remove=True) for one in six])
    speaker.said.append({"time_ns": 0, "where": old.namespace.name, "what": "stays where it was"})


def ask_nobody(host: Host, endpoint: Endpoint) -> Endpoint:
    """A station that no longer asks neighbours whether they are still there: what it says is an answer."""
    del host
    endpoint.namespace.sysctl(f"net.ipv4.neigh.{endpoint.interface}.delay_first_probe_time", 600)
    return endpoint


def lingering(lab: Lab) -> Mover:
    """The old place stays."""
    speaker = Announcer()
    return mover(lab, flat_bridge(lab), speaker, soundly, replace(FAILOVER, leave=lambda _, move: stay(speaker, move)))


def _stifled(design: Design, move: Relocation) -> None:
    """What the new MAC address sends to a group goes no further than the bridge's port."""
    group = ether_destination("01:00:00:00:00:00", "01:00:00:00:00:00")
    lost = Rule(drop(), (ether_source(move.new.mac), group), "announcements")
    planted(move.new.host, "bridge", Chain(f"lost-{move.new.port}", (lost,), "filter", "forward"))
    take_up(design, move)


STIFLED: Final[Handover] = replace(FAILOVER, moves=("migrate", "failover"), take_up=_stifled)
"""The port of the new place passes no group frames: every announcement is lost."""


class Suspicious(Network):
    """The endpoint's namespace goes to the other host with its sockets, as a virtual machine does: its cable is put
    into the other bridge. The new host passes no packet of a connection that it has not seen begin."""

    powers: tuple[type, ...] = (Moving, Attempting)
    moves: tuple[MoveKind, ...] = ("migrate",)
    styles = FAILOVER.styles

    def __init__(self, lab: Lab) -> None:
        self._speaker = Announcer()
        super().__init__(lab, replace(flat_bridge(lab), said=self._speaker.said))

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:
        """Where it lives."""
        del to, kind
        return endpoint.namespace

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """Take the cable's end from one bridge to the other, then announce. Raises AdapterError."""
        move = Relocation(endpoint.handle, replace(endpoint.handle, host=to), kind)
        with refusals(endpoint.name):
            self._carry(move.old, move.new)
            link.await_link(move.new.namespace, INTERFACE)
            for version in (4, 6):
                soundly(self._speaker, move, version)
        return replace(endpoint, host=to.name, handle=move.new)

    def _carry(self, old: Allocation, new: Allocation) -> None:
        """Re-plug the host's end of the cable. What is TCP and no SYN goes no further than the bridge: there is no new
        connection in this scenario."""
        lost = Rule(drop(), (transport("tcp"), ether_destination(new.mac)), "connections")
        planted(new.host, "bridge", Chain(f"lost-{new.port}", (lost,), "filter", "forward"))
        netlink.transact(old.host.namespace, [rtnetlink.move(old.port, new.host.namespace.descriptor, old.port)])
        netlink.transact(new.host.namespace, [rtnetlink.quiet(new.port), rtnetlink.up(new.port, master=BRIDGE)])
        self.design.await_connection(new)
