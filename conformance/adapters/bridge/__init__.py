"""The bridge of the Linux kernel as a switch: its ports, its forwarding database, and the kernel's own STP.

RSTP is not in the kernel; user-space daemons bring it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from struct import pack
from typing import Any, Final

from conformance.adapters.interface import AdapterError, Identity
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.flaws import Flawing, flawed
from conformance.adapters.interface.ports import BridgeConfig, Bridging, Linking, Port
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.interface.views import Counters, FdbEntry, ShowingCounters, ShowingStations
from conformance.adapters.linux.network import refusals
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import BRIDGE_SNOOPING, Host, Lab
from conformance.profile import Profile
from conformance.validation import Strict

HUNDREDTHS: Final = 100
"""The kernel counts the times of a bridge in 1/100 s (USER_HZ)."""
FORWARD_DELAY, HELLO_TIME, MAX_AGE, AGEING_TIME, PRIORITY = 1, 2, 3, 4, 6
"""IFLA_BR_FORWARD_DELAY and its neighbours (linux/if_link.h)."""
PERMANENT: Final = 0x80
"""NUD_PERMANENT: an entry of the bridge itself (linux/neighbour.h)."""


class Settings(Strict):
    """The table `[adapter]`: there is nothing to set."""


def adapter(profile: Profile, conduct: Flawing | None = None) -> BridgeAdapter:
    """The adapter of the kernel's bridge, with the flaw that `conduct` gives it (see conformance.selftest). Raises
    UsageError for wrong settings."""
    profile.settings(Settings)
    return BridgeAdapter(conduct)


class KernelBridges:
    """Bridges of the kernel on the hosts of a lab."""

    powers: tuple[type, ...] = (Linking, Bridging, Explaining, ShowingStations, ShowingCounters)
    shortest_ageing = 10.0
    """The lower end of the standard's range (IEEE 802.1Q-2018 Table 8-6); the kernel itself takes any."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def ports(self) -> Sequence[Port]:
        """The hosts' cables."""
        return cabled_ports(self.lab)

    def bridge(self, host: Host, configs: Sequence[BridgeConfig]) -> None:
        """Make the bridges. Raises AdapterError."""
        with refusals("bridge"):
            for number, config in enumerate(configs):
                self._make(host, config, list(self.lab.testbed.hosts).index(host.name), number)
            for config in configs:
                for port in config.ports:
                    link.await_link(host.namespace, port)

    def _make(self, host: Host, config: BridgeConfig, place: int, number: int) -> None:
        if config.spanning == "rstp":
            raise AdapterError("the kernel has no RSTP")
        times = {
            FORWARD_DELAY: config.forward_delay,
            HELLO_TIME: config.hello,
            MAX_AGE: config.max_age,
            AGEING_TIME: config.ageing,
        }
        data = {kind: pack("=I", round(seconds * HUNDREDTHS)) for kind, seconds in times.items()}
        data |= {BRIDGE_SNOOPING: b"\0", PRIORITY: pack("=H", config.priority)}
        mac = f"02:00:5e:00:{0x60 + place:02x}:{0xA0 + number:02x}"
        made = rtnetlink.link(config.name, "bridge", data=data, mac=mac, up=False)
        netlink.transact(host.namespace, [made, rtnetlink.quiet(config.name)])
        if config.spanning == "stp":
            index = link.index(host.namespace, config.name)
            host.netlink("link", "set", index=index, kind="bridge", br_stp_state=1)
        ports = [rtnetlink.up(port, master=config.name) for port in config.ports]
        netlink.transact(host.namespace, [*ports, rtnetlink.up(config.name)])

    def stations(self, host: Host, bridge: str) -> Sequence[FdbEntry]:
        """The kernel's forwarding database: what it has learned on ports of that bridge."""
        index = link.index(host.namespace, bridge)
        names = {one["index"]: one.get_attr("IFLA_IFNAME") for one in host.netlink("get_links", master=index)}
        learned = host.netlink("fdb", "dump")
        return [
            FdbEntry(one.get_attr("NDA_LLADDR"), names[one["ifindex"]])
            for one in learned
            if one["ifindex"] in names and not one["state"] & PERMANENT and one.get_attr("NDA_MASTER") == index
        ]

    def counters(self, host: Host, bridge: str) -> Sequence[Counters]:
        """The kernel's counters of the bridge's ports."""
        index = link.index(host.namespace, bridge)
        found = []
        for one in host.netlink("get_links", master=index):
            counted = one.get_attr("IFLA_STATS64")
            found.append(Counters(one.get_attr("IFLA_IFNAME"), counted["rx_packets"], counted["tx_packets"]))
        return found

    def explain(self, host: Host) -> Mapping[str, Any]:
        """What the kernel says of its bridges and their ports: roots and states."""
        found = {}
        for one in host.netlink("get_links"):
            info = one.get_attr("IFLA_LINKINFO")
            kind = info and (info.get_attr("IFLA_INFO_SLAVE_KIND") or info.get_attr("IFLA_INFO_KIND"))
            if kind != "bridge":
                continue
            data = info.get_attr("IFLA_INFO_SLAVE_DATA") or info.get_attr("IFLA_INFO_DATA")
            wanted = ("IFLA_BRPORT_STATE", "IFLA_BR_ROOT_PORT", "IFLA_BR_STP_STATE", "IFLA_BR_ROOT_PATH_COST")
            found[one.get_attr("IFLA_IFNAME")] = {
                name.removeprefix("IFLA_").lower(): value
                for name in wanted
                if (value := data.get_attr(name)) is not None
            }
        return {"bridges": found}


class BridgeAdapter:
    """The kernel's bridge, configured through netlink."""

    weight = 1
    needs_root = False

    def __init__(self, conduct: Flawing | None = None) -> None:
        self._conduct = conduct

    def identify(self) -> Identity:
        """The running kernel."""
        return Identity("Linux bridge", os.uname().release)

    def plan(self) -> tuple[str, ...]:
        """What is configured."""
        return ("per scenario: bridges with ports of the host, with and without STP, multicast snooping off",)

    @contextmanager
    def deploy(self, lab: Lab) -> Iterator[Any]:
        """Nothing runs; the scenarios ask for their bridges."""
        with flawed(KernelBridges(lab), self._conduct) as subject:
            yield subject
