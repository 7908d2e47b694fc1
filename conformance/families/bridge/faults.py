"""Planted faults of the family bridge: real bridges that misbehave by settings of the kernel, or with a box of ours
before their ports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from conformance.families.bridge.faults_interposer import Flaw
from conformance.protocols import ethertypes
from conformance.protocols.lacp import frames as lacp
from conformance.selftest.fault import Fault, link_fault

KERNEL: Final = "linux-bridge"
OPEN_VSWITCH: Final = "ovs-bridge"
RESIDENT: Final = "02:00:5e:00:53:0a"

Change = Callable[[bytes], list[bytes]]


def _twice(frame: bytes) -> list[bytes]:
    return [frame, frame] if ethertypes.ethertype_of(frame) == ethertypes.IPV4 and frame[0] & 1 else [frame]


def bridge_fault(name: str, title: str, flaw: Flaw, *fails: str, label: str = "", network: str = KERNEL) -> Fault:
    """A fault of a bridge, planted in the kernel's or in another one."""
    return link_fault(f"bridge-{name}", title, network, flaw, *fails, label=label)


def _port(setting: str, value: str) -> Flaw:
    return Flaw(of_port={setting: value}, bridge="plain")


def _bridge(setting: str, value: str) -> Flaw:
    return Flaw(of_bridge={setting: value}, bridge="plain")


FAULTS = (
    bridge_fault(
        "forwards-lldp",
        "frames to 01-80-C2-00-00-0E are forwarded",
        _bridge("group_fwd_mask", "0x4000"),
        "bridge.reserved-not-forwarded",
        "lldp.not-forwarded",
        label="F-LLDP-08a",
    ),
    bridge_fault(
        "forwards-lacp",
        "frames to 01-80-C2-00-00-02 are forwarded",
        Flaw(bridge="plain", leaks=lacp.GROUP),
        "lacp.not-forwarded",
        "bridge.reserved-not-forwarded",
        label="F-LACP-07a",
    ),
    bridge_fault(
        "hub",
        "nothing is learned",
        _port("learning", "0"),
        "bridge.learning",
        "bridge.move-learned",
        "move.bridge-relearns",
        "bridge.table-shown",
    ),
    bridge_fault(
        "hairpin", "frames go back to the port where they came from", _port("hairpin_mode", "1"), "bridge.no-reflection"
    ),
    bridge_fault(
        "no-flooding", "frames to unknown stations go nowhere", _port("unicast_flood", "0"), "bridge.flooding"
    ),
    bridge_fault("twice", "broadcasts leave twice", Flaw(bridge="plain", outward=_twice), "bridge.flooding"),
    bridge_fault(
        "forgetful",
        "stations are forgotten after two seconds",
        _bridge("ageing_time", "200"),
        "bridge.ageing",
        "bridge.table-shown",
    ),
    bridge_fault("never-forgets", "stations are never forgotten", _bridge("ageing_time", "30000"), "bridge.ageing"),
    bridge_fault(
        "sticky",
        "a station stays where it was first seen",
        Flaw(bridge="plain", pins=RESIDENT),
        "bridge.move-learned",
        "move.bridge-relearns",
        "bridge.table-shown",
        label="F-MOVE-14a",
    ),
    bridge_fault(
        "misleads",
        "its own view has every station behind one port",
        Flaw(bridge="plain", misleads=True),
        "bridge.table-shown",
    ),
    bridge_fault(
        "miscounts",
        "its own view has the counters of one port at the next",
        Flaw(bridge="plain", miscounts=True),
        "bridge.counters-shown",
    ),
)
