"""State of a namespace at a moment, all structured, all asked of the kernel by netlink."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from conformance.lab import nftables
from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.snapshot import links, routing
from conformance.lab.snapshot.connections import connections
from conformance.lab.snapshot.listening import listeners
from conformance.lab.snapshot.settings import settings
from conformance.recording.model import InterfaceState, Snapshot

__all__ = ["connections", "interfaces", "listeners", "settings", "take"]


def interfaces(namespace: Namespace) -> tuple[InterfaceState, ...]:
    """The interfaces of `namespace` with their addresses, in the order of their indices."""
    return links.decode(*netlink.dump(namespace, [links.LINKS, links.ADDRESSES]))


def take(
    namespace: Namespace,
    where: str,
    moment: str,
    *,
    rules: bool = True,
    tracked: bool = True,
    further: Mapping[str, Any] | None = None,
) -> Snapshot:
    """The state of `namespace` now, recorded as that of `where` at `moment`.

    Without `rules` nftables rules and tracked connections are left out (for an endpoint, which has none of its own).
    Without `tracked` the connections alone are left out. `further` is what an adapter explained.
    """
    moment_ns = time.time_ns()
    requests = [links.LINKS, links.ADDRESSES, *routing.ROUTES, *routing.NEIGHBOURS, routing.FORWARDING]
    shown, addresses, routes4, routes6, arp, nd, fdb = netlink.dump(namespace, requests)
    names = links.names(shown)
    return Snapshot(
        time_ns=moment_ns,
        moment=moment,
        where=where,
        interfaces=links.decode(shown, addresses),
        routes=routing.routes([*routes4, *routes6], names),
        neighbours=routing.neighbours([*arp, *nd], names),
        forwarding=routing.forwarding(fdb, names),
        rules=tuple(nftables.dump(namespace)) if rules else (),
        conntrack=connections(namespace) if rules and tracked else (),
        sysctls=settings(namespace, names.values()),
        listeners=listeners(namespace),
        further=further or {},
    )
