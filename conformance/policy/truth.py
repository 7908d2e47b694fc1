"""What a policy means: for any flow whether it may pass, and which rule of which side says so. No network, no state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING, NamedTuple

from conformance.policy.document import Direction, Labels, Network, Policy, Rule, Transport

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    import numpy as np
    from numpy.typing import NDArray

DEFAULT = "default"
"""The name of what decides where no rule fits."""


@dataclass(frozen=True)
class Peer:
    """One end of flows. `labels` are an endpoint's; None is a station that the policy does not govern."""

    name: str
    labels: Labels | None
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()

    def address(self, version: int) -> IPv4Address | IPv6Address | None:
        """Its first address of an IP version."""
        return next((one for one in self.addresses if one.version == version), None)


class Opening(NamedTuple):
    """How a flow is opened: IP version 4 or 6, protocol, and the destination's port (0 for icmp)."""

    version: int
    protocol: Transport
    port: int


class Decision(NamedTuple):
    """What one direction says of a flow, and by which rule. What does not govern says that it allows, by no rule."""

    allowed: bool
    rule: str


class FlowDecision(NamedTuple):
    """What becomes of a flow: it passes where both directions allow it."""

    egress: Decision
    ingress: Decision

    @property
    def allowed(self) -> bool:
        """Whether it passes."""
        return self.egress.allowed and self.ingress.allowed


def decision_on(policy: Policy, source: Peer, target: Peer, opening: Opening) -> FlowDecision:
    """What a policy (with its stations placed) says of a flow that `source` opens to `target`.

    The peers' first addresses of the version are compared with prefixes; a peer without one is in none.
    """
    return FlowDecision(
        _decide(policy, "egress", (source, target), opening), _decide(policy, "ingress", (target, source), opening)
    )


def _decide(policy: Policy, direction: Direction, ends: tuple[Peer, Peer], opening: Opening) -> Decision:
    """What the side of the first end says."""
    own, other = ends
    if own.labels is None:
        return Decision(allowed=True, rule="")
    for rule in policy.rules:
        governs = rule.direction == direction and policy.members(rule.of, own.labels)
        if governs and _fits(rule, opening) and _is_peer(policy, rule, other, opening.version):
            return Decision(rule.action == "allow", rule.name)
    return Decision(getattr(policy.default, direction) == "allow", DEFAULT)


def _fits(rule: Rule, opening: Opening) -> bool:
    if rule.protocol not in (None, opening.protocol):
        return False
    return not rule.ports or any(low <= opening.port <= high for low, high in rule.ranges)


def _is_peer(policy: Policy, rule: Rule, other: Peer, version: int) -> bool:
    if rule.peer is not None:
        return other.labels is not None and policy.members(rule.peer, other.labels)
    if rule.cidr:
        address = other.address(version)
        prefixes = _networks(rule.cidr)
        return address is not None and any(address in one for one in prefixes if one.version == version)
    return True


@lru_cache(maxsize=1024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


class DecisionTable(NamedTuple):
    """Every decision: arrays of bool, shape (ports, sources, targets), for each direction; the diagonal is False."""

    egress: NDArray[np.bool_]
    ingress: NDArray[np.bool_]

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """What passes."""
        return self.egress & self.ingress


def table(
    policy: Policy, peers: Sequence[Peer], version: int, protocol: Transport, ports: Sequence[int]
) -> DecisionTable:
    """The decisions of flows between all ordered pairs of `peers`, of one IP version and protocol, to each port.

    Parties that no rule can tell apart share one decision.
    """
    import numpy as np

    kinds = [_kind(policy, peer, version) for peer in peers]
    first = dict(reversed(list(zip(kinds, peers, strict=True))))
    known = {
        (port, one, other): decision_on(policy, first[one], first[other], Opening(version, protocol, port))
        for port in ports
        for one in first
        for other in first
    }
    decisions = [[[known[port, one, other] for other in kinds] for one in kinds] for port in ports]
    apart = ~np.eye(len(peers), dtype=np.bool_)

    def side(direction: Direction) -> NDArray[np.bool_]:
        allowed = [[[getattr(cell, direction).allowed for cell in row] for row in layer] for layer in decisions]
        return np.array(allowed, dtype=np.bool_).reshape(len(ports), len(peers), len(peers)) & apart

    return DecisionTable(side("egress"), side("ingress"))


def _kind(policy: Policy, peer: Peer, version: int) -> tuple[object, ...]:
    """What the rules can see of a peer: its labels, and which of their prefixes its address is in."""
    labels = None if peer.labels is None else tuple(sorted(peer.labels.items()))
    address = peer.address(version)
    prefixes = (prefix for rule in policy.rules for prefix in _networks(rule.cidr))
    return labels, *(address is not None and address in prefix for prefix in prefixes)
