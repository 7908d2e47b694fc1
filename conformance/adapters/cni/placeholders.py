"""Placeholders in a CNI profile: ``{workload_ipv4}`` and the like stand for what differs from host to host.

A text that is nothing but one placeholder takes the value's own JSON type (``"{mtu}"`` becomes a number). A placeholder
may have no value on a testbed (``{gateway_ipv4}`` where there is no router). Then

- ``"{gateway_ipv4}"`` leaves out the whole entry of the innermost list that it stands in, a route for instance;
- ``"{gateway_ipv4?}"`` leaves out no more than the key whose value it is part of.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, Final

from conformance.errors import UsageError

if TYPE_CHECKING:
    from conformance.lab.lab import Host, Lab

PATTERN: Final = re.compile(r"\{([a-z][a-z0-9_]*)(\??)\}")

_OF_HOST: Final = {
    "host": "the name of the lab's host, `h1`",
    "uplink": "the host's interface to its segment",
    "mtu": "the MTU of the segment in bytes, a number",
    "folder": "a folder of the host's own that is gone with the lab, for state of the plugin",
    "host_ipv4": "the host's own address",
    "host_ipv6": "the host's own address",
    "segment_ipv4": "the prefix of the host's segment",
    "segment_ipv6": "the prefix of the host's segment",
    "gateway_ipv4": "the router of the segment; no value where there is none",
    "gateway_ipv6": "the router of the segment; no value where there is none",
    "workload_ipv4": "the host's own prefix for endpoints, which others reach by an ordinary route",
    "workload_ipv6": "the host's own prefix for endpoints, which others reach by an ordinary route",
    "overlay_ipv4": "the prefix of endpoints that all hosts share",
    "overlay_ipv6": "the prefix of endpoints that all hosts share",
    "pool_ipv4": "addresses of the segment that this host may give to endpoints, as a prefix",
    "pool_ipv4_start": "the first of them",
    "pool_ipv4_end": "the last of them",
    "pool_ipv6": "addresses of the segment that this host may give to endpoints, as a prefix",
    "pool_ipv6_start": "the first of them",
    "pool_ipv6_end": "the last of them",
}
_OF_ENDPOINT: Final = {"endpoint": "the name of the endpoint, `h1a`; in `args` and `runtime_config` only"}
_OF_TENANT: Final = {
    "tenant": "the tenant's name, where there are `tenants`",
    "tenant_ipv4": "the tenant's part of the host's workload prefix",
    "tenant_ipv6": "the tenant's part of the host's workload prefix",
}
MEANING: Final = {**_OF_HOST, **_OF_ENDPOINT, **_OF_TENANT}
"""Every placeholder, with what it stands for."""
HOST: Final = frozenset(_OF_HOST)
"""Placeholders with a value per lab host."""
ENDPOINT: Final = frozenset(_OF_ENDPOINT)
"""Placeholders with a value per attachment, for `args` and `runtime_config` only."""
TENANT: Final = frozenset(_OF_TENANT)
"""Placeholders with a value per tenant, where there are tenants: its name, and its part of the workload prefixes."""


class _MissingError(Exception):
    """A placeholder has no value here; `optional` when it was written with a question mark."""

    def __init__(self, name: str, *, optional: bool) -> None:
        super().__init__(name)
        self.name = name
        self.optional = optional


def check(value: Any, place: str, known: frozenset[str]) -> None:
    """Look for placeholders that do not exist. Raises UsageError naming the key and the nearest placeholder."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            check(item, f"{place}.{key}", known)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            check(item, f"{place}.{number}", known)
    elif isinstance(value, str):
        for name, _ in PATTERN.findall(value):
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {{{near[0]}}}?" if near else f"there are: {', '.join(sorted(known))}"
                raise UsageError(f"{place}: there is no placeholder {{{name}}}; {hint}")


def host_values(lab: Lab, host: Host) -> dict[str, Any]:
    """The value of every placeholder of `HOST`: texts, a number for `mtu` (bytes), None for no value."""
    segment = lab.testbed.segments[host.station.segment]
    values: dict[str, Any] = {
        "host": host.name,
        "uplink": host.uplink,
        "mtu": host.mtu,
        "folder": str(host.folder.absolute()),
        "host_ipv4": str(host.ipv4.ip),
        "host_ipv6": str(host.ipv6.ip),
        "segment_ipv4": str(segment.ipv4),
        "segment_ipv6": str(segment.ipv6),
        "gateway_ipv4": host.gateway_ipv4 and str(host.gateway_ipv4),
        "gateway_ipv6": host.gateway_ipv6 and str(host.gateway_ipv6),
        "workload_ipv4": str(host.workload_ipv4),
        "workload_ipv6": str(host.workload_ipv6),
        "overlay_ipv4": str(lab.testbed.overlay.ipv4),
        "overlay_ipv6": str(lab.testbed.overlay.ipv6),
    }
    pools: dict[str, IPv4Network | IPv6Network] = {"pool_ipv4": host.pool_ipv4, "pool_ipv6": host.pool_ipv6}
    for name, pool in pools.items():
        values |= {name: str(pool), f"{name}_start": str(pool[1]), f"{name}_end": str(pool[-2])}
    return values


def tenant_values(host: Host, tenants: Sequence[str], tenant: str) -> dict[str, Any]:
    """The value of every placeholder of `TENANT`: the prefixes are cut into equal parts, one for each tenant."""
    bits, number = (len(tenants) - 1).bit_length(), tenants.index(tenant)
    four, six = (list(prefix.subnets(bits))[number] for prefix in (host.workload_ipv4, host.workload_ipv6))
    return {"tenant": tenant, "tenant_ipv4": str(four), "tenant_ipv6": str(six)}


def substitute(value: Any, values: Mapping[str, Any], place: str) -> Any:
    """`value` with its placeholders replaced. Raises UsageError where one without value is in no list."""
    try:
        return _replace(value, values)
    except _MissingError as problem:
        raise UsageError(
            f"{place}: {{{problem.name}}} has no value on this testbed; write {{{problem.name}?}} to leave the key out"
        ) from None


def _replace(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return _table(value, values)
    if isinstance(value, list | tuple):
        return _list(value, values)
    return _text(value, values) if isinstance(value, str) else value


def _table(table: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    made = {}
    for key, item in table.items():
        try:
            made[key] = _replace(item, values)
        except _MissingError as problem:
            if not problem.optional:
                raise
    return made


def _list(items: list[Any] | tuple[Any, ...], values: Mapping[str, Any]) -> list[Any]:
    made = []
    for item in items:
        try:
            made.append(_replace(item, values))
        except _MissingError:
            continue
    return made


def _text(text: str, values: Mapping[str, Any]) -> Any:
    whole = PATTERN.fullmatch(text)
    if whole is not None:
        return _value(whole, values)
    return PATTERN.sub(lambda match: str(_value(match, values)), text)


def _value(match: re.Match[str], values: Mapping[str, Any]) -> Any:
    value = values[match[1]]
    if value is None:
        raise _MissingError(match[1], optional=bool(match[2]))
    return value
