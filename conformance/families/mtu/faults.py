"""Planted faults of the family mtu: reports swallowed, false or too few, fragments lost, no room in a tunnel."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from conformance.adapters.interface import Endpoint
from conformance.adapters.linux.network import INTERFACE
from conformance.adapters.linux.vxlan import ROOM, TUNNEL
from conformance.families.mtu.scenario import UNDERLAY
from conformance.lab.kernel import link
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import (
    Action,
    Match,
    drop,
    fragment,
    icmp,
    in_interface,
    length,
    limit,
    payload,
    rewrite,
    source,
    transport,
)
from conformance.recording.model import Record
from conformance.selftest.alterations import interfaces, lease_of, telling
from conformance.selftest.chains import Planted, Rules, forwarding, mangling, together
from conformance.selftest.fault import Fault, rule_hit

NEEDED = icmp(4, 3, 4)
"""Fragmentation needed and DF set (RFC 792)."""
TOO_BIG = icmp(6, 2)
"""Packet Too Big (RFC 4443 §3.2)."""
ELSEWHERE = (IPv4Address("192.0.2.253"), IPv6Address("2001:db8:0:1::fd"))
"""Addresses that nobody has."""
DONT_FRAGMENT = payload("network", 6, b"\x40", mask=b"\x40")
UDP_WITHOUT_EXTENSION = payload("network", 6, b"\x11")


def _always(*rules: tuple[Action, tuple[Match, ...]]) -> Rules:
    """The same rules on every host."""
    return lambda *_: list(rules)


def _clear_dont_fragment(host: Host, _: Lab) -> Planted:
    """DF goes from whatever endpoints send that may be too big for somebody on the way."""
    large = (source(host.workload_ipv4), transport("udp"), length(">", 1280), DONT_FRAGMENT)
    return [(rewrite("network", 6, b"\0\0", checksum_at=10), large)]


def _largest_inbound(version: int) -> Rules:
    """Packets of exactly the underlay's MTU vanish on their way in, if they are in one piece."""
    whole = DONT_FRAGMENT if version == 4 else UDP_WITHOUT_EXTENSION

    def rules(host: Host, _: Lab) -> Planted:
        return [(drop(), (in_interface(host.uplink), transport("udp"), length("==", UNDERLAY), whole))]

    return rules


def _widen(host: Host, endpoint: Endpoint, *names: str) -> Endpoint:
    """The endpoint's MTU is the underlay's, and so is that of these interfaces of the host."""
    for name in (lease_of(endpoint).port, *names):
        link.change(host.namespace, name, mtu=host.mtu)
    link.change(endpoint.namespace, INTERFACE, mtu=host.mtu)
    return telling(endpoint, mtu=host.mtu)


def _no_room(host: Host, endpoint: Endpoint) -> Endpoint:
    """Tunnel, bridge (which follows its ports) and endpoints all have the underlay's own MTU."""
    return _widen(host, endpoint, TUNNEL)


def _as_wide_as_underlay(record: Record) -> str | None:
    widths = {record.testbed.segment_mtu(host.segment) for host in record.testbed.hosts.values()}
    found = [f"{name} has MTU {one.mtu}" for name, one in interfaces(record) if one.mtu in widths]
    return f"{', '.join(found)}, as the underlay" if found else None


def _report_underlay_mtu(_: Host, endpoint: Endpoint) -> Endpoint:
    assert endpoint.reported.mtu is not None
    return telling(endpoint, mtu=endpoint.reported.mtu + ROOM)


def _misreported(record: Record) -> str | None:
    reported = {one.name: one.reported_mtu for one in record.endpoints}
    for name, interface in interfaces(record):
        if reported[name] != interface.mtu:
            return f"{name} has MTU {interface.mtu}, {reported[name]} was reported"
    return None


SWALLOWED = "mtu.usable"
"""Follows wherever a report is swallowed: a packet that the interface takes vanishes."""

FAULTS = (
    Fault(
        name="too-big-v4-swallowed",
        title="ICMP fragmentation needed is filtered",
        labels=("X-26",),
        testbed="routed",
        fails=frozenset({"mtu.too-big-v4", SWALLOWED}),
        on_network=forwarding("ip", _always((drop(), (NEEDED,)))),
        witness=rule_hit,
    ),
    Fault(
        name="too-big-v6-swallowed",
        title="ICMPv6 Packet Too Big is filtered",
        labels=("X-26",),
        testbed="routed",
        fails=frozenset({"mtu.too-big-v6", "mtu.fragments", SWALLOWED}),
        on_network=forwarding("ip6", _always((drop(), (TOO_BIG,)))),
        witness=rule_hit,
    ),
    Fault(
        name="next-hop-mtu-zero",
        title="ICMP fragmentation needed says nothing of the next hop's MTU, as before RFC 1191",
        labels=("F-MTU-02b",),
        testbed="routed",
        fails=frozenset({"mtu.too-big-v4"}),
        on_network=forwarding("ip", _always((rewrite("transport", 6, b"\0\0", checksum_at=2), (NEEDED,)))),
        witness=rule_hit,
    ),
    Fault(
        name="told-too-little",
        title="Packet Too Big names the least MTU of IPv6 instead of the next hop's",
        testbed="routed",
        fails=frozenset({"mtu.too-big-v6"}),
        on_network=forwarding("ip6", _always((rewrite("transport", 6, b"\x05\x00", checksum_at=2), (TOO_BIG,)))),
        witness=rule_hit,
    ),
    Fault(
        name="fragmented-although-df",
        title="the DF bit is cleared, and the next router fragments",
        labels=("F-MTU-02c",),
        testbed="routed",
        fails=frozenset({"mtu.too-big-v4"}),
        on_network=forwarding("ip", _clear_dont_fragment),
        witness=rule_hit,
    ),
    Fault(
        name="reported-by-nobody",
        title="too-big messages come from an address that no hop has",
        labels=("F-MTU-02d",),
        testbed="routed",
        fails=frozenset({"mtu.too-big-v4", "mtu.too-big-v6"}),
        on_network=together(
            forwarding("ip", _always((rewrite("network", 12, ELSEWHERE[0].packed, checksum_at=10), (NEEDED,)))),
            forwarding("ip6", _always((rewrite("network", 8, ELSEWHERE[1].packed, pseudo_header=True), (TOO_BIG,)))),
        ),
        witness=rule_hit,
    ),
    Fault(
        name="one-report-a-second",
        title="a limit of one Packet Too Big a second for everybody together",
        labels=("F-MTU-03a",),
        testbed="routed",
        fails=frozenset({"mtu.too-big-v6"}),
        on_network=forwarding("ip6", _always((drop(), (TOO_BIG, limit(1, burst=15, over=True))))),
        witness=rule_hit,
    ),
    Fault(
        name="fragments-dropped",
        title="a filter drops every fragment",
        labels=("F-MTU-06c",),
        fails=frozenset({"mtu.fragments"}),
        on_network=mangling("inet", "prerouting", _always((drop(), (fragment(4),)), (drop(), (fragment(6),)))),
        witness=rule_hit,
    ),
    Fault(
        name="later-fragments-lost",
        title="fragments that have no ports do not find their way",
        labels=("F-MTU-06a",),
        fails=frozenset({"mtu.fragments"}),
        on_network=mangling(
            "inet", "prerouting", _always((drop(), (fragment(4, "later"),)), (drop(), (fragment(6, "later"),)))
        ),
        witness=rule_hit,
    ),
    Fault(
        name="largest-packet-lost",
        title="packets of exactly the interface's MTU vanish on their way in",
        fails=frozenset({"mtu.usable"}),
        on_network=together(forwarding("ip", _largest_inbound(4)), forwarding("ip6", _largest_inbound(6))),
        witness=rule_hit,
    ),
    Fault(
        name="no-room-for-encapsulation",
        title="endpoints and tunnel have the underlay's own MTU",
        labels=("F-MTU-01a",),
        network="vxlan",
        fails=frozenset({"mtu.encapsulation-room"}),
        on_endpoint=_no_room,
        witness=_as_wide_as_underlay,
    ),
    Fault(
        name="overlay-drops-too-big",
        title="endpoints have the underlay's MTU, and the tunnel drops in silence what does not fit",
        labels=("F-MTU-03b",),
        network="vxlan",
        fails=frozenset({"mtu.encapsulation-room", "mtu.usable", "mtu.fragments"}),
        on_endpoint=_widen,
        witness=_as_wide_as_underlay,
    ),
    Fault(
        name="other-mtu-reported",
        title="the underlay's MTU is reported as the endpoint's",
        network="vxlan",
        fails=frozenset({"mtu.encapsulation-room"}),
        on_endpoint=_report_underlay_mtu,
        witness=_misreported,
    ),
)
