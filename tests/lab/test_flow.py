"""Flows across a router: what is answered, what is reported, what is silent, and what both ends say of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from itertools import count
from threading import Timer
from typing import Any

import pytest

from conformance.lab import nftables
from conformance.lab.flow import Engine, Probe, Server
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.sysctls import pin
from conformance.limits import ANSWER, LINK_UP, RETRY
from conformance.recording.model import AddressFamily, Answer, Flow, IcmpReport, Socket

pytestmark = pytest.mark.lab

FAMILIES: tuple[AddressFamily, AddressFamily] = ("ipv4", "ipv6")
LEFT = {"ipv4": "192.0.2.1", "ipv6": "2001:db8:0:1::1"}
RIGHT = {"ipv4": "198.51.100.1", "ipv6": "2001:db8:0:2::1"}
NEAR_HOP = {"ipv4": "192.0.2.254", "ipv6": "2001:db8:0:1::fe"}
FAR_HOP = {"ipv4": "198.51.100.254", "ipv6": "2001:db8:0:2::fe"}
ABSENT = {"ipv4": "198.51.100.77", "ipv6": "2001:db8:0:2::77"}
RTMGRP_IPV6_IFADDR = 0x100
NUMBERS = (47, 132, 136, 253)
SHORT = 0.5
"""Enough where an answer or a report comes at once."""


@dataclass
class Bench:
    left: Namespace
    right: Namespace
    router: Namespace
    engine: Engine

    def __post_init__(self) -> None:
        self._ids = count(1)

    def probe(self, **wanted: Any) -> Probe:
        family = wanted.setdefault("family", "ipv4")
        wanted.setdefault("destination", RIGHT[family])
        defaults: dict[str, Any] = {
            "id": next(self._ids),
            "purpose": "test",
            "path": "outbound",
            "protocol": "udp",
            "source": "left",
            "namespace": self.left,
            "target": "right",
            "port": 0 if wanted.get("protocol") in {"icmp", "ip"} else 80,
        }
        return Probe(**(defaults | wanted))

    def run(self, *probes: Probe, deadline: float = SHORT) -> list[Flow]:
        return self.engine.run(probes, deadline)

    def serve(self, **wanted: Any) -> None:
        named: dict[str, Any] = {"name": "right", "namespace": self.right, "tcp_ports": (80,), "udp_ports": (80,)}
        self.engine.serve(Server(**(named | wanted)))


@contextmanager
def bench(*, mtu: int = 1500) -> Iterator[Bench]:
    """Left and right in subnets of their own, a router between; the right link has `mtu`."""
    with ExitStack() as resources:
        left, router, right = (resources.enter_context(Namespace.create(name)) for name in ("left", "router", "right"))
        for namespace in (left, router, right):
            pin(namespace)
            namespace.sysctl("net.ipv6.conf.default.accept_dad", 0)  # a router solicits from its link-local address
            link.change(namespace, "lo", state="up")
        router.sysctl("net.ipv4.conf.all.forwarding", 1)
        router.sysctl("net.ipv6.conf.all.forwarding", 1)
        router.sysctl("net.ipv4.icmp_ratelimit", 0)
        router.sysctl("net.ipv6.icmp.ratelimit", 0)
        right.sysctl("net.ipv4.icmp_ratelimit", 0)
        right.sysctl("net.ipv6.icmp.ratelimit", 0)
        link.veth(left, "eth0", router, "left")
        link.veth(right, "eth0", router, "right", mtu=mtu)
        for namespace, name in ((left, "eth0"), (router, "left"), (right, "eth0"), (router, "right")):
            link.change(namespace, name, state="up")
        for namespace, name, addresses in (
            (left, "eth0", LEFT),
            (router, "left", NEAR_HOP),
            (right, "eth0", RIGHT),
            (router, "right", FAR_HOP),
        ):
            address(namespace, name, addresses)
        for family in FAMILIES:
            link.default_route(left, NEAR_HOP[family])
            link.default_route(right, FAR_HOP[family])
        for namespace, name in ((left, "eth0"), (router, "left"), (right, "eth0"), (router, "right")):
            link.await_link(namespace, name, LINK_UP)
        yield Bench(left, right, router, resources.enter_context(Engine()))


def address(namespace: Namespace, name: str, addresses: dict[str, str]) -> None:
    """Add both addresses and wait until the kernel takes the IPv6 one for its own, which it does a little later."""
    with namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as listener:
        listener.bind((0, RTMGRP_IPV6_IFADDR))
        listener.settimeout(LINK_UP)
        link.address(namespace, name, IPv4Interface(f"{addresses['ipv4']}/24"))
        link.address(namespace, name, IPv6Interface(f"{addresses['ipv6']}/64"), dad=False)
        while socket.inet_pton(socket.AF_INET6, addresses["ipv6"]) not in listener.recv(65536):
            pass


def masquerading(bench: Bench) -> None:
    for family in ("ip", "ip6"):
        rule = nftables.Rule(nftables.masquerade(), (nftables.out_interface("right"),))
        chain = nftables.Chain("postrouting", (rule,), type="nat", hook="postrouting", priority=100)
        nftables.install(bench.router, nftables.Table(family, "nat", (chain,)))


def identity(flow: Flow) -> tuple[str, Answer | None, Answer | None]:
    return flow.status, flow.arrival, flow.answer


def test_answers_name_the_server_and_both_ends() -> None:
    with bench() as lab:
        lab.serve()
        probes = [lab.probe(protocol=protocol, family=family) for protocol in ("tcp", "udp") for family in FAMILIES]
        for probe, flow in zip(probes, lab.run(*probes), strict=True):
            assert flow.local is not None
            assert flow.local.address == LEFT[flow.family]
            assert flow.local.port >= 32768
            seen = Answer(server="right", peer=flow.local, local=Socket(address=RIGHT[flow.family], port=80))
            assert identity(flow) == ("answered", seen, seen)
            assert (flow.id, flow.dialled, flow.tries) == (probe.id, seen.local, 1)
            assert time.time_ns() > flow.done_ns > flow.sent_ns > 0
            assert Flow.model_validate_json(flow.model_dump_json()) == flow


def test_echo_keeps_its_identifier_and_is_witnessed() -> None:
    with bench() as lab:
        lab.serve()
        probes = [lab.probe(protocol="icmp", family=family, source_port=4711) for family in FAMILIES]
        probes += [lab.probe(protocol="icmp", family=family, size=1500) for family in FAMILIES]
        for probe, flow in zip(probes, lab.run(*probes), strict=True):
            identifier = probe.source_port or probe.id
            near, far = (Socket(address=ends[flow.family], port=identifier) for ends in (LEFT, RIGHT))
            assert (flow.status, flow.intact, flow.local, flow.dialled) == ("answered", True, near, far)
            assert flow.arrival == Answer(server="right", peer=near, local=far)
            assert flow.answer is None


@pytest.mark.parametrize("number", NUMBERS)
def test_bare_protocols_arrive_unchanged(number: int) -> None:
    with bench() as lab:
        lab.serve(numbers=NUMBERS)
        probes = [lab.probe(protocol="ip", number=number, family=family) for family in FAMILIES]
        probes += [lab.probe(protocol="ip", number=number, family=family, size=1500) for family in FAMILIES]
        for flow in lab.run(*probes):
            near, far = (Socket(address=ends[flow.family], port=0) for ends in (LEFT, RIGHT))
            seen = Answer(server="right", peer=near, local=far)
            assert (*identity(flow), flow.intact, flow.report) == ("answered", seen, seen, True, None)


def test_bare_protocol_without_receiver_is_reported_by_the_far_end() -> None:
    with bench() as lab:
        lab.serve()
        probes = [lab.probe(protocol="ip", number=253, family=family, tries=1) for family in FAMILIES]
        old, new = lab.run(*probes)
        assert (old.status, old.report) == ("unreachable", IcmpReport(offender=RIGHT["ipv4"], type=3, code=2))
        assert (new.status, new.report) == ("unreachable", IcmpReport(offender=RIGHT["ipv6"], type=4, code=1))


def test_closed_ports_are_refused_by_the_far_end() -> None:
    with bench() as lab:
        lab.serve()
        probes = [
            lab.probe(protocol=protocol, family=family, port=81) for protocol in ("udp", "tcp") for family in FAMILIES
        ]
        udp4, udp6, tcp4, tcp6 = lab.run(*probes)
        assert (udp4.status, udp4.report) == ("unreachable", IcmpReport(offender=RIGHT["ipv4"], type=3, code=3))
        assert (udp6.status, udp6.report) == ("unreachable", IcmpReport(offender=RIGHT["ipv6"], type=1, code=4))
        for flow in (tcp4, tcp6):
            assert (flow.status, flow.detail, flow.arrival) == ("refused", "Connection refused", None)


@pytest.mark.parametrize("protocol", ["udp", "tcp", "icmp", "ip"])
def test_expiry_is_reported_by_the_router(protocol: str) -> None:
    with bench() as lab:
        lab.serve(numbers=(253,))
        number = 253 if protocol == "ip" else 0
        probes = [
            lab.probe(protocol=protocol, number=number, family=family, ttl=ttl) for ttl in (1, 2) for family in FAMILIES
        ]
        old, new, *far = lab.run(*probes)
        assert (old.status, old.report) == ("expired", IcmpReport(offender=NEAR_HOP["ipv4"], type=11, code=0))
        assert (new.status, new.report) == ("expired", IcmpReport(offender=NEAR_HOP["ipv6"], type=3, code=0))
        assert [(flow.status, flow.ttl) for flow in far] == [("answered", 2)] * 2


@pytest.mark.parametrize("protocol", ["udp", "icmp", "ip"])
def test_too_big_names_the_mtu(protocol: str) -> None:
    with bench(mtu=1400) as lab:
        lab.serve(numbers=(253,))
        wanted = {"protocol": protocol, "number": 253 if protocol == "ip" else 0, "dont_fragment": True}
        for _ in range(2):  # the path's MTU, learnt the first time, is ignored the second time
            probes = [lab.probe(family=family, size=size, **wanted) for size in (1401, 1400) for family in FAMILIES]
            old, new, *fitting = lab.run(*probes)
            assert (old.status, old.report) == (
                "too-big",
                IcmpReport(offender=NEAR_HOP["ipv4"], type=3, code=4, mtu=1400),
            )
            assert (new.status, new.report) == (
                "too-big",
                IcmpReport(offender=NEAR_HOP["ipv6"], type=2, code=0, mtu=1400),
            )
            assert [(flow.status, flow.intact) for flow in fitting] == [("answered", True)] * 2
        for flow in lab.run(*[lab.probe(family=family, size=1501, **wanted) for family in FAMILIES]):
            assert (flow.status, flow.detail) == ("error", "larger than the interface's MTU")


def test_fragments_arrive_whole() -> None:
    with bench(mtu=1400) as lab:
        lab.serve()
        probes = [
            lab.probe(protocol=protocol, family=family, size=size)
            for size in (1401, 9000, 65000)
            for protocol in ("udp", "icmp", "tcp")
            for family in FAMILIES
        ]
        flows = lab.run(*probes, deadline=ANSWER)
        assert [(flow.status, flow.intact) for flow in flows] == [("answered", True)] * len(probes)
        assert all(flow.tries == 1 for flow in flows if flow.family == "ipv4")


def test_silence_ends_at_one_deadline_and_troubles_nobody_else() -> None:
    with bench() as lab:
        lab.serve(tcp_ports=(80, 81), udp_ports=(80, 81), numbers=(253,))
        rules = tuple(
            nftables.Rule(nftables.drop(), matches)
            for matches in (
                (nftables.transport("tcp"), nftables.destination_port(81)),
                (nftables.transport("udp"), nftables.destination_port(81)),
                (nftables.transport(253),),
            )
        )
        chain = nftables.Chain("prerouting", rules, type="filter", hook="prerouting", priority=-300)
        nftables.install(lab.right, nftables.Table("inet", "silence", (chain,)))
        silent = [lab.probe(protocol="ip", number=253, family=family) for family in FAMILIES]
        for protocol in ("tcp", "udp"):
            silent += [lab.probe(protocol=protocol, family=family, port=81) for family in FAMILIES for _ in range(50)]
        heard = [lab.probe(protocol=protocol, family="ipv4") for protocol in ("tcp", "udp") for _ in range(50)]
        mixed = [probe for pair in zip(heard, silent, strict=False) for probe in pair] + silent[len(heard) :]
        begun = time.monotonic()
        flows = {flow.id: flow for flow in lab.run(*mixed, deadline=2.5 * RETRY)}
        took = time.monotonic() - begun
        assert 2.5 * RETRY <= took < 3.5 * RETRY
        for probe in silent:
            flow = flows[probe.id]
            assert identity(flow) == ("timeout", None, None)
            assert flow.tries == 3 or (probe.protocol == "tcp" and flow.tries == 2)  # older kernels double the time
        for probe in heard:
            flow = flows[probe.id]
            assert flow.status == "answered"
            assert flow.done_ns - flow.sent_ns < RETRY * 1e9


def test_lost_answer_is_still_an_arrival() -> None:
    with bench() as lab:
        lab.serve()
        rule = nftables.Rule(nftables.drop(), (nftables.transport("udp"), nftables.source_port(80)))
        chain = nftables.Chain("forward", (rule,), type="filter", hook="forward", priority=0)
        nftables.install(lab.router, nftables.Table("inet", "loss", (chain,)))
        (flow,) = lab.run(lab.probe())
        assert flow.local is not None
        assert identity(flow) == (
            "timeout",
            Answer(server="right", peer=flow.local, local=Socket(address=RIGHT["ipv4"], port=80)),
            None,
        )


def test_absent_neighbour_and_absent_route() -> None:
    with bench() as lab:
        probes = [lab.probe(family=family, destination=ABSENT[family], tries=1) for family in FAMILIES]
        probes.append(lab.probe(protocol="tcp", destination=ABSENT["ipv4"], tries=1))
        lab.left.netlink("route", "del", dst="default", family=10)
        old, new, tcp = lab.run(*probes, deadline=ANSWER)
        for flow in (old, tcp):
            assert (flow.status, flow.report) == (
                "unreachable",
                IcmpReport(offender=NEAR_HOP["ipv4"], type=3, code=1),
            )
        assert (new.status, new.detail, new.report) == ("unreachable", "Network is unreachable", None)


def test_a_route_that_comes_late_is_found_by_a_later_try() -> None:
    with bench() as lab:
        lab.serve()
        rule = nftables.Rule(nftables.reject("host-unreachable", 4))
        reject = nftables.Table(
            "ip", "late", (nftables.Chain("forward", (rule,), type="filter", hook="forward", priority=0),)
        )
        nftables.install(lab.router, reject)
        first = lab.run(lab.probe(protocol="tcp", tries=1), lab.probe(tries=1))
        assert [flow.status for flow in first] == ["unreachable"] * 2
        timer = Timer(RETRY / 2, nftables.remove, (lab.router, reject))
        timer.start()
        flows = lab.run(lab.probe(protocol="tcp"), lab.probe(), deadline=3 * RETRY)
        timer.join()
        assert [(flow.status, flow.tries) for flow in flows] == [("answered", 2)] * 2


def test_source_translation_is_seen_at_the_far_end() -> None:
    with bench() as lab:
        lab.serve(numbers=(253,))
        masquerading(lab)
        probes = [
            lab.probe(protocol=protocol, number=253 if protocol == "ip" else 0, family=family)
            for protocol in ("tcp", "udp", "icmp", "ip")
            for family in FAMILIES
        ]
        for flow in lab.run(*probes):
            assert (flow.status, flow.local and flow.local.address) == ("answered", LEFT[flow.family])
            assert flow.arrival is not None
            assert flow.arrival.peer.address == FAR_HOP[flow.family]
            assert flow.arrival.local.address == RIGHT[flow.family]


def test_destination_translation_is_seen_at_the_far_end() -> None:
    with bench() as lab:
        lab.serve()
        rule = nftables.Rule(
            nftables.destination_nat(ip_address(RIGHT["ipv4"]), port=80),
            (nftables.transport("tcp"), nftables.destination_port(8080)),
        )
        chain = nftables.Chain("prerouting", (rule,), type="nat", hook="prerouting", priority=-100)
        nftables.install(lab.router, nftables.Table("ip", "publish", (chain,)))
        (flow,) = lab.run(lab.probe(protocol="tcp", destination=NEAR_HOP["ipv4"], port=8080))
        assert (flow.status, flow.dialled) == ("answered", Socket(address=NEAR_HOP["ipv4"], port=8080))
        assert flow.arrival is not None
        assert flow.arrival.local == Socket(address=RIGHT["ipv4"], port=80)


def test_one_source_port_serves_many_targets_and_a_server() -> None:
    ports = (53, 80, 123, 500)
    with bench() as lab:
        lab.serve(tcp_ports=ports, udp_ports=ports)
        lab.serve(name="left", namespace=lab.left, tcp_ports=ports, udp_ports=ports)
        probes = [
            lab.probe(protocol=protocol, family=family, port=port, source_port=source_port)
            for protocol in ("tcp", "udp")
            for family in FAMILIES
            for port in ports
            for source_port in (1, *ports, 65535)
        ]
        back = [
            lab.probe(
                protocol=protocol,
                family=family,
                destination=LEFT[family],
                port=53,
                source="right",
                target="left",
                namespace=lab.right,
            )
            for protocol in ("tcp", "udp")
            for family in FAMILIES
        ]
        flows = lab.run(*probes, *back)
        for probe, flow in zip([*probes, *back], flows, strict=True):
            assert flow.status == "answered", flow
            assert flow.answer is not None
            assert (flow.answer.server, flow.answer.peer) == (probe.target, flow.local)
            if probe.source_port:
                assert flow.local == Socket(address=LEFT[flow.family], port=probe.source_port)


def test_answers_come_from_the_address_that_was_dialled() -> None:
    second = {"ipv4": "198.51.100.2", "ipv6": "2001:db8:0:2::2"}
    with bench() as lab:
        lab.serve(numbers=(253,))
        address(lab.right, "eth0", second)
        probes = [
            lab.probe(
                protocol=protocol, number=253 if protocol == "ip" else 0, family=family, destination=place[family]
            )
            for protocol in ("tcp", "udp", "icmp", "ip")
            for family in FAMILIES
            for place in (RIGHT, second)
        ]
        for probe, flow in zip(probes, lab.run(*probes), strict=True):
            assert flow.status == "answered", flow  # a connected socket hears nobody else
            assert flow.arrival is not None
            assert flow.arrival.local.address == probe.destination


def test_chosen_source_address() -> None:
    second = {"ipv4": "192.0.2.2", "ipv6": "2001:db8:0:1::2"}
    with bench() as lab:
        lab.serve(numbers=(253,))
        address(lab.left, "eth0", second)
        probes = [
            lab.probe(
                protocol=protocol, number=253 if protocol == "ip" else 0, family=family, source_address=second[family]
            )
            for protocol in ("tcp", "udp", "icmp", "ip")
            for family in FAMILIES
        ]
        for bulk in (False, True):
            fresh = [lab.probe(**_wishes(probe)) for probe in probes]
            for flow in lab.engine.run(fresh, SHORT, bulk=bulk):
                assert flow.status == "answered", flow
                assert flow.local is not None
                assert flow.arrival is not None
                assert flow.local.address == flow.arrival.peer.address == second[flow.family]


def _wishes(probe: Probe) -> dict[str, Any]:
    return {name: getattr(probe, name) for name in ("protocol", "number", "family", "source_address")}


def test_announced_segment_size() -> None:
    with bench() as lab:
        lab.serve()
        (flow,) = lab.run(lab.probe(protocol="tcp", maxseg=1217))
        assert flow.status == "answered"


def test_bulk_gives_the_same_records() -> None:
    with bench() as lab:
        lab.serve()
        wanted = [
            {"protocol": protocol, "family": family, "port": port}
            for protocol in ("tcp", "udp")
            for family in FAMILIES
            for port in (80, 81)
            for _ in range(10)
        ]
        single = lab.run(*[lab.probe(**wanted) for wanted in wanted])
        bulk = lab.engine.run([lab.probe(**wanted) for wanted in wanted], SHORT, bulk=True)
        for one, other in zip(single, bulk, strict=True):
            assert other.local is not None
            assert other.answer == other.arrival
            assert other.answer is None or other.answer.peer == other.local
            own = {"id", "local", "arrival", "answer", "sent_ns", "done_ns"}
            assert one.model_dump(exclude=own) == other.model_dump(exclude=own)


def test_held_flows_are_resumed_from_the_server() -> None:
    with bench() as lab:
        lab.serve()
        masquerading(lab)
        probes = [lab.probe(protocol=protocol, family=family) for protocol in ("tcp", "udp") for family in FAMILIES]
        held = lab.engine.hold(probes, SHORT)
        for way, first in ((True, 100), (False, 200)):
            resumed = lab.engine.resume(dict(enumerate(held, start=first)), SHORT, from_server=way)
            for one, flow in zip(held, resumed, strict=True):
                opening = one.flow
                assert opening.arrival is not None
                assert opening.local is not None
                assert (opening.status, flow.status, flow.arrival) == ("answered", "answered", flow.answer)
                assert flow.arrival is not None
                if way:
                    assert (flow.source, flow.target, flow.path) == ("right", "left", "inbound")
                    assert (flow.local, flow.dialled) == (opening.arrival.local, opening.arrival.peer)
                    assert flow.arrival == Answer(server="left", peer=opening.dialled, local=opening.local)
                else:
                    assert (flow.source, flow.target, flow.path) == ("left", "right", "outbound")
                    assert flow.arrival == opening.arrival


def test_held_flows_that_the_network_forgot() -> None:
    with bench() as lab:
        lab.serve()
        probes = [lab.probe(protocol=protocol) for protocol in ("tcp", "udp")]
        never = lab.probe(port=81, protocol="tcp")
        held = lab.engine.hold([*probes, never], SHORT)
        assert [one.flow.status for one in held] == ["answered", "answered", "refused"]
        chain = nftables.Chain("forward", (nftables.Rule(nftables.drop()),), type="filter", hook="forward", priority=0)
        nftables.install(lab.router, nftables.Table("inet", "forgotten", (chain,)))
        flows = lab.engine.resume(dict(enumerate(held, start=100)), SHORT)
        assert [flow.status for flow in flows] == ["timeout", "timeout", "error"]
        assert all(flow.arrival is None for flow in flows)


def test_own_address_is_reached() -> None:
    with bench() as lab:
        lab.serve(name="left", namespace=lab.left, numbers=NUMBERS)
        probes = [
            lab.probe(protocol=protocol, number=132 if protocol == "ip" else 0, family=family, destination=LEFT[family])
            for protocol in ("tcp", "udp", "icmp", "ip")
            for family in FAMILIES
        ]
        for flow in lab.run(*probes):
            assert (flow.status, flow.arrival and flow.arrival.peer) == ("answered", flow.local)


def test_flow_ids_are_used_once() -> None:
    with bench() as lab:
        lab.run(lab.probe(id=7, tries=1))
        with pytest.raises(ValueError, match="twice"):
            lab.run(lab.probe(id=7))


def test_answer_from_elsewhere_does_not_count() -> None:
    with bench() as lab:
        lab.serve()
        address(lab.right, "eth0", {"ipv4": "198.51.100.2", "ipv6": "2001:db8:0:2::2"})
        other = socket.inet_aton("198.51.100.2")
        rewrite = nftables.rewrite("network", 12, other, checksum_at=10, pseudo_header=True)
        rule = nftables.Rule(rewrite, (nftables.transport("udp"),))
        chain = nftables.Chain("output", (rule,), type="filter", hook="output", priority=0)
        nftables.install(lab.right, nftables.Table("ip", "elsewhere", (chain,)))
        single = lab.run(lab.probe())
        bulk = lab.engine.run([lab.probe()], SHORT, bulk=True)
        assert [flow.status for flow in (*single, *bulk)] == ["timeout"] * 2
        assert bulk[0].detail == "answered from 198.51.100.2 port 80"


def test_one_port_has_one_server() -> None:
    with bench() as lab:
        lab.serve()
        with pytest.raises(ValueError, match="other"):
            lab.serve(name="other")


def test_taken_port_is_named() -> None:
    with bench() as lab, lab.right.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("0.0.0.0", 80))
        other.listen()
        with pytest.raises(OSError, match="right: port 80/ipv4"):
            lab.serve()
