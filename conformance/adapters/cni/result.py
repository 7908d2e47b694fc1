"""Decoding of the results of ADD, CNI 0.3.0 to 1.1.0 (CNI SPEC §5 "ADD Success").

The versions differ little here: until 0.4.0 an entry of `ips` has a `version` that says what its address says already,
from 1.1.0 an interface may have an `mtu`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from conformance.adapters.interface import AdapterError, Reported


class _Part(BaseModel):
    """A part of a result: unknown keys are allowed, since plugins may add their own."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ResultInterface(_Part):
    """One entry of `interfaces`; `sandbox` is empty for an interface of the host, `mtu` is in bytes."""

    name: str
    mac: str = ""
    mtu: int | None = None
    sandbox: str = ""


class ResultAddress(_Part):
    """One entry of `ips`; `interface` is an index into `interfaces`."""

    address: IPv4Interface | IPv6Interface
    gateway: IPv4Address | IPv6Address | None = None
    interface: int | None = None

    @field_validator("address", mode="before")
    @classmethod
    def _with_length(cls, value: Any) -> Any:
        if isinstance(value, str) and "/" not in value:
            raise ValueError("an address of `ips` has a prefix length")
        return value

    @field_validator("gateway", mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        return value or None


class CniResult(_Part):
    """A success result, as far as the suite looks at it."""

    interfaces: tuple[ResultInterface, ...] = ()
    ips: tuple[ResultAddress, ...] = ()

    @field_validator("interfaces", "ips", mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        return () if value is None else value


def load(text: str, plugin: str) -> dict[str, Any]:
    """The JSON object that `plugin` printed on success. Raises AdapterError."""
    try:
        data = json.loads(text)
    except ValueError as problem:
        raise AdapterError(f"{plugin} ADD: its result is not JSON ({problem}): {text[:200]!r}") from None
    if not isinstance(data, dict):
        raise AdapterError(f"{plugin} ADD: its result is not a JSON object: {text[:200]!r}")
    return data


def decode(data: Mapping[str, Any]) -> CniResult:
    """The typed parts of a result. Raises AdapterError naming the first key that is not as specified."""
    if "ip4" in data or "ip6" in data:
        raise AdapterError("the result is of CNI 0.2.0 or older (it has ip4 or ip6), which is not spoken here")
    try:
        result = CniResult.model_validate(data)
    except ValidationError as problem:
        error = problem.errors()[0]
        place = ".".join(str(part) for part in error["loc"])
        raise AdapterError(f"the result's {place}: {error['msg']} (got {error['input']!r:.80})") from None
    for number, entry in enumerate(result.ips):
        if entry.interface is not None and not 0 <= entry.interface < len(result.interfaces):
            raise AdapterError(f"the result's ips.{number}.interface: {entry.interface} is no index into interfaces")
    return result


def reported(data: Mapping[str, Any], interface: str) -> Reported:
    """What the result says of the container's `interface` (CNI_IFNAME): its addresses, MAC, MTU, gateways.

    An address belongs to it when its index says so, or when it has none. Raises AdapterError.
    """
    result = decode(data)
    inside = [number for number, entry in enumerate(result.interfaces) if entry.sandbox]
    mine = next((number for number in inside if result.interfaces[number].name == interface), None)
    found = None if mine is None else result.interfaces[mine]
    ips = [entry for entry in result.ips if entry.interface in (None, mine)]
    return Reported(
        addresses=tuple(entry.address for entry in ips),
        mac=(found.mac.lower() or None) if found else None,
        mtu=(found.mtu or None) if found else None,
        gateways=tuple(entry.gateway for entry in ips if entry.gateway is not None),
    )
