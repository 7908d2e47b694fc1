"""Which routed hops a path has by declaration, and from which addresses each may report."""

from __future__ import annotations

from conformance.profile import Hop
from conformance.recording.model import Flow, Record


def hops_of(record: Record, flow: Flow) -> list[str]:
    """The routed hops from the flow's source to its target, in order: names of hosts, or ``router``.

    The testbed declares its own hops, the profile those of the implementation. Where the profile says nothing else,
    what is inside an overlay's encapsulation is one link between endpoints.
    """
    profile = record.profile
    hosts = {endpoint.name: endpoint.host for endpoint in record.endpoints}
    source, target = hosts.get(flow.source), hosts.get(flow.target)
    declared = {str(path): hops for path, hops in profile.expect.hops.items()}.get(flow.path)
    if declared is not None:
        return [place for hop in declared for place in _places(record, hop, source, target)]
    if source is not None and source == target:
        return [source] * profile.same_host_hops
    if source is not None and target is not None and "encapsulation" in profile.features:
        return []
    own = [source] * profile.hops if source is not None else []
    far = [target] * profile.hops if target is not None else []
    return [*own, *_places(record, "underlay", source, target), *far]


def _places(record: Record, hop: Hop, source: str | None, target: str | None) -> list[str]:
    """The places that a declared hop stands for, given the hosts of both ends (None: the client)."""
    if hop == "underlay":
        testbed = record.testbed
        one = testbed.hosts[source] if source is not None else testbed.client
        other = testbed.hosts[target] if target is not None else testbed.client
        return ["router"] * testbed.hops_between(one, other)
    place = source if hop == "source" else target
    return [] if place is None else [place]


def expected_hops(record: Record, flow: Flow) -> int:
    """How many routed hops the path of a flow has."""
    return len(hops_of(record, flow))


def reporters(record: Record, flow: Flow) -> set[str]:
    """Every address of the hop at which a flow with its small hop limit ends."""
    return _addresses(record, hops_of(record, flow)[flow.ttl - 1])


def reporters_of_path(record: Record, flow: Flow) -> set[str]:
    """Every address from which something on the path may report: those of its hops and of both ends' hosts, and the
    one that was dialled, in whose name a tunnel reports that has no address of its own."""
    hosts = {endpoint.name: endpoint.host for endpoint in record.endpoints}
    places = {*hops_of(record, flow), *(hosts[name] for name in (flow.source, flow.target) if name in hosts)}
    return {flow.dialled.address}.union(*(_addresses(record, place) for place in places))


def _addresses(record: Record, place: str) -> set[str]:
    """The addresses of a host, or of the testbed's ``router``."""
    if place == "router":
        segments = record.testbed.segments.values()
        return {str(address) for segment in segments for address in (segment.router_ipv4, segment.router_ipv6)}
    return {
        address.address
        for snapshot in record.snapshots
        if snapshot.where == place
        for interface in snapshot.interfaces
        for address in interface.addresses
    }
