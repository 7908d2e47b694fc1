"""Planted faults of the family pair: the first of two implementations misbehaves, the second is sound."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from conformance.adapters.reference_lacp.switch import Misconduct
from conformance.families.bridge.faults_interposer import Flaw
from conformance.families.stp.faults import drop_bpdus
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import destination, drop, in_interface, masquerade, out_interface, source, state
from conformance.protocols.lacp.frames import State
from conformance.protocols.lacp.participant import ParticipantConduct as Participant
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp.agent import AgentConduct
from conformance.selftest.chains import Planted, forwarding, source_translation
from conformance.selftest.fault import Fault, link_fault, rule_hit


def _leaving(host: Host, _: Lab) -> Planted:
    return [(masquerade(), (source(host.workload_ipv4), out_interface(host.uplink)))]


def _arriving(host: Host, _: Lab) -> Planted:
    return [(masquerade(), (in_interface(host.uplink), destination(host.workload_ipv4)))]


def _unasked(host: Host, _: Lab) -> Planted:
    return [(drop(), (in_interface(host.uplink), destination(host.workload_ipv6), state("new")))]


def _mute(host: Host, _: Lab) -> Planted:
    return [(drop(), (source(host.workload_ipv4), out_interface(host.uplink)))]


def _network(name: str, title: str, on_network: Callable[[Lab], None], *fails: str) -> Fault:
    """A sound network misbehaves towards plain machines."""
    return Fault(
        name=f"pair-{name}",
        title=title,
        network="routed-64",
        partner="plain-wire",
        testbed="routed",
        fails=frozenset(f"pair.{fail}" for fail in fails),
        witness=rule_hit,
        on_network=on_network,
    )


def _speaker(family: str, name: str, title: str, sort: str, conduct: Any, *fails: str) -> Fault:
    """One of two speakers of one sort misbehaves, the left one."""
    broken = (f"pair.{family}-{fail}" for fail in fails)
    return link_fault(f"pair-{family}-{name}", title, sort, conduct, *broken, partner=sort)


def _agent(name: str, title: str, conduct: AgentConduct, *fails: str) -> Fault:
    return _speaker("lldp", name, title, "reference-lldp", conduct, *fails)


def _participant(name: str, title: str, conduct: Misconduct, *fails: str) -> Fault:
    return _speaker("lacp", name, title, "reference-lacp", conduct, *fails)


def _bridge(name: str, title: str, *fails: str, **flaw: Any) -> Fault:
    """The left bridge misbehaves where it is not the root."""
    return _speaker("stp", name, title, "linux-bridge", Flaw(bridge="br-right-root", **flaw), *fails)


def _without_port(frame: bytes) -> bytes:
    """An LLDPDU whose Port ID is taken out."""
    told = lldp.parse(frame)
    assert told is not None
    tlvs = [lldp.tlv(each.type, each.value) for each in told.tlvs if each.type not in (lldp.PORT, lldp.END)]
    return lldp.frame_of(told.source, tlvs)


FAULTS = (
    _network("masquerade", "in a pair, one side hides its endpoints behind its host",
             source_translation("ip", _leaving), "addresses-kept", "sends"),
    _network("inbound-masquerade", "in a pair, one side hides from its endpoints who speaks to them",
             source_translation("ip", _arriving), "addresses-kept", "delivers"),
    _network("deaf", "in a pair, one side drops what the other opens over IPv6",
             forwarding("ip6", _unasked), "reach", "delivers"),
    _network("mute", "in a pair, nothing of one side's endpoints leaves its host over IPv4",
             forwarding("ip", _mute), "reach", "sends"),
    _agent("silent", "in a pair, one agent says nothing", AgentConduct(silent=True), "shown", "speaks"),
    _agent("blind", "in a pair, one agent shows nobody", AgentConduct(learns=False), "shown", "hears"),
    _agent("ageless", "in a pair, one agent forgets nobody", AgentConduct(ages=False), "aged", "hears"),
    _agent("nameless", "in a pair, one agent leaves its Port ID out", AgentConduct(malform=_without_port),
           "shown", "speaks"),
    _participant("not-echoed", "in a pair, one switch does not repeat what its partner told",
                 Misconduct(lacp=partial(Participant, echoes=False)), "carries", "echoes"),
    _participant("out-of-step", "in a pair, one switch never goes into step",
                 Misconduct(lacp=partial(Participant, withheld=State.SYNCHRONIZATION)), "carries", "joins"),
    _participant("never-expires", "in a pair, one switch does not notice the silence of a link",
                 Misconduct(lacp=partial(Participant, expires=False)), "survives", "expires"),
    _participant("flatters", "in a pair, one switch shows a silent link in use", Misconduct(flatters=True), "view"),
    _bridge("misleads", "in a pair, one bridge shows every station behind one port", "view", misleads=True),
    _bridge("deaf", "in a pair, one bridge hears no BPDU: a loop", "once", "root", "one-way", inward=drop_bpdus),
    _bridge("carrier-hidden", "in a pair, one bridge does not notice that a cable is lost", "heals", "one-way",
            hides_carrier=True),
)  # fmt: skip
