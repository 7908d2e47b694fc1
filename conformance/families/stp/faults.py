"""Planted faults of the family stp: real bridges whose spanning tree is set wrongly, or with a box of ours before their
ports that changes their BPDUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from conformance.adapters.interface.ports import BridgeConfig
from conformance.families.bridge.faults import bridge_fault
from conformance.families.bridge.faults_interposer import Flaw
from conformance.protocols import ethertypes
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.mac import mac_bytes
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import TC, TCA, TOPOLOGY_CHANGE_NOTIFICATION

OPEN_VSWITCH: Final = "ovs-bridge"

Change = Callable[[bytes], list[bytes]]


def _drop_old(frame: bytes) -> list[bytes]:
    said = stp.parse(frame)
    return [] if said is not None and said.version == stp.STP else [frame]


def drop_bpdus(frame: bytes) -> list[bytes]:
    """Everything but BPDUs."""
    return [] if stp.parse(frame) is not None else [frame]


def _without(flag: int, frame: bytes) -> list[bytes]:
    said = stp.parse(frame)
    if said is None or said.type == TOPOLOGY_CHANGE_NOTIFICATION or not said.flags & flag:
        return [frame]
    return [frame[:21] + bytes((frame[21] & ~flag,)) + frame[22:]]


def _as_best(frame: bytes) -> list[bytes]:
    """A claim of priority 61440 arrives as one of priority 0."""
    said = stp.parse(frame)
    if said is None or said.type == TOPOLOGY_CHANGE_NOTIFICATION or frame[22] != 0xF0:
        return [frame]
    return [frame[:22] + b"\0" + frame[23:]]


def _repeated(frame: bytes) -> list[bytes]:
    return [frame] * 12 if stp.parse(frame) is not None else [frame]


def _snap(frame: bytes) -> list[bytes]:
    return [frame[:14] + ethertypes.LLC_SNAP + frame[17:]] if stp.parse(frame) is not None else [frame]


def _to_slow(frame: bytes) -> list[bytes]:
    return [mac_bytes(lacp.GROUP) + frame[6:]] if stp.parse(frame) is not None else [frame]


def _unspanned(bridge: str, config: BridgeConfig) -> BridgeConfig:
    return replace(config, spanning="off") if config.name == bridge else config


def _with_hello(seconds: float, config: BridgeConfig) -> BridgeConfig:
    return replace(config, hello=seconds, max_age=2 * seconds + 2, forward_delay=max(config.forward_delay, seconds + 2))


def _ageless(frame: bytes) -> list[bytes]:
    """Another's claim is passed on as if it came from here: its message age is 0."""
    said = stp.parse(frame)
    if said is None or said.type == TOPOLOGY_CHANGE_NOTIFICATION or said.root == said.bridge:
        return [frame]
    return [frame[:44] + bytes(2) + frame[46:]]


def _of_protocol(frame: bytes) -> list[bytes]:
    """A second BPDU of a protocol that nobody has follows each."""
    return [frame, frame[:17] + b"\xaa\0" + frame[19:]] if stp.parse(frame) is not None else [frame]


FAULTS = (
    bridge_fault(
        "loop",
        "the spanning tree is off in a loop",
        Flaw(config=partial(_unspanned, "br-loop")),
        "stp.loop-broken",
        label="F-STP-02a",
    ),
    bridge_fault(
        "rare-hello",
        "BPDUs leave every ten seconds",
        Flaw(config=partial(_with_hello, 10.0)),
        "stp.hello",
        label="F-STP-01a",
    ),
    bridge_fault(
        "snap",
        "BPDUs have the LLC of SNAP",
        Flaw(bridge="br-hello", outward=_snap),
        "stp.bpdu-format",
        "stp.hello",
        label="F-STP-01c",
    ),
    bridge_fault(
        "misdirected", "BPDUs go to 01-80-C2-00-00-02", Flaw(bridge="br-hello", outward=_to_slow), "stp.bpdu-format"
    ),
    bridge_fault(
        "beside-malformed",
        "a malformed BPDU goes beside each good one",
        Flaw(bridge="br-hello", outward=_of_protocol),
        "stp.bpdu-format",
    ),
    bridge_fault(
        "ageless",
        "the message age of the root's information stays 0",
        Flaw(bridge="br-better", outward=_ageless),
        "stp.message-age",
    ),
    bridge_fault(
        "deaf", "better claims are not heard", Flaw(bridge="br-better", inward=drop_bpdus), "stp.root-election"
    ),
    bridge_fault(
        "yields",
        "worse claims are taken for the best",
        Flaw(bridge="br-worse", inward=_as_best),
        "stp.root-election",
        "stp.tcn-acknowledged",
    ),
    bridge_fault(
        "bursts", "every BPDU leaves twelve times", Flaw(bridge="br-worse", outward=_repeated), "stp.hold-count"
    ),
    bridge_fault(
        "unacknowledged",
        "notifications are not acknowledged",
        Flaw(bridge="br-worse", outward=partial(_without, TCA)),
        "stp.tcn-acknowledged",
    ),
    bridge_fault(
        "no-flush",
        "topology changes are not heeded",
        Flaw(bridge="br-better", inward=partial(_without, TC)),
        "stp.topology-change",
        label="F-STP-04a",
        network=OPEN_VSWITCH,
    ),
    bridge_fault(
        "rapid-only",
        "old neighbours are not heard",
        Flaw(bridge="br-legacy", inward=_drop_old),
        "stp.legacy-fallback",
        "stp.tcn-acknowledged",
        label="F-STP-05a",
        network=OPEN_VSWITCH,
    ),
    bridge_fault(
        "relays-bpdus",
        "a bridge without a spanning tree forwards BPDUs",
        Flaw(bridge="br-off", leaks=stp.GROUP),
        "stp.disabled-not-relayed",
        network=OPEN_VSWITCH,
    ),
)
