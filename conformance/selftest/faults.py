"""Every planted fault, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from conformance.selftest import (
    acl,
    addressing,
    detectors,
    edges,
    lacp,
    lldp,
    moves,
    mtu,
    nat,
    neighbours,
    pairs,
    route,
    routers,
    spoofing,
    switching,
    tenants,
    transit,
    underlay,
    virtual_routers,
)
from conformance.selftest.fault import Fault


def _by_name(faults: Iterable[Fault]) -> dict[str, Fault]:
    found: dict[str, Fault] = {}
    for fault in faults:
        if fault.name in found:
            raise ValueError(f"two faults are named {fault.name}")
        found[fault.name] = fault
    return found


_MODULES = (
    acl, nat, route, routers, transit, addressing, neighbours, mtu, underlay, lldp, lacp, switching, moves, pairs,
    spoofing,
    tenants, virtual_routers, detectors, edges,
)  # fmt: skip

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(_by_name(one for module in _MODULES for one in module.FAULTS))
