"""nftables over nfnetlink: a small typed language for rules, and dumps of what is in force. No nft program is needed.

::

    outbound = Rule(masquerade(), (source(prefix), out_interface("br0", negate=True)))
    chain = Chain("postrouting", (outbound,), type="nat", hook="postrouting", priority=100)
    install(host.namespace, Table("ip", "example", (chain,)))
"""

from conformance.lab.nftables.action import (
    Action,
    accept,
    count,
    destination_nat,
    drop,
    jump,
    masquerade,
    redirect,
    reject,
    reset,
    rewrite,
    set_hop_limit,
    set_ttl,
    source_nat,
    synproxy,
    untrack,
)
from conformance.lab.nftables.decode import dump
from conformance.lab.nftables.match import (
    Match,
    destination,
    destination_port,
    ether_destination,
    ether_source,
    ether_type,
    fragment,
    icmp,
    in_interface,
    length,
    limit,
    out_interface,
    payload,
    reply,
    source,
    source_port,
    state,
    transport,
)
from conformance.lab.nftables.table import Chain, Rule, Table, install, remove
from conformance.lab.nftables.underlay import block_underlay_multicast

__all__ = [
    "Action", "Chain", "Match", "Rule", "Table", "accept", "block_underlay_multicast", "count", "destination",
    "destination_nat", "destination_port", "drop", "dump", "ether_destination", "ether_source", "ether_type",
    "fragment", "icmp", "in_interface", "install", "jump", "length", "limit", "masquerade", "out_interface", "payload",
    "redirect", "reject", "remove", "reply", "reset", "rewrite", "set_hop_limit", "set_ttl", "source", "source_nat",
    "source_port", "state", "synproxy", "transport", "untrack",
]  # fmt: skip
