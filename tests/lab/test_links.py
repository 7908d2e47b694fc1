"""Ports with partners: cables of a link testbed, wires on one event loop, and what a link scenario records."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.ports import Linking, Port
from conformance.lab.flow import Engine
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import PARTNERS, Lab
from conformance.lab.nftables import Chain, Rule, Table, drop, ether_destination, install
from conformance.lab.partners.wire import Wire, silence
from conformance.lab.plain import GROUPS, try_cables
from conformance.lab.taps.passive import hear
from conformance.lab.taps.tap import Recorder, Watch
from conformance.profile import Profile, load
from conformance.protocols import ethertypes
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import mac_bytes
from conformance.provoking.context import Context
from conformance.provoking.ports import Link, carrier, run_together, window
from conformance.recording.events import Event
from conformance.recording.events.links import Carrier
from conformance.recording.index import FrameIndex
from conformance.testbed import load as load_testbed

EXPERIMENT = ethertypes.octets(ethertypes.EXPERIMENT)


class Cables:
    """A subject that is nothing but the host's own cables."""

    powers = (Linking,)

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def ports(self) -> Sequence[Port]:
        """All of them."""
        assert self._lab.partners is not None
        host = self._lab.hosts["h1"]
        return [
            Port(cable.interface, host.name, cable.interface, self._lab.partners, PARTNERS, cable.far)
            for cable in host.cables
        ]


def stage_of(lab: Lab, recorder: Recorder, engine: Engine, subject: object) -> Context:
    profile = Profile.model_validate(load("plain-wire").model_dump(by_alias=True))
    return Context(lab, subject, recorder, engine, "fast", profile)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Greeted(Event, kind="greeted"):
    """A port was sent a frame."""


def folder() -> Path:
    return Path(tempfile.mkdtemp())


def test_every_port_is_cabled_to_a_partner() -> None:
    with Lab(load_testbed("links"), folder()) as lab:
        host = lab.hosts["h1"]
        assert lab.partners is not None
        assert [cable.interface for cable in host.cables] == ["port1", "port2", "port3", "port4"]
        macs = {mac for cable in host.cables for mac in (cable.mac, cable.far_mac)}
        assert len(macs) == 8
        for cable in host.cables:
            assert lab.partners.call(socket.if_nametoindex, cable.far)


def test_a_testbed_of_stations_has_no_ports() -> None:
    with Lab(load_testbed("same-subnet"), folder()) as lab:
        assert lab.partners is None
        assert not lab.hosts["h1"].cables


def heard_of(lab: Lab) -> dict[tuple[str, str], Mapping[str, int]]:
    """The places where frames of the plain cables were heard, by origin and group."""
    return {(event.source, group): heard for event in try_cables(lab) for group, heard in event.heard.items()}


def test_plain_cables_carry_every_group_to_their_other_end_once() -> None:
    with Lab(load_testbed("links"), folder()) as lab:
        heard = heard_of(lab)
    ends = {f"h1:port{number}": f"partners:h1p{number}" for number in range(1, 5)}
    ways = {**ends, **{far: near for near, far in ends.items()}}
    assert heard == {(source, group): {target: 1} for source, target in ways.items() for group in GROUPS}


def test_a_cable_that_drops_a_group_and_one_that_leads_elsewhere_are_found() -> None:
    """A wrong lab: it would pass for a bridge that keeps LLDP to itself, or for one that leaks."""
    with Lab(load_testbed("links"), folder()) as lab:
        host, partners = lab.hosts["h1"], lab.partners
        assert partners is not None
        dropped = Rule(drop(), (ether_destination(GROUPS[2]),), "a wrong lab")
        install(host.namespace, Table("netdev", "wrong", (Chain("out", (dropped,), hook="egress", device="port1"),)))
        patch = [rtnetlink.up(name, master="crossed") for name in ("h1p2", "h1p3")]
        netlink.transact(partners, [rtnetlink.link("crossed", "bridge", up=True)])
        netlink.transact(partners, patch)
        link.await_link(partners, "crossed")
        heard = heard_of(lab)
    assert heard["h1:port1", GROUPS[2]] == {}
    assert heard["h1:port1", GROUPS[0]] == {"partners:h1p1": 1}
    assert heard["h1:port2", GROUPS[3]] == {"h1:port3": 1, "partners:crossed": 1}
    assert heard["h1:port4", GROUPS[3]] == {"partners:h1p4": 1}


def test_scripts_run_at_the_same_time_on_all_ports() -> None:
    heard: dict[str, bytes | None] = {}

    async def greet(links: Sequence[Link]) -> None:
        async with window(context, "greeting", links[:2]):
            for link in links:
                link.send(b"\xff" * 6 + link.wire.mac + EXPERIMENT + link.name.encode(), Greeted())
            await silence(0.05)

    async def hear(links: Sequence[Link]) -> None:
        with Wire(context.lab.hosts["h1"].namespace, "port3") as far:
            heard["port3"] = await far.first(lambda frame: frame.endswith(b"port3"), 5.0)

    place = folder()
    with Lab(load_testbed("links"), place) as lab, Recorder() as recorder, Engine() as engine:
        assert lab.partners is not None
        recorder.watch_all([Watch(lab.partners, PARTNERS, "partner")])
        context = stage_of(lab, recorder, engine, Cables(lab))
        run_together(context, greet, hear)
        taps = recorder.stop(place / "frames.pcapng")
    assert heard["port3"] is not None
    greeted = [event.where for event in context.events if event.kind == Greeted.kind]
    assert greeted == ["port1", "port2", "port3", "port4"]
    assert {port.partner for port in context.ports} <= {tap.name for tap in taps if tap.role == "partner"}
    frames = FrameIndex((place / "frames.pcapng").read_bytes())
    for canary in context.windows[0].canaries:
        row = int(frames.find(bytes.fromhex(canary.nonce))[0])
        assert frames.taps[frames.tap[row]] == canary.tap
        assert not frames.outbound[row], "the canary came from the port"


def test_carrier_is_lost_and_found() -> None:
    async def toggle(links: Sequence[Link]) -> None:
        with carrier(links[0], up=False), pytest.raises(OSError, match="down"):
            links[0].wire.send(b"\xff" * 6 + links[0].wire.mac + EXPERIMENT + bytes(46))

    with Lab(load_testbed("links"), folder()) as lab, Recorder() as recorder, Engine() as engine:
        context = stage_of(lab, recorder, engine, Cables(lab))
        run_together(context, toggle)
        assert [event.detail["up"] for event in context.events if event.kind == Carrier.kind] == [False, True]


def test_listening_sends_nothing_and_hears_only_link_protocols() -> None:
    place = folder()
    with Lab(load_testbed("links"), place) as lab:
        host, cable = lab.hosts["h1"], lab.hosts["h1"].cables[0]
        assert lab.partners is not None
        pdu = lldp.frame_of(mac_bytes(cable.far_mac), lldp.mandatory(*lldp.local_ids("far", "p1"), 121))
        noise = b"\xff" * 6 + mac_bytes(cable.far_mac) + EXPERIMENT + bytes(46)
        with Recorder() as recorder, lab.partners.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as speaker:
            recorder.watch_all([Watch(host.namespace, "h1", "inside")])
            heard = threading.Thread(
                target=lambda: host.namespace.call(hear, cable.interface, 1.0, place / "heard.pcapng")
            )
            heard.start()
            while heard.is_alive():
                for frame in (pdu, noise):
                    speaker.sendto(frame, (cable.far, 0))
                heard.join(0.1)
            recorder.stop(place / "frames.pcapng")
    frames = FrameIndex((place / "heard.pcapng").read_bytes())
    assert len(frames) >= 5
    assert set(frames.ethertype.tolist()) == {ethertypes.LLDP}
    whole = FrameIndex((place / "frames.pcapng").read_bytes())
    assert not whole.select(tap=f"h1:{cable.interface}", outbound=True).size, "nothing was sent"


def test_a_subject_without_ports_is_refused() -> None:
    with (
        Lab(load_testbed("links"), folder()) as lab,
        Recorder() as recorder,
        Engine() as engine,
        pytest.raises(AdapterError, match="offers no ports"),
    ):
        run_together(stage_of(lab, recorder, engine, object()))


def test_a_script_that_fails_ends_the_others() -> None:
    async def refuse(links: Sequence[Link]) -> None:
        raise AdapterError("no")

    async def forever(links: Sequence[Link]) -> None:
        await asyncio.Event().wait()

    with (
        Lab(load_testbed("links"), folder()) as lab,
        Recorder() as recorder,
        Engine() as engine,
        pytest.raises(AdapterError, match="no"),
    ):
        run_together(stage_of(lab, recorder, engine, Cables(lab)), refuse, forever)
