"""A planted fault: one way in which a reference network misbehaves, and the requirements that fail with it.

The network really misbehaves, on the hosts of a lab, and is recorded on taps like any implementation; no recording is
edited. `fails` is data: exactly these requirements may fail. `witness` proves from another part of the record than the
checks look at that the fault was there and had its effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.adapters.interface import Attachment, Endpoint
from conformance.adapters.linux.network import Network
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import Chain, Rule, Table, install
from conformance.lab.nftables.match import TableFamily
from conformance.pairs.pairing import pair_name
from conformance.recording.model import Record

PLANTED = "planted"
"""Comment of every rule that a fault installs: its counter is the witness."""

SAID = "said"
"""What a network wrote down of the frames that it made itself: a witness that no tap is asked for."""

Witness = Callable[[Record], str | None]


@dataclass(frozen=True)
class Fault:
    """One fault. `labels` are its labels in the draft catalogue; `network` is the reference that it is planted in.

    `fails` are the deciding requirements that fail with it, `notes` those whose outcome says so in a note.

    `partner` is the network that it is paired with: it is then planted on the first host alone.

    `features` are what its `design` claims in place of what the reference claims (empty: the same).

    `endpoints` is how many a packet filter is tried with, where that is not the reference's number.

    `design` makes the network that is planted in the reference's place. `on_network` is called once when the network is
    deployed, `on_prepare` with each endpoint's empty namespace, `on_request` before and `on_endpoint` after each attach
    (it returns the endpoint as the implementation then reports it), `on_detach` after a detach.

    `scenarios` are those in which alone it can show; nothing else is recorded of it (empty: everything).

    `conduct` is how a reference speaker of a link protocol misbehaves: it is handed to that reference's own adapter.
    """

    name: str
    title: str
    partner: str = ""
    fails: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()
    network: str = "routed-64"
    testbed: str = "same-subnet"
    labels: tuple[str, ...] = ()
    settings: tuple[tuple[str, object], ...] = ()
    scenarios: frozenset[str] = frozenset()
    features: tuple[str, ...] = ()
    endpoints: int | None = None
    design: Callable[[Lab], Network] | None = None
    on_network: Callable[[Lab], None] | None = None
    on_prepare: Callable[[Host, Namespace], None] | None = None
    on_request: Callable[[Host, Attachment], Attachment] | None = None
    on_endpoint: Callable[[Host, Endpoint], Endpoint] | None = None
    on_detach: Callable[[Host, Endpoint], None] | None = None
    conduct: Any = None
    witness: Witness | None = None

    @property
    def reference(self) -> str:
        """The sound network that it is planted in, or the pair of it and its partner."""
        return pair_name(self.network, self.partner) if self.partner else self.network

    def __post_init__(self) -> None:
        if not self.fails and not self.notes:
            raise ValueError(f"{self.name}: a fault that nothing tells of proves nothing")


def link_fault(
    name: str, title: str, network: str, conduct: Any, *fails: str, label: str = "", partner: str = ""
) -> Fault:
    """A fault of a speaker of link protocols on the testbed of links; what its conduct did is counted by a planted
    rule."""
    return Fault(
        name=name,
        title=title,
        fails=frozenset(fails),
        labels=(label,) if label else (),
        network=network,
        partner=partner,
        testbed="links",
        conduct=conduct,
        witness=rule_hit,
    )


def rule_hit(record: Record) -> str | None:
    """A planted rule matched packets, as its counter in the kernel says: on a host, or in an endpoint's namespace."""
    for snapshot in record.snapshots:
        for rule in (*snapshot.rules, *snapshot.further.get(PLANTED, ())):
            if str(rule.get("comment", "")).startswith(PLANTED) and rule.get("packets"):
                return f"{snapshot.where}: {rule['packets']} packets hit the planted rule {rule['comment']!r}"
    return None


def rule_there(record: Record) -> str | None:
    """A planted rule is in force, whether or not anything hit it."""
    for snapshot in record.snapshots:
        for rule in snapshot.rules:
            if str(rule.get("comment", "")).startswith(PLANTED):
                return f"{snapshot.where}: the planted rule {rule['comment']!r} is there"
    return None


def planted(place: Host | Endpoint, family: TableFamily, chain: Chain) -> None:
    """Install a chain with planted rules on a host or in an endpoint's namespace, beside the network's own tables."""
    marked = tuple(Rule(rule.action, rule.matches, f"{PLANTED} {rule.comment}".strip()) for rule in chain.rules)
    made = Chain(chain.name, marked, chain.type, chain.hook, chain.priority, chain.policy, chain.device)
    install(place.namespace, Table(family, f"fault-{family}-{chain.name}", (made,)))
