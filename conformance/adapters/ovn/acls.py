"""What a policy is in OVN: port groups and ACLs of them, in the expressions of ovn-sb(5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from conformance.policy.document import Direction, Labels, Policy, Rule

EVERYBODY: Final = "everybody"
FIRST: Final = 2000
"""Priority of the first rule; each further one is one lower."""
DEFAULT: Final = 1
DIRECTIONS: Final[Mapping[Direction, tuple[str, str]]] = {
    "ingress": ("to-lport", "outport"), "egress": ("from-lport", "inport"),
}  # fmt: skip
"""How OVN calls the receiver's side and the sender's, and which port it governs there (ovn-nb(5), table ACL)."""
ACTIONS: Final = {"allow": "allow-related", "deny": "drop"}
ECHO: Final = "(icmp4.type == 8 || icmp6.type == 128)"

Acl = tuple[str, str, int, str, str]
"""Port group, direction, priority, match, action."""


def port_group(policy: Policy, group: str | None) -> str:
    """The name of the port group of a policy's group; names of port groups are identifiers."""
    return EVERYBODY if group is None else f"{policy.name}_{group}".replace("-", "_")


def members(policy: Policy, ports: Mapping[str, Labels]) -> dict[str, list[str]]:
    """The ports of every port group."""
    groups: list[str | None] = [None, *policy.groups]
    return {
        port_group(policy, group): [name for name, labels in ports.items() if policy.members(group, labels)]
        for group in groups
    }


def acls(policy: Policy) -> Iterator[Acl]:
    """Every rule in its order, then the defaults."""
    for direction, (context, port) in DIRECTIONS.items():
        rules = [rule for rule in policy.rules if rule.direction == direction]
        for number, rule in enumerate(rules):
            group = port_group(policy, rule.of)
            for match in _matches(policy, rule):
                yield group, context, FIRST - number, f"{port} == @{group} && {match}", ACTIONS[rule.action]
        default = ACTIONS[getattr(policy.default, direction)]
        yield EVERYBODY, context, DEFAULT, f"{port} == @{EVERYBODY} && ip", default


def commands(policy: Policy, ports: Mapping[str, Labels]) -> Iterator[Sequence[str]]:
    """What ovn-nbctl is told, in one transaction, to have this policy in force and no other."""
    yield ["--all", "destroy", "Port_Group"]
    for group, names in members(policy, ports).items():
        yield ["pg-add", group, *names]
    for group, context, priority, match, action in acls(policy):
        yield ["--type=port-group", "acl-add", group, context, str(priority), match, action]


def _matches(policy: Policy, rule: Rule) -> Iterator[str]:
    """One expression, or one for each IP version where the other end is known by addresses."""
    opened = _opened(rule)
    side = "src" if rule.direction == "ingress" else "dst"
    if rule.peer is not None:
        peer = port_group(policy, rule.peer)
        yield from (f"ip{version}.{side} == ${peer}_ip{version} && {opened}" for version in (4, 6))
    elif rule.cidr:
        for version in (4, 6):
            prefixes = [str(one) for one in rule.networks if one.version == version]
            if prefixes:
                yield f"ip{version}.{side} == {{{', '.join(prefixes)}}} && {opened}"
    else:
        yield opened


def _opened(rule: Rule) -> str:
    if rule.protocol is None:
        return "ip"
    if rule.protocol == "icmp":
        return ECHO
    field = f"{rule.protocol}.dst"
    ranges = [f"{field} == {low}" if low == high else f"({low} <= {field} <= {high})" for low, high in rule.ranges]
    return f"({' || '.join(ranges)})" if ranges else rule.protocol
