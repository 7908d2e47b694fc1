"""Every planted fault, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from conformance.families.acl import faults as acl
from conformance.families.addr import faults as addressing
from conformance.families.bridge import faults as switching
from conformance.families.bridge import faults_views as routers
from conformance.families.lacp import faults as lacp
from conformance.families.lldp import faults as lldp
from conformance.families.move import faults as moves
from conformance.families.move import faults_conflict as detectors
from conformance.families.move import faults_vrrp as virtual_routers
from conformance.families.mtu import faults as mtu
from conformance.families.nat import faults as nat
from conformance.families.nd import faults as neighbours
from conformance.families.pair import faults as pairs
from conformance.families.route import faults as route
from conformance.families.route import faults_transit as transit
from conformance.families.spoof import faults as spoofing
from conformance.families.stp import faults_edge as edges
from conformance.families.tenant import faults as tenants
from conformance.families.underlay import faults as underlay
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
