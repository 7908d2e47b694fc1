"""The settings of a Docker profile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from conformance.profile import Profile
from conformance.validation import Strict

SEARCH: Final = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
"""Where programs are looked for: root's PATH may lack the folders that Debian puts dockerd and iptables into."""


def find_program(name: str) -> str | None:
    """The path of a program by name or path, None where it is not installed."""
    return shutil.which(name, path=SEARCH)


class Settings(Strict):
    """The table `[adapter]` of a Docker profile.

    `network` is ``default-bridge`` (docker0, with the host's workload prefix), ``bridge`` (user-defined, with the
    host's workload prefixes), ``macvlan`` (on the uplink, with the segment's subnet) or ``overlay`` (a Swarm of all
    hosts, with the testbed's overlay prefix). `ipv6` adds the IPv6 prefix, `internal` cuts off the outside, `tenants`
    makes a network for each of these names, with an equal part of the prefixes (macvlan: on a VXLAN interface of its
    own, with a part of the overlay prefix). `policy` puts policies into the
    chain DOCKER-USER, of iptables and, where the engine has a chain there too, of ip6tables. `mtu` is in bytes,
    `driver_options` are passed on as they are. `dockerd` names another engine, by name or path; `flags` are further
    arguments of it, `cgroup_parent` is the cgroup below which it puts containers. `busybox` must be statically linked.
    """

    network: Literal["default-bridge", "bridge", "macvlan", "overlay"]
    ipv6: bool = False
    internal: bool = False
    tenants: tuple[str, ...] = ()
    policy: bool = False
    mtu: Annotated[int | None, Field(ge=68, le=65535)] = None
    driver_options: Mapping[str, str] = {}
    dockerd: Annotated[str, Field(min_length=1)] = "dockerd"
    flags: tuple[str, ...] = ()
    cgroup_parent: str | None = None
    busybox: Annotated[str, Field(min_length=1)] = "busybox"

    @model_validator(mode="after")
    def _possible(self) -> Settings:
        if self.tenants and self.network not in ("bridge", "macvlan"):
            raise ValueError("tenants: only with network = 'bridge' or 'macvlan'")
        if self.policy and (self.network != "bridge" or self.tenants):
            raise ValueError("policy: only with network = 'bridge', without tenants")
        if self.network == "default-bridge" and (self.internal or self.driver_options):
            raise ValueError("internal and driver_options are of user-defined networks; the default bridge has `flags`")
        return self


def settings_of(profile: Profile) -> Settings:
    """The checked settings of a profile. Raises UsageError: one line naming profile, key and fix."""
    return profile.settings(Settings)
