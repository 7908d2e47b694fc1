"""Policies on Docker's networks, in the chain that the engine leaves to its users: DOCKER-USER (Docker's manual,
"Packet filtering and firewalls"). What is accepted there the engine's own rules do not see.

The chain sees what the host forwards: between networks, to and from outside, and within a network where it is told that
its containers do not talk to each other (icc = false), since Docker then has bridged frames filtered too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Final, Literal

from conformance import limits
from conformance.adapters.docker.subject import DockerSubject
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Interface
from conformance.adapters.interface.powers import Filtering, Restarting
from conformance.policy.document import Direction, Labels, Policy, Rule
from conformance.protocols import ndp

if TYPE_CHECKING:
    from conformance.adapters.docker.engine import DockerEngine
    from conformance.lab.lab import Host, Lab

Version = Literal[4, 6]
PROGRAMS: Final[Mapping[Version, str]] = {4: "iptables", 6: "ip6tables"}
CHAIN: Final = "DOCKER-USER"
SIDES: Final[Mapping[Direction, str]] = {"egress": "POLICY-EGRESS", "ingress": "POLICY-INGRESS"}
ECHO: Final[Mapping[Version, str]] = {4: "-p icmp --icmp-type 8", 6: "-p icmpv6 --icmpv6-type 128"}
FIRST: Final = 16
"""The first address of a prefix that containers are given; those before it are the engine's own."""

Members = Mapping[str, tuple[Labels, Sequence[Interface]]]
"""Labels and addresses of every endpoint, by name."""


class FilteredSubject(DockerSubject):
    """A bridge network on every host. Containers have addresses that are chosen before they start, so that the rules
    for them are there first."""

    powers: tuple[type, ...] = (*DockerSubject.powers, Filtering, Restarting)

    def __init__(self, lab: Lab, engines: Mapping[str, DockerEngine], network: str) -> None:
        super().__init__(lab, engines, network)
        self._policy: Policy | None = None
        self._members: dict[str, tuple[Labels, Sequence[Interface]]] = {}
        self._given: dict[str, int] = dict.fromkeys(engines, FIRST)
        self._changes = threading.Lock()
        self._bridges = {name: _bridge(engine, network) for name, engine in engines.items()}

    def apply(self, policy: Policy) -> None:
        """Replace what is in force on every host. Raises AdapterError."""
        with self._changes:
            self._policy = policy
            self._enforce()

    def restart(self, host: Host) -> None:
        """dockerd alone: its containers go on where it is told to leave them (live-restore), and the chain is its
        users', who do nothing. Raises AdapterError."""
        with self._changes:
            self._engines[host.name].restart()

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Make the endpoint known to every host's rules, then start its container. Raises AdapterError."""
        with self._changes:
            addresses = request.addresses or self._next(host)
            self._members[request.name] = request.labels, addresses
            self._enforce()
        try:
            return super().attach(host, replace(request, addresses=addresses))
        except AdapterError:
            self._forget(request.name)
            raise

    def detach(self, endpoint: Endpoint) -> None:
        """Remove the container, then its rules. Raises AdapterError."""
        super().detach(endpoint)
        self._forget(endpoint.name)

    def _forget(self, name: str) -> None:
        with self._changes:
            self._members.pop(name, None)
            self._enforce()

    def _next(self, host: Host) -> tuple[Interface, ...]:
        number = self._given[host.name]
        self._given[host.name] += 1
        prefixes = (host.workload_ipv4, host.workload_ipv6)
        return tuple(ip_interface(f"{prefix[number]}/{prefix.prefixlen}") for prefix in prefixes)

    def _enforce(self) -> None:
        if self._policy is None:
            return
        for name, engine in self._engines.items():
            for version, program in PROGRAMS.items():
                text = "\n".join(rules_of(self._policy, self._members, self._bridges[name], version))
                self._restore(engine.host, program, text)

    @staticmethod
    def _restore(host: Host, program: str, text: str) -> None:
        """Replace the chains in one transaction; a family in which the engine has no such chain is left alone."""
        if program == "ip6tables" and host.run([program, "-n", "-L", CHAIN], timeout=limits.COMMAND).returncode:
            return
        done = host.run([f"{program}-restore", "--noflush", "--wait"], text=f"{text}\n", timeout=limits.COMMAND)
        if done.returncode != 0:
            raise AdapterError(f"{host.name}: {program}-restore: {done.stderr.strip()}")


def _bridge(engine: DockerEngine, network: str) -> str:
    """The name that Docker gives to a network's bridge: br- and the first twelve digits of its id."""
    with engine.asked("find the network's bridge") as client:
        return f"br-{client.inspect_network(network)['Id'][:12]}"


# --- how a policy is said in iptables -----------------------------------------------------------------------------
def rules_of(policy: Policy, members: Members, bridge: str, version: Version) -> Iterator[str]:
    """The input of iptables-restore for one host and family: DOCKER-USER and a chain for each direction.

    What the sender's side allows returns, for the receiver's side to decide; what that allows is accepted, since the
    engine's own rules would drop it; what neither allows is dropped.
    """
    yield "*filter"
    for chain in (CHAIN, *SIDES.values()):
        yield f":{chain} - [0:0]"
    yield f"-A {CHAIN} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    if version == 6:
        for kind in ndp.NEEDED:  # on a filtered bridge they pass the same chain
            yield f"-A {CHAIN} -p icmpv6 --icmpv6-type {kind} -j ACCEPT"
    yield f"-A {CHAIN} -i {bridge} -j {SIDES['egress']}"
    yield f"-A {CHAIN} -o {bridge} -j {SIDES['ingress']}"
    for direction, chain in SIDES.items():
        target = {"allow": "RETURN" if direction == "egress" else "ACCEPT", "deny": "DROP"}
        for rule in policy.rules:
            if rule.direction == direction:
                for ends in _ends(policy, rule, members, version):
                    yield from (f"-A {chain} {ends} {flow} -j {target[rule.action]}" for flow in _flows(rule, version))
        yield f"-A {chain} -j {target[getattr(policy.default, direction)]}"
    yield "COMMIT"


def _ends(policy: Policy, rule: Rule, members: Members, version: Version) -> Iterator[str]:
    """Who a rule is about, in one family: nothing where one of its ends has no member."""
    own, other = ("-d", "-s") if rule.direction == "ingress" else ("-s", "-d")
    governed = _addresses(policy, rule.of, members, version)
    if rule.of is not None and not governed:
        return
    here = f"{own} {governed} " if rule.of is not None else ""
    if rule.peer is not None:
        peers = _addresses(policy, rule.peer, members, version)
        if peers:
            yield f"{here}{other} {peers}"
    elif rule.cidr:
        yield from (f"{here}{other} {network}" for network in rule.networks if network.version == version)
    else:
        yield here


def _addresses(policy: Policy, group: str | None, members: Members, version: Version) -> str:
    return ",".join(
        str(address.ip)
        for labels, addresses in members.values()
        if policy.members(group, labels)
        for address in addresses
        if address.version == version
    )


def _flows(rule: Rule, version: Version) -> Iterator[str]:
    """Which flows a rule is about."""
    if rule.protocol == "icmp":
        yield ECHO[version]
    elif rule.protocol is None:
        yield ""
    else:
        yield from (f"-p {rule.protocol} --dport {low}:{high}" for low, high in rule.ranges)
        if not rule.ranges:
            yield f"-p {rule.protocol}"
