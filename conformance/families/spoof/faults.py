"""Planted faults of the family spoof: a guard with a gap, each kind of gap once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from conformance.adapters.linux.guarded import Drops, forgeries, guarded_bridge
from conformance.adapters.linux.network import Allocation, Network
from conformance.lab import nftables as nft
from conformance.lab.lab import Lab
from conformance.protocols.crafted import ICMPV6
from conformance.recording.model import Record
from conformance.selftest.fault import PLANTED, Fault, Witness, rule_hit

NETWORK: Final = "guarded-bridge"


Planted = Callable[[Lab], Network]


def guarded(against: Callable[[Allocation], Drops]) -> Planted:
    """The guarded bridge, whose guards are against something else than they should."""
    return lambda lab: Network(lab, guarded_bridge(lab, against))


def but(*names: str) -> Callable[[Allocation], Drops]:
    """Guards that do not look for these."""
    return lambda allocation: [(name, match) for name, match in forgeries(allocation) if name not in names]


def without(*names: str) -> Planted:
    """A network whose guards do not look for these."""
    return guarded(but(*names))


def with_conditions(guard: str, *conditions: nft.Match, lone: bool = False) -> Planted:
    """A network one of whose guards looks at something else first; only the rules of one match if `lone`."""

    def against(allocation: Allocation) -> Drops:
        for name, match in forgeries(allocation):
            narrowed = name == guard and (not lone or len(match) == 1)
            yield name, ((*conditions, *match) if narrowed else match)

    return guarded(against)


mac_only_on_arp: Final = with_conditions("mac", nft.ether_type("arp"))
"""The MAC address is compared in ARP only (F-ACL-09a)."""
mac_not_of_ip: Final = with_conditions("mac", nft.ether_type("ip", negate=True), nft.ether_type("ip6", negate=True))
"""The MAC address is compared where there is no IP address to compare."""
multicast_advertisements_only: Final = with_conditions(
    "discovery", nft.ether_destination("33:33:00:00:00:00", "ff:ff:00:00:00:00"), lone=True
)
"""Router advertisements are dropped where they go to all nodes; to one station they pass (F-ACL-11b)."""


def learned_first(lab: Lab) -> Network:
    """The MAC address is compared where frames are forwarded, which is after the bridge has learned from them."""
    design = guarded_bridge(lab, but("mac"))

    def connect(allocation: Allocation) -> None:
        match = (nft.in_interface(allocation.port), nft.ether_source(allocation.mac, negate=True))
        chain = nft.Chain("forward", (nft.Rule(nft.drop(), match, "mac"),), hook="forward")
        nft.install(allocation.host.namespace, nft.Table("bridge", f"late-{allocation.port}", (chain,)))
        design.connect(allocation)

    return Network(lab, replace(design, connect=connect))


first_header_only: Final = with_conditions("discovery", nft.payload("network", 6, bytes((ICMPV6,))))
"""Neighbour discovery is looked for only where it follows the IPv6 header at once (RFC 7113 §2.1)."""


def unfinished(lab: Lab) -> Network:
    """A first fragment passes whether it has its whole header chain or not (RFC 7113 §2.2)."""
    return Network(lab, guarded_bridge(lab, last=()))


def _and_probes(allocation: Allocation) -> Drops:
    """ARP without a sender's address is taken for a forgery."""
    yield from forgeries(allocation)
    yield PLANTED, (nft.ether_type("arp"), nft.payload("network", 14, bytes(4)))


def _gap(name: str) -> Witness:
    def witness(record: Record) -> str | None:
        rules = [rule for shown in record.snapshots for rule in shown.rules if rule["kind"] == "rule"]
        kept = {str(rule.get("comment")) for rule in rules}
        return f"the guards look for {', '.join(sorted(kept))}" if rules and name not in kept else None

    return witness


def _narrowed(field: str) -> Witness:
    def witness(record: Record) -> str | None:
        for shown in record.snapshots:
            for rule in shown.rules:
                if any(part.get("field") == field for part in rule.get("expressions", ())) and rule.get("comment") in (
                    "mac",
                    "discovery",
                ):
                    return f"{shown.where}: the guard {rule['comment']} looks at {field} first"
        return None

    return witness


def _stolen(record: Record) -> str | None:
    """The neighbour's MAC address is known at the attacker's port."""
    macs = {one.name: one.kernel.mac for one in record.endpoints}
    for shown in record.snapshots:
        ports = {entry["mac"]: entry["interface"] for entry in shown.forwarding}
        if macs.get("attacker") in ports and ports.get(macs.get("neighbour")) == ports[macs["attacker"]]:
            return f"{shown.where}: the neighbour's MAC address is known at the attacker's port"
    return None


def _fault(name: str, title: str, fails: str, design: Planted, witness: Witness, *labels: str) -> Fault:
    return Fault(
        name=f"spoof-{name}",
        title=title,
        labels=labels,
        network=NETWORK,
        endpoints=8,
        fails=frozenset(f"spoof.{word}" for word in fails.split()),
        design=design,
        witness=witness,
    )


FAULTS = (
    _fault("mac", "any MAC address passes", "source-mac entry-stays", without("mac"), _gap("mac")),
    _fault(
        "learned-first",
        "a forged MAC address is dropped after the bridge has learned from it",
        "entry-stays",
        learned_first,
        _stolen,
    ),
    _fault(
        "mac-only-arp",
        "the MAC address is compared in ARP alone",
        "source-mac entry-stays",
        mac_only_on_arp,
        _narrowed("protocol"),
        "F-ACL-09a",
    ),
    _fault(
        "mac-not-ip",
        "the MAC address of packets is not compared",
        "source-mac entry-stays",
        mac_not_of_ip,
        _narrowed("protocol"),
    ),
    _fault("arp", "ARP in another's name passes", "arp", without("arp"), _gap("arp"), "X-25"),
    _fault("ipv6-source", "any IPv6 source passes", "source-address", without("ipv6"), _gap("ipv6")),
    _fault(
        "advertisements",
        "advertisements of others and of routers pass",
        "neighbour-discovery",
        without("discovery"),
        _gap("discovery"),
    ),
    _fault(
        "unicast-advertisement",
        "router advertisements to one station pass",
        "neighbour-discovery",
        multicast_advertisements_only,
        _narrowed("ether daddr"),
        "F-ACL-11b",
    ),
    _fault(
        "discovery-first-header",
        "router advertisements behind extension headers pass",
        "neighbour-discovery",
        first_header_only,
        _narrowed("network offset 6 length 1"),
    ),
    _fault(
        "cut-chain",
        "a first fragment without its whole header chain passes",
        "neighbour-discovery",
        unfinished,
        _gap("chain"),
    ),
    _fault(
        "tags",
        "what is behind two tags is not looked at",
        "source-address arp neighbour-discovery dhcp-server",
        without("tag"),
        _gap("tag"),
    ),
    _fault("dhcp", "DHCP servers behind endpoints are heard", "dhcp-server", without("dhcp"), _gap("dhcp")),
    _fault("no-probes", "address probes are taken for forgeries", "legitimate", guarded(_and_probes), rule_hit),
)
