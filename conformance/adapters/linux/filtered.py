"""routed-64 with a policy: every host filters for its own endpoints, in nftables, whatever comes by whatever way.

Members of groups are addresses in sets, so a policy is as many rules as it has, however many endpoints there are. Who
attaches is in the sets of every host before its link is there: no packet finds it without its policy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Final

from conformance.adapters.interface.powers import Filtering, Restarting
from conformance.adapters.linux.network import Allocation, Design, Network, refusals
from conformance.adapters.linux.routed import STEPS as ROUTED
from conformance.adapters.linux.translation import COMPLETE, TABLE, Translation
from conformance.lab import nftables as nft
from conformance.lab.lab import Host, Lab
from conformance.policy.document import Policy

STEPS: Final = (
    *ROUTED,
    "nftables on each host, replaced in one transaction: egress and ingress of its endpoints, groups as sets",
    "per endpoint: nftables drops what comes in on its link from another address than its own (RFC 2827 §3)",
)
SOURCES: Final = "sources"
"""How the tables that compare source addresses are named; the port follows."""
FIRST_OF_ALL: Final = -460
"""Before packets are put together and tracked, so that every fragment is compared."""


def replaced(before: Policy | None, policy: Policy) -> Policy:
    """A policy replaces the one before."""
    del before
    return policy


def learned(lab: Lab, member: Allocation) -> None:
    """Nothing more is to be done of a new endpoint."""
    del lab, member


def bound(allocation: Allocation) -> tuple[nft.Rule, ...]:
    """Rules against what comes in on an endpoint's link from another address than its own. IPv6 link-local addresses
    and the unspecified one are the link's own business: they are forwarded nowhere (RFC 4291 §2.5.6, §2.5.2)."""
    rules = []
    for version in (4, 6):
        own = [one.network for one in allocation.addresses if one.version == version]
        of_the_link = [ip_network("fe80::/10"), ip_network("::/128")] if version == 6 else []
        matches = tuple(nft.source(one, negate=True) for one in (*own, *of_the_link))
        every = ip_network("0.0.0.0/0" if version == 4 else "::/0")
        rules.append(nft.Rule(nft.drop(), (nft.in_interface(allocation.port), nft.source(every), *matches), SOURCES))
    return tuple(rules)


def restarted(table: nft.Table) -> nft.Table:
    """A new agent puts the same table in force."""
    return table


@dataclass(frozen=True, kw_only=True)
class Enforcement:
    """How hosts enforce a policy, part by part."""

    translation: Translation = COMPLETE
    change: Callable[[Policy | None, Policy], Policy] = replaced
    """What is in force after a change, given what was and what shall be."""
    learned: Callable[[Lab, Allocation], None] = learned
    """What is done besides when an endpoint is made known to every host's policy."""
    bound: Callable[[Allocation], tuple[nft.Rule, ...]] = bound
    """The rules against what an endpoint sends under another's address."""
    forgets: bool = True
    """An endpoint that is gone leaves its groups."""
    restarted: Callable[[nft.Table], nft.Table] = restarted
    """What a new agent on a host puts in force, given what it should."""


IPV4_ONLY: Final = Enforcement(translation=replace(COMPLETE, versions=(4,)))
"""The usual mistake: the rules are in a table of family ip, and IPv6 is not filtered at all."""
INGRESS_ONLY: Final = Enforcement(translation=replace(COMPLETE, directions=("ingress",)))
"""The other usual mistake: only what comes in is filtered."""


class Filtered(Network):
    """A network whose hosts enforce a policy."""

    powers: tuple[type, ...] = (Filtering, Restarting)

    def __init__(self, lab: Lab, design: Design, enforcement: Enforcement) -> None:
        self.policy: Policy | None = None
        self.members: dict[str, Allocation] = {}
        self.enforcement = enforcement
        self._unfiltered = design
        self._changes = threading.Lock()
        super().__init__(lab, replace(design, connect=self._connect, disconnect=self._disconnect))

    # --- what a scenario asks ---------------------------------------------------------------------------------
    def apply(self, policy: Policy) -> None:
        """Replace what is in force on every host."""
        with self._changes, refusals(policy.name):
            self.policy = self.enforcement.change(self.policy, policy)
            self._enforce(self.policy)

    def restart(self, host: Host) -> None:
        """A new agent on the host: it knows nothing of what is in force, and replaces it in one transaction."""
        with self._changes, refusals(f"restart on {host.name}"):
            if self.policy is not None:
                nft.replace(host.namespace, self.enforcement.restarted(self._compiled(host, self.policy)))

    # --- how it is done ---------------------------------------------------------------------------------------
    def _enforce(self, policy: Policy) -> None:
        for host in self.lab.hosts.values():
            nft.replace(host.namespace, self._compiled(host, policy))

    def _compiled(self, host: Host, policy: Policy) -> nft.Table:
        return self.enforcement.translation.compiled(host, policy, self.members.values())

    def _connect(self, allocation: Allocation) -> None:
        """Make the endpoint known to every host's policy, then cable it."""
        with self._changes:
            self.members[allocation.name] = allocation
            if self.policy is not None:
                self._learn(self.policy, allocation)
            self.enforcement.learned(self.lab, allocation)
        chain = nft.Chain("prerouting", self.enforcement.bound(allocation), hook="prerouting", priority=FIRST_OF_ALL)
        nft.install(allocation.host.namespace, nft.Table("inet", f"{SOURCES}-{allocation.port}", (chain,)))
        self._unfiltered.connect(allocation)

    def _learn(self, policy: Policy, allocation: Allocation) -> None:
        """Add the addresses of a new endpoint to the sets of its groups."""
        table = nft.Table(self.enforcement.translation.family, TABLE)
        sets = list(self.enforcement.translation.sets_with(policy, allocation))
        for host in self.lab.hosts.values():
            nft.add_elements(host.namespace, table, *sets)

    def _disconnect(self, allocation: Allocation) -> None:
        """Take the endpoint away, then forget it."""
        self._unfiltered.disconnect(allocation)
        nft.remove(allocation.host.namespace, nft.Table("inet", f"{SOURCES}-{allocation.port}"))
        with self._changes:
            if self.enforcement.forgets:
                self.members.pop(allocation.name, None)
            if self.policy is not None:
                self._enforce(self.policy)
