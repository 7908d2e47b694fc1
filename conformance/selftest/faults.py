"""Every planted fault, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from conformance.selftest import nat
from conformance.selftest.fault import Fault

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for fault in nat.FAULTS})
