"""A policy between endpoints, in nobody's language: groups by label, ordered rules, defaults; one TOML file each.

A rule is enforced at the receiver (``ingress``) or at the sender (``egress``) of a flow that is being opened. The first
rule that fits decides, else the default of that direction; a flow passes where both directions allow it, and so do its
answers. Stations that are no endpoints are governed by nothing of their own. Neighbour discovery and the ICMP errors of
allowed flows are no flows and pass (RFC 4890 §4.3, §4.4).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from conformance.errors import UsageError
from conformance.places import POLICIES
from conformance.profile import NAME
from conformance.testbed import Testbed
from conformance.validation import Strict, checked, table

Action = Literal["allow", "deny"]
Direction = Literal["ingress", "egress"]
Transport = Literal["tcp", "udp", "icmp"]
Network = IPv4Network | IPv6Network
Labels = Mapping[str, str]

_PLACE: Final = re.compile(r"\{(?P<station>[a-z0-9]+)\.(?P<field>(workload_)?ipv[46])\}(?P<length>/\d{1,3})?")
_PORTS: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


class Defaults(Strict):
    """What happens where no rule fits."""

    ingress: Action = "deny"
    egress: Action = "allow"


class Rule(Strict):
    """One rule. `of` is the group that it governs (None: every endpoint); the other end is in the group `peer`, or in
    one of the prefixes `cidr`, or anybody. `protocol` icmp is echo, over both families; `ports` are "N" or "N-M".

    A prefix may name a station of the testbed, as in ``{client.ipv4}/29``: the prefix of that length around it.
    """

    name: Annotated[str, Field(pattern=NAME)]
    direction: Direction
    of: str | None = None
    peer: str | None = None
    cidr: tuple[str, ...] = ()
    protocol: Transport | None = None
    ports: tuple[str, ...] = ()
    action: Action

    @field_validator("cidr")
    @classmethod
    def _prefixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not _PLACE.fullmatch(text):
                ip_network(text)
        return value

    @field_validator("ports")
    @classmethod
    def _ranges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            found = _PORTS.fullmatch(text)
            low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
            if not 1 <= low <= high <= 65535:
                raise ValueError(f"{text!r} is no port and no range of ports; write 80 or 8000-8009")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        if self.peer is not None and self.cidr:
            raise ValueError("peer and cidr: name one of them")
        if self.ports and self.protocol not in ("tcp", "udp"):
            raise ValueError("ports: only with protocol tcp or udp")
        return self

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The ports as closed ranges; empty: all."""
        pairs = (text.partition("-") for text in self.ports)
        return tuple((int(low), int(high or low)) for low, _, high in pairs)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The prefixes. Raises ValueError while one names a station."""
        return tuple(ip_network(text) for text in self.cidr)


class Policy(Strict):
    """A policy. `groups` are sets of labels that a member has, all of them.

    `population` are the labels of the endpoints that the suite tries it with, again and again from the first.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(pattern=NAME)]
    title: Annotated[str, Field(min_length=5)]
    default: Defaults = Defaults()
    groups: Mapping[str, Labels] = {}
    rules: tuple[Rule, ...] = ()
    population: Annotated[tuple[Labels, ...], Field(min_length=1)] = ({},)

    @model_validator(mode="after")
    def _known_groups(self) -> Policy:
        for rule in self.rules:
            for group in (rule.of, rule.peer):
                if group is not None and group not in self.groups:
                    raise ValueError(
                        f"rules: {rule.name}: there is no group {group!r}; there are {sorted(self.groups)}"
                    )
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("rules: two have the same name")
        return self

    def members(self, group: str | None, labels: Labels) -> bool:
        """Whether an endpoint with `labels` is of the group; None is every endpoint's."""
        return group is None or all(labels.get(key) == value for key, value in self.groups[group].items())

    def placed(self, testbed: Testbed) -> Policy:
        """The policy with the stations of a testbed in place of their names. Raises UsageError for an unknown one."""
        rules = tuple(
            rule.model_copy(
                update={"cidr": tuple(_place(text, testbed, f"{self.name}: {rule.name}") for text in rule.cidr)}
            )
            for rule in self.rules
        )
        return self.model_copy(update={"rules": rules})


def _place(text: str, testbed: Testbed, where: str) -> str:
    found = _PLACE.fullmatch(text)
    if found is None:
        return text
    station = testbed.client if found["station"] == "client" else testbed.hosts.get(found["station"])
    value = getattr(station, found["field"], None)
    if value is None:
        raise UsageError(f"{where}: cidr: the testbed {testbed.name} has no {found['station']}.{found['field']}")
    base = str(value).partition("/")[0]
    length = found["length"] or ("" if "/" not in str(value) else f"/{str(value).partition('/')[2]}")
    return str(ip_network(f"{base}{length}", strict=False))


def load(name: str) -> Policy:
    """Read a policy that ships with the suite. Raises UsageError: one line naming the file, the key and the fix."""
    shipped = {path.stem: path for path in sorted(POLICIES.glob("*.toml"))}
    if name not in shipped:
        near = difflib.get_close_matches(name, shipped, 1)
        raise UsageError(
            f"{name}: no policy of that name; {f'did you mean {near[0]!r}?' if near else ', '.join(shipped)}"
        )
    return parse(shipped[name].read_text(), shipped[name].name)


def parse(text: str, source: str) -> Policy:
    """A policy from the text of a file. Raises UsageError as `load` does; `source` names the file in it."""
    return checked(Policy, table(text, source), source)
