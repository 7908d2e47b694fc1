"""Networks of nothing but the kernel: each design is an archetype that products are built on. No root is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from pydantic import model_validator

from conformance.adapters.interface import Identity
from conformance.adapters.linux.filtered import Filtered, FilteredInwards, FilteredV4Only
from conformance.adapters.linux.flat_bridge import FlatBridge
from conformance.adapters.linux.guarded import GuardedBridge
from conformance.adapters.linux.isolated import IsolatedPorts
from conformance.adapters.linux.macvlan import SHIM, Macvlan
from conformance.adapters.linux.macvlan_tenants import MacvlanTenants
from conformance.adapters.linux.mover import Mover, Moves, OverlayMover
from conformance.adapters.linux.nat_bridge import NatBridge
from conformance.adapters.linux.network import Network, refusals
from conformance.adapters.linux.routed import Routed
from conformance.adapters.linux.tenants import TenantBridges
from conformance.adapters.linux.vxlan import Vxlan
from conformance.lab.lab import Lab
from conformance.profile import Profile
from conformance.validation import Strict

Design = Literal[
    "nat-bridge",
    "flat-bridge",
    "macvlan",
    "routed-64",
    "vxlan",
    "mover",
    "overlay-mover",
    "tenant-bridges",
    "guarded-bridge",
    "isolated-ports",
    "macvlan-tenants",
]


PolicySupport = Literal["none", "complete", "ipv4-only", "ingress-only"]


class Settings(Strict):
    """The table `[adapter]`: which design, for macvlan whether the host gets an interface towards its endpoints, for
    routed-64 whether policies are enforced, and how well, for the mover whether the kernel announces what moved
    (arp_notify, ndisc_notify)."""

    network: Design
    host_shim: bool = False
    policy: PolicySupport = "none"
    notify: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Settings:
        if self.host_shim and self.network != "macvlan":
            raise ValueError("host_shim is for network = 'macvlan'; remove it")
        if self.policy != "none" and self.network != "routed-64":
            raise ValueError("policy is for network = 'routed-64'; remove it")
        if self.notify and self.network not in MOVERS:
            raise ValueError("notify is for network = 'mover' or 'overlay-mover'; remove it")
        return self


MOVERS: Final[dict[Design, type[Moves]]] = {"mover": Mover, "overlay-mover": OverlayMover}
MOVER_WEIGHT: Final = 6
"""Its labs send up to 48 streams of a thousand probes a second, and everybody knows everybody: 150 neighbour entries of
each family. Those of planted faults are a third of that, or less."""
DESIGNS: Final[dict[Design, type[Network]]] = {
    "nat-bridge": NatBridge,
    "flat-bridge": FlatBridge,
    "macvlan": Macvlan,
    "routed-64": Routed,
    "vxlan": Vxlan,
    **MOVERS,
    "tenant-bridges": TenantBridges,
    "guarded-bridge": GuardedBridge,
    "isolated-ports": IsolatedPorts,
    "macvlan-tenants": MacvlanTenants,
}


FILTERS: Final[dict[PolicySupport, type[Network]]] = {
    "none": Routed,
    "complete": Filtered,
    "ipv4-only": FilteredV4Only,
    "ingress-only": FilteredInwards,
}


def adapter(profile: Profile, design: type[Network] | None = None) -> LinuxAdapter:
    """The adapter of a kernel-only profile, of another `design` than it names if given. Raises UsageError for wrong
    settings."""
    return LinuxAdapter(profile.settings(Settings), design)


class LinuxAdapter:
    """One design, configured through netlink."""

    needs_root = False

    def __init__(self, settings: Settings, design: type[Network] | None = None) -> None:
        mover = MOVER_WEIGHT if design is None else MOVER_WEIGHT // 3
        self.weight = mover if settings.network in MOVERS else 1
        self._settings = settings
        self._design = design

    def identify(self) -> Identity:
        """The running kernel."""
        return Identity("Linux kernel", os.uname().release)

    def plan(self) -> tuple[str, ...]:
        """What the design configures."""
        shim = (f"{SHIM} on each host: macvlan with an address of the pool and routes to the pool",)
        return (*(shim if self._settings.host_shim else ()), *self._kind.steps)

    @property
    def _kind(self) -> type[Network]:
        if self._settings.policy != "none":
            return FILTERS[self._settings.policy]
        return DESIGNS[self._settings.network]

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Network]:
        """The hosts configured; what is configured goes with the lab. Raises AdapterError."""
        with refusals(self._settings.network):
            network = self._make(lab)
            network.start()
        yield network

    def _make(self, lab: Lab) -> Network:
        if self._settings.network == "macvlan" and self._design is None:
            return Macvlan(lab, shim=self._settings.host_shim)
        if self._settings.network in MOVERS and self._design is None:
            return MOVERS[self._settings.network](lab, notify=self._settings.notify)
        made: Callable[[Lab], Network] = self._design or self._kind
        return made(lab)
