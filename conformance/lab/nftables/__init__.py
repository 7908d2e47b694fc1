"""nftables over nfnetlink: a small typed language for rules, and dumps of what is in force. No nft program is needed.

::

    outbound = Rule(masquerade(), (source(prefix), out_interface("br0", negate=True)))
    chain = Chain("postrouting", (outbound,), type="nat", hook="postrouting", priority=100)
    install(host.namespace, Table("ip", "example", (chain,)))
"""

from conformance.lab.nftables.action import (
    Action,
    accept,
    back,
    count,
    destination_nat,
    drop,
    duplicate,
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
    destination_in,
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
    source_in,
    source_port,
    state,
    translated,
    transport,
    wrong_way,
)
from conformance.lab.nftables.table import AddressSet, Chain, Rule, Table, add_elements, install, remove, replace
from conformance.lab.nftables.underlay import block_underlay_multicast

__all__ = [
    "Action", "AddressSet", "Chain", "Match", "Rule", "Table", "accept", "add_elements", "back",
    "block_underlay_multicast", "count", "destination", "destination_in", "destination_nat", "destination_port",
    "drop", "dump", "duplicate", "ether_destination", "ether_source", "ether_type", "fragment", "icmp", "in_interface",
    "install",
    "jump", "length", "limit", "masquerade", "out_interface", "payload", "redirect", "reject", "remove", "replace",
    "reply", "reset", "rewrite", "set_hop_limit", "set_ttl", "source", "source_in", "source_nat", "source_port",
    "state", "synproxy", "translated", "transport", "untrack", "wrong_way",
]  # fmt: skip
