"""Every planted fault, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from conformance.selftest import addressing, mtu, nat, neighbours, route, transit, underlay
from conformance.selftest.fault import Fault

_MODULES = (nat, route, transit, addressing, neighbours, mtu, underlay)

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {fault.name: fault for module in _MODULES for fault in module.FAULTS}
)
