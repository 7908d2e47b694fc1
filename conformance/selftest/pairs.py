"""Planted faults of the family pair: the first of two implementations misbehaves, the second is sound."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from conformance.adapters.aggregator.switch import Misconduct
from conformance.frames import bpdu, lldp
from conformance.frames.slow import State
from conformance.lab.lab import Host, Lab
from conformance.lab.nftables import destination, drop, in_interface, masquerade, out_interface, source, state
from conformance.partners.lacp import Conduct as Participant
from conformance.partners.lldp import Conduct
from conformance.selftest.chains import Planted, forwarding, source_translation
from conformance.selftest.fault import Fault, rule_hit
from conformance.selftest.interposer import Flaw


def _leaving(host: Host, _: Lab) -> Planted:
    return [(masquerade(), (source(host.workload_ipv4), out_interface(host.uplink)))]


def _arriving(host: Host, _: Lab) -> Planted:
    return [(masquerade(), (in_interface(host.uplink), destination(host.workload_ipv4)))]


def _unasked(host: Host, _: Lab) -> Planted:
    return [(drop(), (in_interface(host.uplink), destination(host.workload_ipv6), state("new")))]


def _mute(host: Host, _: Lab) -> Planted:
    return [(drop(), (source(host.workload_ipv4), out_interface(host.uplink)))]


_SOUND = Fault(
    name="pair",
    title="nothing",
    network="routed-64",
    partner="plain-wire",
    testbed="routed",
    fails=frozenset({"pair.reach"}),
    witness=rule_hit,
)

_NETWORK_FAULTS = (
    replace(
        _SOUND,
        name="pair-masquerade",
        title="in a pair, one side hides its endpoints behind its host",
        fails=frozenset({"pair.addresses-kept", "pair.sends"}),
        on_network=source_translation("ip", _leaving),
    ),
    replace(
        _SOUND,
        name="pair-inbound-masquerade",
        title="in a pair, one side hides from its endpoints who speaks to them",
        fails=frozenset({"pair.addresses-kept", "pair.delivers"}),
        on_network=source_translation("ip", _arriving),
    ),
    replace(
        _SOUND,
        name="pair-deaf",
        title="in a pair, one side drops what the other opens over IPv6",
        fails=frozenset({"pair.reach", "pair.delivers"}),
        on_network=forwarding("ip6", _unasked),
    ),
    replace(
        _SOUND,
        name="pair-mute",
        title="in a pair, nothing of one side's endpoints leaves its host over IPv4",
        fails=frozenset({"pair.reach", "pair.sends"}),
        on_network=forwarding("ip", _mute),
    ),
)


def _agent(name: str, title: str, conduct: Conduct, *fails: str) -> Fault:
    """One of two reference agents misbehaves, the left one."""
    return Fault(
        name=f"pair-lldp-{name}",
        title=title,
        network="reference-lldp",
        partner="reference-lldp",
        testbed="links",
        fails=frozenset(f"pair.lldp-{fail}" for fail in fails),
        conduct=conduct,
        witness=rule_hit,
    )


def _drop_bpdus(frame: bytes) -> list[bytes]:
    return [] if bpdu.parse(frame) is not None else [frame]


def _without_port(frame: bytes) -> bytes:
    """An LLDPDU whose Port ID is taken out."""
    told = lldp.parse(frame)
    assert told is not None
    tlvs = [lldp.tlv(each.type, each.value) for each in told.tlvs if each.type not in (lldp.PORT, lldp.END)]
    return lldp.frame_of(told.source, tlvs)


_LINK_FAULTS = (
    _agent("silent", "in a pair, one agent says nothing", Conduct(silent=True), "shown", "speaks"),
    _agent("blind", "in a pair, one agent shows nobody", Conduct(learns=False), "shown", "hears"),
    _agent("ageless", "in a pair, one agent forgets nobody", Conduct(ages=False), "aged", "hears"),
    _agent(
        "nameless", "in a pair, one agent leaves its Port ID out", Conduct(malform=_without_port), "shown", "speaks"
    ),
)


def _participant(name: str, title: str, *fails: str, **lacp: Any) -> Fault:
    """One of two reference switches misbehaves, the left one."""
    return Fault(
        name=f"pair-lacp-{name}",
        title=title,
        network="reference-lacp",
        partner="reference-lacp",
        testbed="links",
        fails=frozenset(f"pair.lacp-{fail}" for fail in fails),
        conduct=Misconduct(lacp=partial(Participant, **lacp)),
        witness=rule_hit,
    )


def _bridge(name: str, title: str, flaw: Flaw, *fails: str) -> Fault:
    """One of two kernel bridges misbehaves, the left one, where it is not the root."""
    return Fault(
        name=f"pair-stp-{name}",
        title=title,
        network="linux-bridge",
        partner="linux-bridge",
        testbed="links",
        fails=frozenset(f"pair.stp-{fail}" for fail in fails),
        conduct=flaw,
        witness=rule_hit,
    )


_SWITCH_FAULTS = (
    _participant(
        "not-echoed", "in a pair, one switch does not repeat what its partner told", "carries", "echoes", echoes=False
    ),
    _participant(
        "out-of-step", "in a pair, one switch never goes into step", "carries", "joins", withheld=State.SYNCHRONIZATION
    ),
    _participant(
        "never-expires", "in a pair, one switch does not notice the silence of a link", "survives", "expires",
        expires=False,
    ),
    replace(
        _participant("flatters", "in a pair, one switch shows a silent link in use", "view"),
        conduct=Misconduct(flatters=True),
    ),
    _bridge("misleads", "in a pair, one bridge shows every station behind one port",
            Flaw(bridge="br-right-root", misleads=True), "view"),
    _bridge("deaf", "in a pair, one bridge hears no BPDU: a loop", Flaw(bridge="br-right-root", inward=_drop_bpdus),
            "once", "root", "one-way"),
    _bridge("carrier-hidden", "in a pair, one bridge does not notice that a cable is lost",
            Flaw(bridge="br-right-root", hides_carrier=True), "heals", "one-way"),
)  # fmt: skip
FAULTS = (*_NETWORK_FAULTS, *_LINK_FAULTS, *_SWITCH_FAULTS)
