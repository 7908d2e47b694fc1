"""keepalived's configuration of one endpoint on one of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conformance.adapters.interface import Address, Interface
from conformance.validation import Strict

GROUP = "endpoint"
"""The instances of both families become master together."""


class Settings(Strict):
    """The table `[adapter]` of a keepalived profile.

    `interval` is the advertisement interval in seconds (RFC 5798 §6.1, Advertisement_Interval). `keepalived` names the
    program, by name or path.
    """

    interval: Literal[1, 2] = 1
    keepalived: str = "keepalived"


@dataclass(frozen=True, slots=True)
class Role:
    """A node's part in an endpoint: the virtual router's id (1 to 255), its priority, and where it tells its state."""

    router: int
    priority: int
    fifo: Path


def configuration(
    role: Role, interface: str, addresses: Sequence[Interface], gateways: Sequence[Address], settings: Settings
) -> str:
    """The text of keepalived.conf: one virtual router for each family, with the default routes that go with it."""
    versions = sorted({address.version for address in addresses})
    lines = [
        "global_defs {",
        "  vrrp_version 3",
        f"  vrrp_notify_fifo {role.fifo}",
        "}",
        f"vrrp_sync_group {GROUP} {{",
        "  group {",
        *(f"    ipv{version}" for version in versions),
        "  }",
        "}",
    ]
    for version in versions:
        owned = [f"    {address} dev {interface}" for address in addresses if address.version == version]
        routes = [
            f"    {'0.0.0.0/0' if version == 4 else '::/0'} via {gateway} dev {interface}"
            for gateway in gateways
            if gateway.version == version
        ]
        lines += [
            f"vrrp_instance ipv{version} {{",
            "  state BACKUP",
            "  nopreempt",
            f"  interface {interface}",
            f"  virtual_router_id {role.router}",
            f"  priority {role.priority}",
            f"  advert_int {settings.interval}",
            "  virtual_ipaddress {",
            *owned,
            "  }",
            *(["  virtual_routes {", *routes, "  }"] if routes else []),
            "}",
        ]
    return "\n".join(lines) + "\n"
