"""Planted faults of the family route: packets that are changed, doubled or misquoted on the way."""

from __future__ import annotations

from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import Action, Match, destination, duplicate, icmp, payload, rewrite, transport
from conformance.protocols.marker import MAGIC, UDP_OFFSET
from conformance.selftest.chains import Planted, Rules, forwarding, mangling, own_traffic, together, workload
from conformance.selftest.fault import Fault, rule_hit

VERSIONS = (4, 6)
QUERY = (payload("transport", UDP_OFFSET, MAGIC), payload("transport", UDP_OFFSET + 16, b"\x01"))
"""A datagram that asks, as the suite's messages begin."""
UNUSED_AT = UDP_OFFSET + 18
"""Two octets of a question that nobody reads."""
MARKED = 46 << 2 | 2
"""EF with ECT(0), as one octet of the IPv4 header."""
PUSH = payload("transport", 13, b"\x18")
"""TCP flags ACK and PSH (RFC 9293 §3.1)."""


def _always(action: Action, *matches: Match) -> Rules:
    """The same rule on every host."""
    return lambda *_: [(action, matches)]


def _mark(traffic_class: int) -> Action:
    """Set DSCP and ECN of an IPv4 packet."""
    return rewrite("network", 1, bytes((traffic_class,)), checksum_at=10)


def _without_push() -> Rules:
    return _always(rewrite("transport", 13, b"\x10", checksum_at=16), transport("tcp"), PUSH)


def _to_each_endpoint_again(host: Host, _: Lab) -> Planted:
    """A copy of every datagram to an endpoint goes the same way."""
    return [
        (duplicate(address), (destination(rtnetlink.single(address).network), transport("udp")))
        for address in (workload(host, 4)[number] for number in range(1, 16))
    ]


FAULTS = (
    Fault(
        name="payload-changed",
        title="two octets of UDP datagrams are changed behind a host, and their checksum follows",
        fails=frozenset({"route.payload-untouched"}),
        on_network=forwarding(
            "inet", _always(rewrite("transport", UNUSED_AT, b"\0\1", checksum_at=6), transport("udp"), *QUERY)
        ),
        witness=rule_hit,
    ),
    Fault(
        name="dont-fragment-cleared-of-tcp",
        title="TCP segments lose DF behind a host",
        fails=frozenset({"route.header-untouched"}),
        on_network=mangling("ip", "forward", _always(rewrite("network", 6, b"\0\0", checksum_at=10), transport("tcp"))),
        witness=rule_hit,
    ),
    Fault(
        name="ecn-erased",
        title="packets that are capable of ECN are not any more behind a host",
        fails=frozenset({"route.ecn-kept"}),
        on_network=mangling(
            "ip",
            "forward",
            _always(_mark(MARKED & ~3), payload("network", 1, bytes((MARKED,)))),
        ),
        witness=rule_hit,
    ),
    Fault(
        name="dscp-erased",
        title="packets lose their DSCP behind a host",
        fails=frozenset({"route.dscp-kept"}),
        on_network=mangling(
            "ip",
            "forward",
            _always(_mark(MARKED & 3), payload("network", 1, bytes((MARKED,)))),
        ),
        witness=rule_hit,
    ),
    Fault(
        name="flow-label-changed",
        title="16 bits of the flow label are zero behind a host",
        fails=frozenset({"route.flow-label-kept"}),
        on_network=mangling("ip6", "forward", _always(rewrite("network", 2, b"\0\0"))),
        witness=rule_hit,
    ),
    Fault(
        name="datagrams-doubled",
        title="UDP datagrams reach an endpoint twice",
        fails=frozenset({"route.delivered-once"}),
        on_network=mangling("ip", "postrouting", _to_each_endpoint_again),
        witness=rule_hit,
    ),
    Fault(
        name="errors-misquoted",
        title="an expiry that a host reports quotes another length than the packet had",
        fails=frozenset({"route.error-quote"}),
        on_network=own_traffic("ip", _always(rewrite("transport", 10, b"\0\x20", checksum_at=2), icmp(4, 11))),
        witness=rule_hit,
    ),
    Fault(
        name="push-flag-cleared",
        title="TCP segments lose PSH behind a host",
        fails=frozenset({"route.end-to-end-transport"}),
        on_network=together(mangling("ip", "forward", _without_push()), mangling("ip6", "forward", _without_push())),
        witness=rule_hit,
    ),
)
