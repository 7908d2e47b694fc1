"""MTUs along a path, from what the testbed declares and what the kernel shows of the endpoints."""

from __future__ import annotations

from conformance.recording.model import Flow, Record


def sender_mtu(record: Record, flow: Flow) -> int:
    """MTU in bytes of the interface that the flow's source sends from."""
    return _interface_mtu(record, flow.source)


def path_mtu(record: Record, flow: Flow) -> int:
    """The smallest MTU in bytes of the links of a path: both ends' interfaces and the segments between.

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
    return min(links)


def _interface_mtu(record: Record, name: str) -> int:
    for endpoint in record.endpoints:
        if endpoint.name == name:
            return endpoint.kernel.mtu
    return record.testbed.segment_mtu(record.testbed.client.segment)
