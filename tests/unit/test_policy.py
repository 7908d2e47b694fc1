"""The policy as a document, and the model that says what it means."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import testbed
from conformance.errors import UsageError
from conformance.policy.document import Defaults, Policy, Rule, Transport, load, parse
from conformance.policy.truth import DEFAULT, FlowDecision, Opening, Peer, decision_on, table

PORTS = (53, 80, 5432)
PROTOCOLS: tuple[Transport, ...] = ("tcp", "udp", "icmp")
GROUPS = {"a": {"tier": "a"}, "b": {"tier": "b"}, "odd": {"odd": "yes"}, "a-odd": {"tier": "a", "odd": "yes"}}
LABELS: tuple[dict[str, str] | None, ...] = (
    None,
    {},
    {"tier": "a"},
    {"tier": "b", "odd": "yes"},
    {"tier": "a", "odd": "yes"},
)
PREFIXES = ("10.0.0.0/29", "10.0.0.4/30", "10.0.0.7/32", "2001:db8::/125", "2001:db8::6/127")


@st.composite
def rules(draw: st.DrawFn, name: str = "r") -> Rule:
    protocol = draw(st.sampled_from((None, *PROTOCOLS)))
    low = draw(st.integers(50, 90))
    ports = (f"{low}-{low + draw(st.integers(0, 30))}",) if protocol in ("tcp", "udp") and draw(st.booleans()) else ()
    peer = draw(st.sampled_from((None, *GROUPS)))
    cidr = tuple(draw(st.lists(st.sampled_from(PREFIXES), max_size=2))) if peer is None else ()
    return Rule(
        name=name,
        direction=draw(st.sampled_from(("ingress", "egress"))),
        of=draw(st.sampled_from((None, *GROUPS))),
        peer=peer,
        cidr=cidr,
        protocol=protocol,
        ports=ports,
        action=draw(st.sampled_from(("allow", "deny"))),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    made = [draw(rules(f"r{number}")) for number in range(draw(st.integers(0, 5)))]
    default = Defaults(
        ingress=draw(st.sampled_from(("allow", "deny"))), egress=draw(st.sampled_from(("allow", "deny")))
    )
    return Policy(name="drawn", title="a drawn one", default=default, groups=GROUPS, rules=tuple(made))


@st.composite
def peers(draw: st.DrawFn) -> list[Peer]:
    found = []
    for number in range(draw(st.integers(2, 6))):
        labels = draw(st.sampled_from(LABELS))
        addresses = (IPv4Address("10.0.0.2") + number, IPv6Address("2001:db8::2") + number)
        found.append(Peer(f"e{number}", labels, addresses))
    return found


def by_hand(policy: Policy, source: Peer, target: Peer, opening: Opening) -> bool:
    """Another way to the same answer: strike out rules until the first that fits is left, for each direction."""
    version, protocol, port = opening
    for direction, own, other in (("egress", source, target), ("ingress", target, source)):
        if own.labels is None:
            continue
        left = [rule for rule in policy.rules if rule.direction == direction]
        left = [rule for rule in left if rule.of is None or GROUPS[rule.of].items() <= own.labels.items()]
        left = [rule for rule in left if rule.protocol in (None, protocol)]
        left = [
            rule
            for rule in left
            if not rule.ports or port in range(*(n + e for n, e in zip(rule.ranges[0], (0, 1), strict=True)))
        ]
        left = [
            rule
            for rule in left
            if rule.peer is None or (other.labels is not None and GROUPS[rule.peer].items() <= other.labels.items())
        ]
        address = next(one for one in other.addresses if one.version == version)
        left = [rule for rule in left if not rule.cidr or any(address in ip_network(text) for text in rule.cidr)]
        action = left[0].action if left else getattr(policy.default, direction)
        if action == "deny":
            return False
    return True


@given(policies(), peers(), st.sampled_from((4, 6)), st.sampled_from(PROTOCOLS))
def test_the_table_is_what_another_reading_of_the_rules_says(
    policy: Policy, everybody: list[Peer], version: int, protocol: Transport
) -> None:
    ports = (0,) if protocol == "icmp" else PORTS
    found = table(policy, everybody, version, protocol, ports).allowed
    assert found.shape == (len(ports), len(everybody), len(everybody))
    for number, port in enumerate(ports):
        for row, source in enumerate(everybody):
            for column, target in enumerate(everybody):
                wanted = row != column and by_hand(policy, source, target, Opening(version, protocol, port))
                assert found[number, row, column] == wanted


@given(policies(), peers(), st.randoms(use_true_random=False))
def test_the_order_of_the_parties_means_nothing(policy: Policy, everybody: list[Peer], random: Any) -> None:
    order = list(range(len(everybody)))
    random.shuffle(order)
    straight = table(policy, everybody, 4, "tcp", PORTS)
    shuffled = table(policy, [everybody[place] for place in order], 4, "tcp", PORTS)
    for one, other in zip(straight, shuffled, strict=True):
        assert np.array_equal(one[:, order][:, :, order], other)


@given(policies(), peers(), rules("last"))
def test_a_rule_at_the_end_changes_only_what_the_default_decided(
    policy: Policy, everybody: list[Peer], last: Rule
) -> None:
    more = policy.model_copy(update={"rules": (*policy.rules, last)})
    for source in everybody:
        for target in everybody:
            before, after = (decision_on(one, source, target, Opening(4, "tcp", 80)) for one in (policy, more))
            for direction in FlowDecision._fields:
                if getattr(before, direction).rule != DEFAULT:
                    assert getattr(after, direction) == getattr(before, direction)


@given(policies(), peers())
@settings(max_examples=50)
def test_without_prefixes_both_families_are_the_same(policy: Policy, everybody: list[Peer]) -> None:
    plain = policy.model_copy(update={"rules": tuple(rule for rule in policy.rules if not rule.cidr)})
    assert np.array_equal(table(plain, everybody, 4, "udp", PORTS), table(plain, everybody, 6, "udp", PORTS))


@given(peers())
def test_who_is_governed_by_nothing_is_never_refused(everybody: list[Peer]) -> None:
    closed = Policy(name="closed", title="nothing passes", default=Defaults(ingress="deny", egress="deny"))
    found = table(closed, everybody, 4, "tcp", (80,)).allowed[0]
    free = [peer.labels is None for peer in everybody]
    assert np.array_equal(found, np.outer(free, free) & ~np.eye(len(everybody), dtype=bool))


@pytest.mark.parametrize("shape", testbed.available())
def test_shipped_policies_place_their_prefixes(shape: str) -> None:
    placed = load("three-tier").placed(testbed.load(shape))
    operators = next(rule for rule in placed.rules if rule.name == "db-for-operators")
    client = testbed.load(shape).client
    assert [client.ipv4 in operators.networks[0], client.ipv6 in operators.networks[1]] == [True, True]
    assert [network.prefixlen for network in operators.networks] == [29, 125]


WRONG = {
    'rules = [{name = "r", direction = "ingress", peer = "a", action = "allow"}]': "there is no group 'a'",
    'rules = [{name = "r", direction = "in", action = "allow"}]': "rules.0.direction",
    'rules = [{name = "r", direction = "ingress", ports = ["80"], action = "allow"}]': "only with protocol tcp or udp",
    'rules = [{name = "r", direction = "ingress", protocol = "tcp", ports = ["9-8"], action = "deny"}]': "'9-8' is no",
    'rules = [{name = "r", direction = "ingress", cidr = ["10.0.0.1/8"], action = "deny"}]': "has host bits set",
    'defaults = {ingress = "deny"}': "did you mean 'default'?",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_policy_is_one_clear_line(text: str) -> None:
    with pytest.raises(UsageError) as problem:
        parse(f'name = "p"\ntitle = "a policy"\n{text}', "p.toml")
    assert str(problem.value).startswith("p.toml: ")
    assert "\n" not in str(problem.value)
    assert WRONG[text] in str(problem.value)


def test_unknown_stations_and_policies_are_named() -> None:
    lost = load("three-tier").model_copy(
        update={"rules": (Rule(name="r", direction="ingress", cidr=("{h9.ipv4}/30",), action="deny"),)}
    )
    with pytest.raises(UsageError, match=r"three-tier: r: cidr: the testbed routed has no h9\.ipv4"):
        lost.placed(testbed.load("routed"))
    with pytest.raises(UsageError, match="did you mean 'three-tier'"):
        load("three-tyer")
