"""A policy in OVN's own terms."""

from __future__ import annotations

import re
from itertools import pairwise

from conformance import testbed
from conformance.adapters.ovn.acls import EVERYBODY, acls, members
from conformance.policy.document import Policy, Rule, load

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def test_every_rule_is_in_force_in_its_order_before_the_defaults() -> None:
    policy = load("three-tier").placed(testbed.load("same-subnet"))
    made = list(acls(policy))
    groups = members(policy, {"web01": {"tier": "web"}, "q": {"tier": "web", "state": "quarantined"}})
    assert all(IDENTIFIER.fullmatch(group) for group in groups)
    assert {group for group, *_ in made} <= groups.keys()
    assert groups[EVERYBODY] == ["web01", "q"]
    assert groups["three_tier_quarantined"] == ["q"]
    for context in ("to-lport", "from-lport"):
        priorities = [priority for _, side, priority, _, _ in made if side == context]
        assert all(one >= other for one, other in pairwise(priorities))
    receiving, sending = (next(one for one in made if one[1] == context) for context in ("to-lport", "from-lport"))
    assert receiving[3].startswith("outport == @three_tier_app && ip4.src == $three_tier_quarantined_ip4 && ip")
    assert receiving[4] == "drop"
    assert sending[3].startswith("inport == @")


def test_ports_prefixes_and_protocols() -> None:
    rule = Rule(
        name="r",
        direction="egress",
        cidr=("192.0.2.0/29", "198.51.100.0/24", "2001:db8::/64"),
        protocol="udp",
        ports=("53", "8000-8009"),
        action="allow",
    )
    found = [
        match
        for _, context, _, match, _ in acls(Policy(name="p", title="a policy", rules=(rule,)))
        if context == "from-lport"
    ]
    opened = "(udp.dst == 53 || (8000 <= udp.dst <= 8009))"
    assert found == [
        f"inport == @everybody && ip4.dst == {{192.0.2.0/29, 198.51.100.0/24}} && {opened}",
        f"inport == @everybody && ip6.dst == {{2001:db8::/64}} && {opened}",
        "inport == @everybody && ip",
    ]
