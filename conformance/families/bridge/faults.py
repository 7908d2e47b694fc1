"""Faults of bridges and spanning trees: real bridges, told to misbehave by the kernel, or with a box of ours before
their ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from conformance.adapters.interface import BridgeConfig
from conformance.families.bridge.faults_interposer import Flaw
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import TC, TCA, TOPOLOGY_CHANGE_NOTIFICATION
from conformance.selftest.fault import Fault, link_fault

KERNEL: Final = "linux-bridge"
OPEN_VSWITCH: Final = "ovs-bridge"
RESIDENT: Final = "02:00:5e:00:53:0a"

Change = Callable[[bytes], list[bytes]]


def _drop_old(frame: bytes) -> list[bytes]:
    told = stp.parse(frame)
    return [] if told is not None and told.version == stp.STP else [frame]


def drop_bpdus(frame: bytes) -> list[bytes]:
    """Everything but BPDUs."""
    return [] if stp.parse(frame) is not None else [frame]


def _without(flag: int, frame: bytes) -> list[bytes]:
    told = stp.parse(frame)
    if told is None or told.type == TOPOLOGY_CHANGE_NOTIFICATION or not told.flags & flag:
        return [frame]
    return [frame[:21] + bytes((frame[21] & ~flag,)) + frame[22:]]


def _as_best(frame: bytes) -> list[bytes]:
    """A claim of priority 61440 arrives as one of priority 0."""
    told = stp.parse(frame)
    if told is None or told.type == TOPOLOGY_CHANGE_NOTIFICATION or frame[22] != 0xF0:
        return [frame]
    return [frame[:22] + b"\0" + frame[23:]]


def _repeated(frame: bytes) -> list[bytes]:
    return [frame] * 12 if stp.parse(frame) is not None else [frame]


def _snap(frame: bytes) -> list[bytes]:
    return [frame[:14] + b"\xaa\xaa\x03" + frame[17:]] if stp.parse(frame) is not None else [frame]


def _to_slow(frame: bytes) -> list[bytes]:
    return [bytes.fromhex(lacp.GROUP.replace(":", "")) + frame[6:]] if stp.parse(frame) is not None else [frame]


def _twice(frame: bytes) -> list[bytes]:
    return [frame, frame] if frame[12:14] == b"\x08\x00" and frame[0] & 1 else [frame]


def _unspanned(bridge: str, config: BridgeConfig) -> BridgeConfig:
    return replace(config, spanning="off") if config.name == bridge else config


def _with_hello(seconds: float, config: BridgeConfig) -> BridgeConfig:
    return replace(config, hello=seconds, max_age=2 * seconds + 2, forward_delay=max(config.forward_delay, seconds + 2))


def _fault(name: str, title: str, flaw: Flaw, *fails: str, label: str = "", network: str = KERNEL) -> Fault:
    return link_fault(f"bridge-{name}", title, network, flaw, *fails, label=label)


def _port(setting: str, value: str) -> Flaw:
    return Flaw(of_port={setting: value}, bridge="plain")


def _bridge(setting: str, value: str) -> Flaw:
    return Flaw(of_bridge={setting: value}, bridge="plain")


FAULTS = (
    _fault("forwards-lldp", "frames to 01-80-C2-00-00-0E are forwarded", _bridge("group_fwd_mask", "0x4000"),
           "bridge.reserved-not-forwarded", "lldp.not-forwarded", label="F-LLDP-08a"),
    _fault("forwards-lacp", "frames to 01-80-C2-00-00-02 are forwarded",
           Flaw(bridge="plain", leaks=lacp.GROUP), "lacp.not-forwarded", "bridge.reserved-not-forwarded",
           label="F-LACP-07a"),
    _fault("hub", "nothing is learned", _port("learning", "0"), "bridge.learning", "bridge.move-learned",
           "move.bridge-relearns", "bridge.table-shown"),
    _fault("hairpin", "frames go back to the port where they came from", _port("hairpin_mode", "1"),
           "bridge.no-reflection"),
    _fault("no-flooding", "frames to unknown stations go nowhere", _port("unicast_flood", "0"), "bridge.flooding"),
    _fault("twice", "broadcasts leave twice", Flaw(bridge="plain", outward=_twice), "bridge.flooding"),
    _fault("forgetful", "stations are forgotten after two seconds", _bridge("ageing_time", "200"), "bridge.ageing",
           "bridge.table-shown"),
    _fault("never-forgets", "stations are never forgotten", _bridge("ageing_time", "30000"), "bridge.ageing"),
    _fault("sticky", "a station stays where it was first seen", Flaw(bridge="plain", pins=RESIDENT),
           "bridge.move-learned", "move.bridge-relearns", "bridge.table-shown", label="F-MOVE-14a"),
    _fault("misleads", "its own view has every station behind one port", Flaw(bridge="plain", misleads=True),
           "bridge.table-shown"),
    _fault("miscounts", "its own view has the counters of one port at the next", Flaw(bridge="plain", miscounts=True),
           "bridge.counters-shown"),
    _fault("loop", "the spanning tree is off in a loop", Flaw(config=partial(_unspanned, "br-loop")), "stp.loop-broken",
           label="F-STP-02a"),
    _fault("rare-hello", "BPDUs leave every ten seconds", Flaw(config=partial(_with_hello, 10.0)), "stp.hello",
           label="F-STP-01a"),
    _fault("snap", "BPDUs have the LLC of SNAP", Flaw(bridge="br-hello", outward=_snap), "stp.bpdu-format",
           "stp.hello", label="F-STP-01c"),
    _fault("misdirected", "BPDUs go to 01-80-C2-00-00-02", Flaw(bridge="br-hello", outward=_to_slow),
           "stp.bpdu-format"),
    _fault("deaf", "better claims are not heard", Flaw(bridge="br-better", inward=drop_bpdus), "stp.root-election"),
    _fault("yields", "worse claims are taken for the best", Flaw(bridge="br-worse", inward=_as_best),
           "stp.root-election", "stp.tcn-acknowledged"),
    _fault("bursts", "every BPDU leaves twelve times", Flaw(bridge="br-worse", outward=_repeated), "stp.hold-count"),
    _fault("unacknowledged", "notifications are not acknowledged",
           Flaw(bridge="br-worse", outward=partial(_without, TCA)), "stp.tcn-acknowledged"),
    _fault("no-flush", "topology changes are not heeded", Flaw(bridge="br-better", inward=partial(_without, TC)),
           "stp.topology-change", label="F-STP-04a", network=OPEN_VSWITCH),
    _fault("rapid-only", "old neighbours are not heard", Flaw(bridge="br-legacy", inward=_drop_old),
           "stp.legacy-fallback", "stp.tcn-acknowledged", label="F-STP-05a", network=OPEN_VSWITCH),
    _fault("relays-bpdus", "a bridge without a spanning tree forwards BPDUs",
           Flaw(bridge="br-off", leaks=stp.GROUP), "stp.disabled-not-relayed", network=OPEN_VSWITCH),
)  # fmt: skip
