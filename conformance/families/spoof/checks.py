"""Spoofing: an endpoint sends under its own addresses alone, and never as a router or a DHCP server."""

from __future__ import annotations

import numpy as np

from conformance.judging.case import Case
from conformance.judging.flows import taps_of
from conformance.judging.register import check
from conformance.protocols.ethertypes import behind_tags
from conformance.recording.events.isolation import ForgedSent, LegitimateSent, LetterSent, Subject

Sent = ForgedSent | LegitimateSent | LetterSent

ADDRESSES = 12
"""Octets of a frame's two addresses, in front of its tags and its type."""


def _seen_elsewhere(case: Case, event: Sent) -> list[int]:
    """Numbers of the frames, as they were sent, that came in at any other endpoint."""
    return _seen_at(case, event, *(one.name for one in case.endpoints if one.name != event.where))


def _seen_at(case: Case, event: Sent, *names: str) -> list[int]:
    """Numbers of the frames that came in there: as they were sent, or without tags that they had."""
    frame = bytes.fromhex(event.frame)
    at = behind_tags(frame)[1] - 2
    index = case.recording.frames
    rows = index.find(frame[at:].rstrip(b"\0") if at > ADDRESSES else frame.rstrip(b"\0"))
    rows = np.array([row for row in rows.tolist() if index.frame(row)[:ADDRESSES] == frame[:ADDRESSES]], dtype=np.int64)
    others = [number for name in names for number in taps_of(case, name)]
    return [int(row) + 1 for row in rows[np.isin(index.tap[rows], others) & ~index.outbound[rows]]]


def _discarded(case: Case, about: Subject) -> None:
    """What was forged reached nobody, while what is legitimate of the same kind did, before and after."""
    case.window("spoof")
    forged = [event for event in case.all(ForgedSent) if event.about == about]
    case.require(forged, "nothing forged of this kind was sent")
    legitimate = [event for event in case.all(LegitimateSent) if event.about == about]
    case.require(legitimate, "nothing legitimate of this kind was sent")
    barred = {event.like: event.form for event in legitimate if not _seen_elsewhere(case, event)}
    kinds = {event.like for event in forged}
    case.require(kinds - barred.keys(), f"not even {' and '.join(barred.values())} reached anybody")
    for event in forged:
        if event.like in barred:
            case.note(f"nothing is said of {event.form}: not even {barred[event.like]} arrived")
            continue
        frames = _seen_elsewhere(case, event)
        case.expect(
            not frames,
            expected="what is sent in another's name is discarded at the port",
            seen=f"{event.form} reached others",
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
    sent = case.all(LegitimateSent)
    case.require(sent, "nothing legitimate was sent")
    for event in sent:
        case.expect(
            _seen_elsewhere(case, event),
            expected="what an endpoint sends under its own addresses passes",
            seen=f"{event.form} reached nobody",
        )


@check("spoof.entry-stays", scenario="spoof")
def test_entry_stays(case: Case) -> None:
    """Who sends under another's MAC address does not get, nor keep from it, what is sent there."""
    case.window("spoof")
    letters = case.all(LetterSent)
    before = [one for one in letters if one.form == "before"]
    lost = [one for one in before if not _seen_at(case, one, "neighbour")]
    case.require(before and not lost, "the neighbour did not even get what was sent to it before")
    for letter in letters:
        if letter.form == "after":
            stolen = _seen_at(case, letter, "attacker")
            case.expect(
                _seen_at(case, letter, "neighbour"),
                expected="what is sent to an endpoint reaches it, whoever sent under its MAC address",
                seen=f"it {'came to the sender of the forgery' if stolen else 'reached nobody'}",
                frames=stolen,
            )
