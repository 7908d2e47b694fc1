"""Planted faults of the family tenant: what joins two tenants, or parts one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from conformance.adapters.linux.macvlan_tenants import macvlan_tenants, segment_of
from conformance.adapters.linux.network import Network
from conformance.adapters.linux.tenants import TENANTS, bridge, tenant_bridges
from conformance.lab import nftables as nft
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.recording.events import events_in
from conformance.recording.events.attaching import AttachRefused
from conformance.recording.model import Record
from conformance.selftest.fault import PLANTED, Fault, rule_hit

NETWORK: Final = "tenant-bridges"
SEGMENTS: Final = "macvlan-tenants"
EVERYTHING: Final = frozenset(
    {"tenant.isolated-v4", "tenant.isolated-v6", "tenant.isolated-l2", "tenant.same-addresses"}
)


def separating(*versions: int) -> Callable[[Lab], Network]:
    """The host forwards between its tenants as between any two networks, but for these IP versions."""
    return lambda lab: Network(lab, tenant_bridges(lab, versions, bound=bool(versions)))


def any_source(lab: Lab) -> Network:
    """Tenants are told apart by their addresses, and an endpoint may send under any."""
    return Network(lab, tenant_bridges(lab, bound=False))


def started(further: Callable[[Host], None]) -> Callable[[Lab], Network]:
    """The tenants' bridges, and something further on every host."""

    def made(lab: Lab) -> Network:
        design = tenant_bridges(lab)

        def start() -> None:
            design.start()
            for host in lab.hosts.values():
                further(host)

        return Network(lab, replace(design, start=start))

    return made


def _patch(host: Host) -> None:
    """A cable joins the tenants' bridges."""
    ends = zip(("patch0", "patch1"), TENANTS, strict=True)
    netlink.transact(host.namespace, [rtnetlink.veth("patch0", "patch1", host.namespace.descriptor, mtu=host.mtu)])
    netlink.transact(
        host.namespace,
        [step for end, tenant in ends for step in (rtnetlink.quiet(end), rtnetlink.up(end, master=bridge(tenant)))],
    )


def _part(host: Host) -> None:
    """No bridge forwards anything between its own ports."""
    chain = nft.Chain("forward", (nft.Rule(nft.drop(), (), PLANTED),), hook="forward")
    nft.install(host.namespace, nft.Table("bridge", "parted", (chain,)))


def shared_parent(lab: Lab) -> Network:
    """All macvlan interfaces of a host have one parent, and nobody looks for duplicates."""
    design = macvlan_tenants(lab, lambda host, _: segment_of(host, TENANTS[0]))
    return Network(lab, replace(design, detects=False))


def crossed_segments(lab: Lab) -> Network:
    """On the second host each tenant has the other's segment."""

    def vni(host: Host, tenant: str) -> int:
        second = host.name != next(iter(lab.hosts))
        return segment_of(host, TENANTS[1 - TENANTS.index(tenant)] if second else tenant)

    return Network(lab, macvlan_tenants(lab, vni))


def one_book(lab: Lab) -> Network:
    """What one tenant has, no other may have."""
    design = macvlan_tenants(lab)
    return Network(
        lab, replace(design, allocations=lambda host, _, version: design.allocations(host, TENANTS[0], version))
    )


def _in_one_segment(record: Record) -> str | None:
    """The hosts tell each other of endpoints of both tenants at VXLAN interfaces of the same segment."""
    tenants = {one.kernel.mac: one.tenant for one in record.endpoints}
    found: dict[str, set[str]] = {}
    for shown in record.snapshots:
        for entry in shown.forwarding:
            if entry["mac"] in tenants and str(entry["interface"]).startswith("vx-"):
                found.setdefault(entry["interface"], set()).add(tenants[entry["mac"]])
    mixed = [name for name, both in found.items() if len(both) > 1]
    return f"{', '.join(mixed)} lead to endpoints of both tenants" if mixed else None


def _refused(record: Record) -> str | None:
    return next((f"{one.where}: {one.problem}" for one in events_in(record, AttachRefused)), None)


def _rules(record: Record) -> list[Any]:
    return [rule for shown in record.snapshots for rule in shown.rules if rule.get("comment") == "between tenants"]


def _no_sources(record: Record) -> str | None:
    tables = {rule.get("table") for shown in record.snapshots for rule in shown.rules}
    return "no rule looks at the source of what a bridge sends" if tables and "sources" not in tables else None


def _no_rule(version: int) -> Callable[[Record], str | None]:
    def witness(record: Record) -> str | None:
        field = "ip saddr" if version == 4 else "ip6 saddr"
        told = [rule for rule in _rules(record) if any(part.get("field") == field for part in rule["expressions"])]
        return f"no rule between tenants looks at {field}" if record.snapshots and not told else None

    return witness


def _patched(record: Record) -> str | None:
    masters = {one.name: one.master for shown in record.snapshots for one in shown.interfaces}
    joined = masters.get("patch0"), masters.get("patch1")
    return f"a cable joins {joined[0]} and {joined[1]}" if all(joined) else None


tenants_fault = partial(Fault, endpoints=8)
"""Of eight endpoints: two tenants on two hosts, with two of each."""

FAULTS = (
    tenants_fault(
        name="tenants-routed",
        title="the host forwards between tenants",
        network=NETWORK,
        fails=frozenset({"tenant.isolated-v4", "tenant.isolated-v6"}),
        design=separating(),
        witness=_no_rule(4),
    ),
    tenants_fault(
        name="tenants-routed-ipv6",
        title="the host forwards between tenants over IPv6",
        network=NETWORK,
        fails=frozenset({"tenant.isolated-v6"}),
        design=separating(4),
        witness=_no_rule(6),
    ),
    tenants_fault(
        name="tenants-any-source",
        title="tenants are told apart by addresses, and an endpoint may send under any",
        network=NETWORK,
        fails=frozenset({"tenant.every-packet"}),
        design=any_source,
        witness=_no_sources,
    ),
    tenants_fault(
        name="tenants-patched",
        title="the tenants' bridges are joined by a cable",
        network=NETWORK,
        fails=frozenset({"tenant.isolated-l2", "tenant.every-packet"}),
        design=started(_patch),
        witness=_patched,
    ),
    tenants_fault(
        name="tenants-parted",
        title="endpoints of one tenant are isolated from each other",
        network=NETWORK,
        fails=frozenset({"tenant.within"}),
        design=started(_part),
        witness=rule_hit,
    ),
    tenants_fault(
        name="tenants-share-parent",
        title="all macvlan interfaces of a host have one parent",
        network=SEGMENTS,
        fails=EVERYTHING,
        design=shared_parent,
        witness=_in_one_segment,
    ),
    tenants_fault(
        name="tenants-crossed",
        title="on one host each tenant is in the other's segment",
        network=SEGMENTS,
        fails=EVERYTHING,
        design=crossed_segments,
        witness=_in_one_segment,
    ),
    tenants_fault(
        name="tenants-one-book",
        title="an address that one tenant has is refused to the other",
        network=SEGMENTS,
        fails=frozenset({"tenant.same-addresses"}),
        design=one_book,
        witness=_refused,
    ),
)
