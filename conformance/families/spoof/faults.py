"""Planted faults of the family spoof: a guard with a gap, each kind of gap once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.adapters.linux.guarded import EVERY, GuardedBridge
from conformance.adapters.linux.network import Allocation
from conformance.lab import nftables as nft
from conformance.recording.model import Record
from conformance.selftest.fault import PLANTED, Fault, Witness, rule_hit

NETWORK: Final = "guarded-bridge"


def without(*names: str) -> type[GuardedBridge]:
    """A guard that does not look for these."""
    return type(
        "Gap", (GuardedBridge,), {"guards": tuple(one for one in EVERY if one not in names), "__module__": __name__}
    )


class MacOnlyOnArp(GuardedBridge):
    """The MAC address is compared in ARP alone (F-ACL-09a)."""

    def against(self, allocation: Allocation) -> Iterator[tuple[str, tuple[nft.Match, ...]]]:
        """With a condition on the frame's type."""
        for name, match in super().against(allocation):
            yield name, ((nft.ether_type("arp"), *match) if name == "mac" else match)


class MacNotOfIp(GuardedBridge):
    """The MAC address is compared where there is no IP address to compare."""

    def against(self, allocation: Allocation) -> Iterator[tuple[str, tuple[nft.Match, ...]]]:
        """With a condition on the frame's type."""
        besides = nft.ether_type("ip", negate=True), nft.ether_type("ip6", negate=True)
        for name, match in super().against(allocation):
            yield name, ((*besides, *match) if name == "mac" else match)


class LearnedFirst(GuardedBridge):
    """The MAC address is compared where frames are forwarded, which is after the bridge has learned from them."""

    guards = tuple(one for one in EVERY if one != "mac")

    def connect(self, allocation: Allocation) -> None:
        """With a chain of its own for it."""
        match = (nft.in_interface(allocation.port), nft.ether_source(allocation.mac, negate=True))
        chain = nft.Chain("forward", (nft.Rule(nft.drop(), match, "mac"),), hook="forward")
        nft.install(allocation.host.namespace, nft.Table("bridge", f"late-{allocation.port}", (chain,)))
        super().connect(allocation)


class MulticastAdvertisementsOnly(GuardedBridge):
    """Router advertisements are dropped where they go to all nodes; to one station they pass (F-ACL-11b)."""

    def against(self, allocation: Allocation) -> Iterator[tuple[str, tuple[nft.Match, ...]]]:
        """With a condition on the frame's destination."""
        group = nft.ether_destination("33:33:00:00:00:00", "ff:ff:00:00:00:00")
        for name, match in super().against(allocation):
            yield name, ((group, *match) if name == "discovery" and len(match) == 1 else match)


class NoProbes(GuardedBridge):
    """ARP without a sender's address is taken for a forgery."""

    def against(self, allocation: Allocation) -> Iterator[tuple[str, tuple[nft.Match, ...]]]:
        """With one rule more."""
        yield from super().against(allocation)
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


def _fault(name: str, title: str, fails: str, design: type[GuardedBridge], witness: Witness, *labels: str) -> Fault:
    return Fault(
        name=f"spoof-{name}", title=title, labels=labels, network=NETWORK, endpoints=8,
        fails=frozenset(f"spoof.{word}" for word in fails.split()), design=design, witness=witness,
    )  # fmt: skip


FAULTS = (
    _fault("mac", "any MAC address passes", "source-mac entry-stays", without("mac"), _gap("mac")),
    _fault(
        "learned-first",
        "a forged MAC address is dropped after the bridge has learned from it",
        "entry-stays",
        LearnedFirst,
        _stolen,
    ),
    _fault(
        "mac-only-arp",
        "the MAC address is compared in ARP alone",
        "source-mac entry-stays",
        MacOnlyOnArp,
        _narrowed("protocol"),
        "F-ACL-09a",
    ),
    _fault(
        "mac-not-ip",
        "the MAC address of packets is not compared",
        "source-mac entry-stays",
        MacNotOfIp,
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
        MulticastAdvertisementsOnly,
        _narrowed("ether daddr"),
        "F-ACL-11b",
    ),
    _fault("dhcp", "DHCP servers behind endpoints are heard", "dhcp-server", without("dhcp"), _gap("dhcp")),
    _fault("no-probes", "address probes are taken for forgeries", "legitimate", NoProbes, rule_hit),
)
