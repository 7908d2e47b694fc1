"""Planted faults of the family route: what happens to a packet on the way, and who answers for nobody."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network

from conformance.adapters.interface import Endpoint
from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.vxlan import TUNNEL
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import (
    Action,
    Chain,
    Match,
    Rule,
    destination,
    destination_nat,
    destination_port,
    drop,
    icmp,
    in_interface,
    payload,
    rewrite,
    set_hop_limit,
    set_ttl,
    source,
    state,
    synproxy,
    transport,
    untrack,
)
from conformance.recording.model import Record
from conformance.selftest.chains import Planted, Rules, forwarding, mangling, own_traffic, together, workload
from conformance.selftest.fault import Fault, planted, rule_hit

VERSIONS = (4, 6)
HOP_LIMITS = (64, 4, 3, 2, 1)
"""Of what the suite sends, from high to low: a packet meets the rule for its new value no more."""
HOP_LIMIT_AT = {4: 8, 6: 7}
"""Offset in bytes of TTL and hop limit (RFC 791 §3.1, RFC 8200 §3)."""
WEB_PORTS = (80, 443)
SYN = payload("transport", 13, b"\x02", mask=b"\x17")
"""Of the flags FIN, SYN, RST and ACK only SYN is set (RFC 9293 §3.1)."""


def _set_hop_limit(version: int, value: int) -> Action:
    return set_ttl(value) if version == 4 else set_hop_limit(value)


def _one_more(version: int) -> Rules:
    """What comes in gets the hop back that forwarding takes."""

    def rules(host: Host, _: Lab) -> Planted:
        ends = (source(workload(host, version)), destination(workload(host, version)))
        return [
            (_set_hop_limit(version, one + 1), (end, payload("network", HOP_LIMIT_AT[version], bytes((one,)))))
            for one in HOP_LIMITS
            for end in ends
        ]

    return rules


def _reset(version: int, *matches: Match) -> Rules:
    return lambda _host, _lab: [(_set_hop_limit(version, 64), matches)]


def _twice_at_tunnel(version: int) -> Rules:
    """What comes out of the tunnel loses one hop more: low values first, so that a packet meets one rule."""
    lower = (2, 3, 4, 62, 63)
    return lambda _host, _lab: [
        (
            _set_hop_limit(version, one - 1),
            (in_interface(TUNNEL), payload("network", HOP_LIMIT_AT[version], bytes((one,)))),
        )
        for one in lower
    ]


def _expiry(_: Host, __: Lab) -> Planted:
    return [(drop(), (icmp(4, 11),)), (drop(), (icmp(6, 3),))]


def _proxy_syn(*ports: Match) -> Callable[[Lab], None]:
    """Each host answers in its endpoints' name (on any port, or on `ports`), and opens the connection to them when the
    handshake is over."""

    def plant(lab: Lab) -> None:
        for host in lab.hosts.values():
            host.namespace.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
            arriving = (in_interface(host.uplink), transport("tcp"))
            openings: list[tuple[Match, ...]] = [(*arriving, port) for port in ports] or [arriving]
            mine = tuple(Rule(untrack(), (*opening, SYN), "opening") for opening in openings)
            rest = tuple(Rule(synproxy(), (*opening, state("invalid", "untracked")), "proxy") for opening in openings)
            planted(host, "inet", Chain("prerouting", mine, hook="prerouting", priority=-300))
            planted(host, "inet", Chain("forward", rest, hook="forward"))

    return plant


def _only_known(_: Host, __: Lab) -> Planted:
    known = ("tcp", "udp", "icmp", "icmpv6")
    return [(drop(), tuple(transport(one, negate=True) for one in known))]


def _changed(protocol: str, offset: int) -> Rules:
    """Four bytes at `offset` behind the IP header are zeroed."""
    return lambda _host, _lab: [(rewrite("transport", offset, bytes(4)), (transport(protocol),))]


def _answer_for_all(lab: Lab) -> None:
    """Every host answers ARP requests for any address of the segment."""
    for host in lab.hosts.values():
        host.namespace.sysctl("net.ipv4.ip_forward", 1)
        host.namespace.sysctl(f"net.ipv4.conf.{BRIDGE}.send_redirects", 0)
        host.namespace.sysctl("net.ipv4.conf.all.send_redirects", 0)
        host.namespace.sysctl(f"net.ipv4.conf.{BRIDGE}.proxy_arp_pvlan", 1)
        host.namespace.sysctl(f"net.ipv4.conf.{BRIDGE}.proxy_arp", 1)


def _proxy_setting(record: Record) -> str | None:
    for snapshot in record.snapshots:
        for key, value in snapshot.sysctls.items():
            if key == f"net.ipv4.conf.{BRIDGE}.proxy_arp" and value == "1":
                return f"{snapshot.where}: {key} = 1"
    return None


def _keep_address(host: Host, endpoint: Endpoint) -> None:
    """The host has the addresses of an endpoint that is gone."""
    own = [rtnetlink.single(address.ip) for address in endpoint.reported.addresses]
    netlink.transact(host.namespace, [rtnetlink.address(host.uplink, one, dad=False) for one in own])


def _kept(record: Record) -> str | None:
    """A host's snapshot shows an address that is neither its own nor the underlay's."""
    for name, host in record.testbed.hosts.items():
        for snapshot in (one for one in record.snapshots if one.where == name):
            for address in (a.address for interface in snapshot.interfaces for a in interface.addresses):
                if _is_in(address, str(host.workload_ipv4)) or _is_in(address, str(host.workload_ipv6)):
                    return f"{name} has {address}"
    return None


def _is_in(address: str, prefix: str) -> bool:
    network = ip_network(prefix)
    found: IPv4Address | IPv6Address = (IPv6Address if ":" in address else IPv4Address)(address)
    return found in network


def _hand_over(host: Host, endpoint: Endpoint) -> None:
    """What is sent to an endpoint that is gone is delivered to the first other one of the host."""
    gone = [address.ip for address in endpoint.reported.addresses]
    made: list[Rule] = []
    for one in gone:
        prefix = host.workload_ipv4 if one.version == 4 else host.workload_ipv6
        heir = prefix[2] if one == prefix[1] else prefix[1]
        to: Match = destination(rtnetlink.single(one).network)
        made.append(Rule(destination_nat(heir), (to,), f"heir of {endpoint.name}"))
    planted(host, "inet", Chain("prerouting", tuple(made), "nat", "prerouting", -100))


FAULTS = (
    Fault(
        name="no-decrement",
        title="packets are forwarded without lowering TTL or hop limit",
        labels=("F-ROUTE-06a",),
        fails=frozenset({"route.hop-limit"}),
        on_network=together(mangling("ip", "prerouting", _one_more(4)), mangling("ip6", "prerouting", _one_more(6))),
        witness=rule_hit,
    ),
    Fault(
        name="hop-limit-reset",
        title="TTL and hop limit of what is forwarded are set to 64, as a proxy does",
        labels=("F-ROUTE-06b",),
        fails=frozenset({"route.hop-limit"}),
        on_network=together(mangling("ip", "forward", _reset(4)), mangling("ip6", "forward", _reset(6))),
        witness=rule_hit,
    ),
    Fault(
        name="hop-limit-of-tcp-reset",
        title="TTL and hop limit of TCP only are set to 64",
        fails=frozenset({"route.hop-limit"}),
        on_network=together(
            mangling("ip", "forward", _reset(4, transport("tcp"))),
            mangling("ip6", "forward", _reset(6, transport("tcp"))),
        ),
        witness=rule_hit,
    ),
    Fault(
        name="tunnel-hop-counted-twice",
        title="what comes out of the tunnel between two hosts loses one hop more than there is",
        network="vxlan-routed",
        testbed="routed",
        fails=frozenset({"route.hop-limit"}),
        on_network=together(
            mangling("ip", "prerouting", _twice_at_tunnel(4)), mangling("ip6", "prerouting", _twice_at_tunnel(6))
        ),
        witness=rule_hit,
    ),
    Fault(
        name="silent-expiry",
        title="a host says nothing when the hop limit of a packet ends there",
        fails=frozenset({"route.hop-limit"}),
        on_network=own_traffic("inet", _expiry),
        witness=rule_hit,
    ),
    Fault(
        name="syn-proxy",
        title="each host answers TCP openings in the name of its endpoints",
        labels=("F-ROUTE-07b",),
        fails=frozenset({"route.end-to-end-transport", "nat.idle-flow"}),
        on_network=_proxy_syn(),
        witness=rule_hit,
    ),
    Fault(
        name="web-proxied",
        title="each host answers TCP openings to ports 80 and 443 in the name of its endpoints",
        fails=frozenset({"route.end-to-end-transport"}),
        on_network=_proxy_syn(*map(destination_port, WEB_PORTS)),
        witness=rule_hit,
    ),
    Fault(
        name="known-protocols-only",
        title="only TCP, UDP and ICMP are forwarded",
        labels=("F-ROUTE-08a",),
        fails=frozenset({"route.any-protocol"}),
        on_network=forwarding("inet", _only_known),
        witness=rule_hit,
    ),
    Fault(
        name="sctp-checksum-broken",
        title="the checksum of SCTP is wrong behind a host",
        labels=("F-ROUTE-08b",),
        fails=frozenset({"route.any-protocol"}),
        on_network=forwarding("inet", _changed("sctp", 8)),
        witness=rule_hit,
    ),
    Fault(
        name="gre-payload-changed",
        title="bytes inside GRE are changed behind a host",
        labels=("F-ROUTE-08b",),
        fails=frozenset({"route.any-protocol"}),
        on_network=forwarding("inet", _changed("gre", 36)),
        witness=rule_hit,
    ),
    Fault(
        name="proxy-arp",
        title="the hosts answer ARP for every address of the segment, given or not",
        labels=("F-ROUTE-09a",),
        network="flat-bridge",
        fails=frozenset({"route.absent-address"}),
        on_network=_answer_for_all,
        witness=_proxy_setting,
    ),
    Fault(
        name="address-kept-by-host",
        title="the address of an endpoint that is gone stays on the host",
        labels=("F-ROUTE-09b",),
        fails=frozenset({"route.absent-address"}),
        on_detach=_keep_address,
        witness=_kept,
    ),
    Fault(
        name="address-handed-over",
        title="what is sent to an endpoint that is gone reaches another endpoint",
        labels=("F-ROUTE-09c",),
        fails=frozenset({"route.absent-address"}),
        on_detach=_hand_over,
        witness=rule_hit,
    ),
)
