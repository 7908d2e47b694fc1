"""Real Open vSwitch on several hosts of a lab: two bonds negotiate, and our participant agrees with what they say."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from conformance import limits
from conformance.adapters.interface import Unavailable
from conformance.adapters.interface.ports import LagConfig
from conformance.adapters.openvswitch import OpenVSwitch, adapter
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Lab
from conformance.lab.taps.listen import FrameListener
from conformance.profile import load
from conformance.protocols.lacp.frames import State, lacpdu
from conformance.testbed import load as load_testbed

pytestmark = [pytest.mark.lab, pytest.mark.peers]

LINKS = ("member1", "member2")
CARRYING = State.SYNCHRONIZATION | State.COLLECTING | State.DISTRIBUTING


def _cabled(lab: Lab) -> None:
    """Two links between the hosts, and an access port on each."""
    first, second = lab.hosts["h1"], lab.hosts["h2"]
    for name in LINKS:
        ends = rtnetlink.veth(name, name, second.namespace.descriptor, mtu=1500, up=True)
        netlink.transact(first.namespace, [ends])
        netlink.transact(second.namespace, [rtnetlink.up(name)])
    for host in (first, second):
        ends = rtnetlink.veth("access", "station", host.namespace.descriptor, mtu=1500, up=True)
        netlink.transact(host.namespace, [ends, rtnetlink.up("station")])


def _carries(frame: bytes) -> bool:
    timers = lacpdu(frame)
    return timers is not None and all(CARRYING in who.state for who in (timers.actor, timers.partner))


def test_two_bonds_negotiate() -> None:
    made = adapter(load("ovs-bond"))
    if isinstance(made.identify(), Unavailable):
        pytest.skip("needs openvswitch-switch")
    with Lab(load_testbed("same-subnet"), Path(tempfile.mkdtemp())) as lab, ExitStack() as resources:
        _cabled(lab)
        subject = resources.enter_context(made.deploy(lab))
        assert isinstance(subject, OpenVSwitch)
        heard = [
            resources.enter_context(FrameListener(host.namespace, name))
            for host in lab.hosts.values()
            for name in LINKS
        ]
        for host in lab.hosts.values():
            subject.aggregate(host, "access", [LagConfig("lag", LINKS)])
        for one in heard:
            one.wait(_carries, limits.LACP_UP)
        for host in lab.hosts.values():
            said = subject.explain(host)["lacp"]
            assert "status: active negotiated" in said
            assert said.count("current attached") == len(LINKS)


def test_each_host_has_a_switch_of_its_own() -> None:
    made = adapter(load("ovs-bridge"))
    if isinstance(made.identify(), Unavailable):
        pytest.skip("needs openvswitch-switch")
    with Lab(load_testbed("same-subnet"), Path(tempfile.mkdtemp())) as lab, made.deploy(lab) as subject:
        _cabled(lab)
        first, second = lab.hosts.values()
        subject.aggregate(first, "access", [LagConfig("lag", LINKS)])
        assert "lag" in subject.explain(first)["bonds"]
        assert "lag" not in subject.explain(second)["bonds"]
