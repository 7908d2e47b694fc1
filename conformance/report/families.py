"""What the families of requirements are about, in a few words."""

from __future__ import annotations

from typing import Final

TITLES: Final = {
    "route": "Routability",
    "nat": "No translation",
    "addr": "Addresses",
    "nd": "Neighbour discovery",
    "mtu": "Path MTU",
    "underlay": "Underlay",
    "move": "Moves",
    "lldp": "LLDP",
    "lacp": "Link aggregation",
    "stp": "Spanning tree",
    "bridge": "Bridging",
    "acl": "Filtering",
    "tenant": "Isolation of tenants",
    "spoof": "Spoofing",
    "vxlan": "VXLAN",
    "ipam": "Address management",
    "v6": "IPv6",
    "cni": "CNI contract",
    "cnm": "Docker driver contract",
    "bgp": "BGP",
    "growth": "Growth",
    "churn": "Churn",
    "leak": "Leaks",
}


def title_of(family: str) -> str:
    """The title of a family; its own name where it has none."""
    return TITLES.get(family, family)
