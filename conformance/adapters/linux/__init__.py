"""Networks of nothing but the kernel: each design is an archetype that products are built on. No root is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import model_validator

from conformance.adapters.interface import Identity
from conformance.adapters.linux import (
    filtered,
    flat_bridge,
    guarded,
    isolated,
    macvlan,
    macvlan_tenants,
    mover,
    nat_bridge,
    routed,
    tenants,
    vxlan,
    vxlan_routed,
)
from conformance.adapters.linux.filtered import Enforcement, Filtered
from conformance.adapters.linux.mover import Mover
from conformance.adapters.linux.network import Design, Network, refusals
from conformance.lab.lab import Lab
from conformance.profile import Profile
from conformance.validation import Strict

DesignName = Literal[
    "nat-bridge",
    "flat-bridge",
    "macvlan",
    "routed-64",
    "vxlan",
    "vxlan-routed",
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

    network: DesignName
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


MOVERS: Final = ("mover", "overlay-mover")
MOVER_WEIGHT: Final = 6
"""Its labs send up to 48 streams of a thousand probes a second, and everybody knows everybody: 150 neighbour entries of
each family. Those of planted faults are a third of that, or less."""


@dataclass(frozen=True, slots=True)
class Archetype:
    """A design by its name: what it configures, one step a line, and how it is made."""

    steps: tuple[str, ...]
    made: Callable[[Lab, Settings], Network]


def _plain(steps: tuple[str, ...], design: Callable[[Lab], Design]) -> Archetype:
    return Archetype(steps, lambda lab, _: Network(lab, design(lab)))


def _filtered(enforcement: Enforcement) -> Archetype:
    return Archetype(filtered.STEPS, lambda lab, _: Filtered(lab, routed.routed(lab), enforcement))


def _mover(lab: Lab, settings: Settings) -> Network:
    return Mover(lab, flat_bridge.flat_bridge(lab), notify=settings.notify)


def _overlay_mover(lab: Lab, settings: Settings) -> Network:
    return Mover(lab, vxlan.vxlan(lab), mover.ACROSS_SUBNETS, notify=settings.notify)


def _macvlan(lab: Lab, settings: Settings) -> Network:
    return Network(lab, macvlan.macvlan(lab, shim=settings.host_shim))


ARCHETYPES: Final[dict[DesignName, Archetype]] = {
    "nat-bridge": _plain(nat_bridge.STEPS, nat_bridge.nat_bridge),
    "flat-bridge": _plain(flat_bridge.STEPS, flat_bridge.flat_bridge),
    "macvlan": Archetype(macvlan.STEPS, _macvlan),
    "routed-64": _plain(routed.STEPS, routed.routed),
    "vxlan": _plain(vxlan.STEPS, vxlan.vxlan),
    "vxlan-routed": _plain(vxlan_routed.STEPS, vxlan_routed.vxlan_routed),
    "mover": Archetype((*flat_bridge.STEPS, *mover.STEPS), _mover),
    "overlay-mover": Archetype((*vxlan.STEPS, *mover.STEPS), _overlay_mover),
    "tenant-bridges": _plain(tenants.STEPS, tenants.tenant_bridges),
    "guarded-bridge": _plain(guarded.STEPS, guarded.guarded_bridge),
    "isolated-ports": _plain(isolated.STEPS, isolated.isolated_ports),
    "macvlan-tenants": _plain(macvlan_tenants.STEPS, macvlan_tenants.macvlan_tenants),
}
FILTERS: Final[dict[PolicySupport, Archetype]] = {
    "none": ARCHETYPES["routed-64"],
    "complete": _filtered(Enforcement()),
    "ipv4-only": _filtered(filtered.IPV4_ONLY),
    "ingress-only": _filtered(filtered.INGRESS_ONLY),
}


def adapter(profile: Profile, planted: Callable[[Lab], Network] | None = None) -> LinuxAdapter:
    """The adapter of a kernel-only profile, with another network `planted` in its place if given. Raises UsageError for
    wrong settings."""
    return LinuxAdapter(profile.settings(Settings), planted)


class LinuxAdapter:
    """One design, configured through netlink."""

    needs_root = False

    def __init__(self, settings: Settings, planted: Callable[[Lab], Network] | None = None) -> None:
        moving = MOVER_WEIGHT if planted is None else MOVER_WEIGHT // 3
        self.weight = moving if settings.network in MOVERS else 1
        self._settings = settings
        self._planted = planted

    def identify(self) -> Identity:
        """The running kernel."""
        return Identity("Linux kernel", os.uname().release)

    def plan(self) -> tuple[str, ...]:
        """What the design configures."""
        shim = (f"{macvlan.SHIM} on each host: macvlan with an address of the pool and routes to the pool",)
        return (*(shim if self._settings.host_shim else ()), *self._archetype.steps)

    @property
    def _archetype(self) -> Archetype:
        if self._settings.policy != "none":
            return FILTERS[self._settings.policy]
        return ARCHETYPES[self._settings.network]

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Network]:
        """The hosts configured; what is configured goes with the lab. Raises AdapterError."""
        with refusals(self._settings.network):
            network = self._planted(lab) if self._planted else self._archetype.made(lab, self._settings)
            network.design.start()
        yield network
