"""nftables over nfnetlink: a small typed language for rules, and dumps of what is in force. No nft program is needed.

::

    masquerade = Rule(Masquerade(), (Source(prefix), OutInterface("br0", negate=True)))
    chain = Chain("postrouting", (masquerade,), type="nat", hook="postrouting", priority=100)
    install(host.namespace, Table("ip", "example", (chain,)))
"""

from conformance.lab.nftables.action import (
    Accept,
    Action,
    Count,
    DestinationNat,
    Drop,
    Jump,
    Masquerade,
    Redirect,
    Reject,
    Rewrite,
    SourceNat,
    SynProxy,
    Untrack,
    set_hop_limit,
    set_ttl,
)
from conformance.lab.nftables.decode import dump
from conformance.lab.nftables.match import (
    Destination,
    DestinationPort,
    EtherDestination,
    EtherSource,
    EtherType,
    Fragment,
    Icmp,
    InInterface,
    Length,
    Match,
    OutInterface,
    Payload,
    Reply,
    Source,
    SourcePort,
    State,
    Transport,
)
from conformance.lab.nftables.table import Chain, Rule, Table, install, remove
from conformance.lab.nftables.underlay import block_underlay_multicast

__all__ = [
    "Accept", "Action", "Chain", "Count", "Destination", "DestinationNat", "DestinationPort", "Drop",
    "EtherDestination", "EtherSource", "EtherType", "Fragment", "Icmp", "InInterface", "Jump", "Length", "Masquerade",
    "Match", "OutInterface", "Payload", "Redirect", "Reject", "Reply", "Rewrite", "Rule", "Source", "SourceNat",
    "SourcePort", "State", "SynProxy", "Table", "Transport", "Untrack", "block_underlay_multicast", "dump", "install",
    "remove", "set_hop_limit", "set_ttl",
]  # fmt: skip
