"""MTUs along a path, from what the testbed declares and what the kernel shows of the endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from struct import unpack_from

from conformance.protocols import ethertypes
from conformance.recording.model import Flow, Record


def sender_mtu(record: Record, flow: Flow) -> int:
    """MTU in bytes of the interface that the flow's source sends from."""
    return _interface_mtu(record, flow.source)


def path_mtu(record: Record, flow: Flow) -> int:
    """The smallest MTU in bytes of the links of a path."""
    return min(link_mtus(record, flow))


def link_mtus(record: Record, flow: Flow) -> list[int]:
    """MTUs in bytes of the links of a path: both ends' interfaces and the segments between.

    Between endpoints of one host there is no segment; inside an overlay the segments are hidden by it.
    """
    hosts = {endpoint.name: endpoint.host for endpoint in record.endpoints}
    source, target = hosts.get(flow.source), hosts.get(flow.target)
    links = [_interface_mtu(record, flow.source), _interface_mtu(record, flow.target)]
    inside = source is not None and source == target
    overlay = source is not None and target is not None and "encapsulation" in record.profile.features
    if not inside and not overlay:
        for host in (source, target):
            station = record.testbed.hosts[host] if host is not None else record.testbed.client
            links.append(record.testbed.segment_mtu(station.segment))
    return links


def by_way(flows: Iterable[Flow]) -> list[list[Flow]]:
    """The flows grouped by source, target and family."""
    found: dict[tuple[str, str, str], list[Flow]] = {}
    for flow in flows:
        found.setdefault((flow.source, flow.target, flow.family), []).append(flow)
    return list(found.values())


def told_truly(record: Record, flow: Flow, same: Iterable[Flow]) -> bool:
    """Whether the MTU that a flow was told is one of its path: a link's, or, of a link that nobody declared, one below
    which all of `same`, the flows of its way, arrived, and above which none did."""
    told = flow.report.mtu if flow.report is not None and flow.status == "too-big" else 0
    arrived = max((one.size for one in same if one.arrival is not None), default=0)
    lost = min((one.size for one in same if one.arrival is None), default=0)
    return 0 < told < flow.size and (told in link_mtus(record, flow) or arrived <= told < lost)


def vxlan_overhead(frame: bytes, l3: int, l4: int) -> int:
    """Bytes by which an IP packet that carries VXLAN is longer than the IP packet inside; `l3` and `l4` are offsets of
    its own headers. 0 where there is no IP packet inside."""
    inner = frame[l4 + 16 :]
    start = 18 if ethertypes.ethertype_of(inner) == ethertypes.CUSTOMER_TAG else 14
    outside, inside = _length(frame[l3:]), _length(inner[start:])
    return outside - inside if inside else 0


def _length(packet: bytes) -> int:
    """Length in bytes of an IP packet as its header says, 0 for anything else."""
    if len(packet) < 40 or packet[0] >> 4 not in (4, 6):
        return 0
    return int(unpack_from("!H", packet, 2)[0]) if packet[0] >> 4 == 4 else 40 + int(unpack_from("!H", packet, 4)[0])


def _interface_mtu(record: Record, name: str) -> int:
    for endpoint in record.endpoints:
        if endpoint.name == name:
            return endpoint.kernel.mtu
    return record.testbed.segment_mtu(record.testbed.client.segment)
