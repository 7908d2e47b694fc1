"""The underlay: nothing that an implementation does may need multicast in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.protocols import ethertypes
from conformance.protocols.igmp import LOCAL_CONTROL, groups

ALLOWED_IPV6 = (0x3333_FF00_0000, 0xFFFF_FF00_0000)
"""Solicited-node groups: 33:33:ff and three bytes."""
ALLOWED_MACS = (0x3333_0000_0001, 0x3333_0000_0002, 0x3333_0000_0016)
"""All nodes, all routers, and the group of MLDv2 reports."""
ICMPV6 = 58
LINK_CONSTRAINED = (0x0180_C200_0000, 0xFFFF_FFFF_FFF0)
"""Groups that no bridge forwards (IEEE Std 802.1Q §8.6.3): they stay on the host's own cable."""


def _local_membership(frame: bytes) -> bool:
    """Whether it is IGMP about link-local groups only, as a bridge sends that looks for snoopers: the twin of MLD."""
    named = groups(frame)
    return bool(named) and all(group in LOCAL_CONTROL for group in named)


def _within(macs: NDArray[np.uint64], block: tuple[int, int]) -> NDArray[np.bool_]:
    """Which MAC addresses equal a value under a mask."""
    matching: NDArray[np.bool_] = (macs & np.uint64(block[1])) == block[0]
    return matching


@check("underlay.no-multicast", scenario="reachability")
def test_no_multicast_in_underlay(case: Case) -> None:
    """Everything works without multicast in the underlay, and the implementation neither joins nor sends any.

    Endpoints that live on the underlay's own segment do so as stations: their neighbour discovery is allowed.
    """
    case.window("reachability")
    record = case.recording.record
    index = case.recording.frames
    for host in record.testbed.hosts:
        tap = case.tap(f"{host}:eth0")
        rows = np.flatnonzero((index.tap == tap.number) & index.outbound)
        macs = index.destination_mac[rows]
        group = (macs >> np.uint64(40)) & np.uint64(1) == 1
        allowed = np.isin(macs, np.array(ALLOWED_MACS, dtype=np.uint64)) | _within(macs, ALLOWED_IPV6)
        allowed &= index.protocol[rows] == ICMPV6
        allowed |= (macs == 0xFFFF_FFFF_FFFF) | _within(macs, LINK_CONSTRAINED)
        allowed |= index.ethertype[rows] == ethertypes.EXPERIMENT
        strange = [row for row in rows[group & ~allowed].tolist() if not _local_membership(index.frame(row))]
        case.expect(
            not strange,
            expected="no multicast but neighbour discovery and MLD leaves a host's uplink",
            seen=f"{host} sent {len(strange)} multicast frames",
            frames=[row + 1 for row in strange],
        )
    if "multi-host" in record.profile.features and not record.testbed.underlay.multicast:
        silent = [flow for flow in case.flows(purpose="reach", path="cross-host") if flow.status != "answered"]
        blocked = any(not observation.holds for observation in case.observations)
        case.require(
            not silent or blocked,
            "hosts do not reach each other's endpoints on this underlay, and no multicast shows why",
        )
