"""Spoofing: an endpoint sends under its own addresses alone, and never as a router or a DHCP server."""

from __future__ import annotations

import numpy as np

from conformance.judging.case import Case
from conformance.judging.evidence import taps_of
from conformance.judging.register import check
from conformance.recording.model import Event


def _seen_elsewhere(case: Case, event: Event) -> list[int]:
    """Numbers of the frames, as they were sent, that came in at any other endpoint."""
    frame = bytes.fromhex(event.detail["frame"]).rstrip(b"\0")
    index = case.recording.frames
    rows = index.find(frame)
    others = [number for one in case.endpoints if one.name != event.where for number in taps_of(case, one.name)]
    return [int(row) + 1 for row in rows[np.isin(index.tap[rows], others) & ~index.outbound[rows]]]


def _events(case: Case, kind: str, about: str) -> list[Event]:
    found = [one for one in case.recording.record.events if one.kind == kind and one.detail["about"] == about]
    case.require(found, f"nothing {kind} of this kind was sent")
    return found


def _discarded(case: Case, about: str) -> None:
    """What was forged reached nobody, while what is legitimate of the same kind did, before and after."""
    case.window("spoof")
    for event in _events(case, "legitimate", about):
        case.require(_seen_elsewhere(case, event), f"not even {event.detail['form']} reached anybody")
    for event in _events(case, "forged", about):
        frames = _seen_elsewhere(case, event)
        case.expect(
            not frames,
            expected="what is sent in another's name is discarded at the port",
            seen=f"{event.detail['form']} reached others",
            frames=frames,
        )


@check("spoof.source-mac", scenario="spoof")
def test_source_mac(case: Case) -> None:
    """Frames with a source MAC address that is not the endpoint's are discarded."""
    _discarded(case, "source-mac")


@check("spoof.source-address", scenario="spoof")
def test_source_address(case: Case) -> None:
    """Packets with a source address that is not the endpoint's are discarded."""
    _discarded(case, "source-address")


@check("spoof.arp", scenario="spoof")
def test_arp(case: Case) -> None:
    """ARP in another's name is discarded."""
    _discarded(case, "arp")


@check("spoof.neighbour-discovery", scenario="spoof")
def test_neighbour_discovery(case: Case) -> None:
    """Neighbour discovery in another's name is discarded, and so are router advertisements and redirects."""
    _discarded(case, "neighbour-discovery")


@check("spoof.dhcp-server", scenario="spoof")
def test_dhcp_server(case: Case) -> None:
    """What only DHCP servers send is discarded."""
    _discarded(case, "dhcp-server")


@check("spoof.legitimate", scenario="spoof")
def test_legitimate(case: Case) -> None:
    """What an endpoint sends under its own addresses passes, whatever it tried before."""
    sent = [one for one in case.recording.record.events if one.kind == "legitimate"]
    case.require(sent, "nothing legitimate was sent")
    for event in sent:
        case.expect(
            _seen_elsewhere(case, event),
            expected="what an endpoint sends under its own addresses passes",
            seen=f"{event.detail['form']} reached nobody",
        )
