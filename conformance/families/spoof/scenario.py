"""Spoofing: one endpoint sends in others' names, and, between that, what it may send; everybody else looks on. At last
it tries to have what is sent to its neighbour.

Each frame is written down whole: on other taps it is found as it was sent. What is forged names the kind of legitimate
frame that differs from it in the name alone: where not even that reaches anybody, nothing is said of the forgery.
"""

from __future__ import annotations

import socket
from typing import Final

from conformance import limits
from conformance.adapters.interface import Attachment
from conformance.families.spoof.scenario_forged import forged
from conformance.families.spoof.scenario_frames import (
    EVERYBODY,
    Frame,
    datagram,
    experiment,
    first_address,
    legitimate,
    mac_of,
)
from conformance.provoking.context import Context
from conformance.provoking.silence import keep_silent
from conformance.recording.events.isolation import ForgedSent, Form, LegitimateSent, LetterSent

THEFTS: Final = 3


def run(context: Context) -> None:
    """Attach an attacker, two neighbours on its host and one on another, and send."""
    first, other = context.hosts[0], context.hosts[-1]
    places = {"attacker": first, "neighbour": first, "friend": first, "observer": other}
    context.attach_all([(host, Attachment(name)) for name, host in places.items()])
    with context.window("spoof"):
        _send(context, LegitimateSent, list(legitimate(context)))
        _send(context, ForgedSent, list(forged(context)))
        _send(context, LegitimateSent, list(legitimate(context)))
        for _ in range(THEFTS):
            _steal(context)
    context.snapshot_hosts("after")


def _steal(context: Context) -> None:
    """The neighbour shows where it is, the attacker says that it is itself the neighbour, and a friend writes to the
    neighbour before and after that."""
    near, own = mac_of(context, "neighbour"), mac_of(context, "friend")
    forms: tuple[Form, Form] = ("before", "after")
    for form in forms:
        who = "neighbour" if form == "before" else "attacker"
        here, there, to = (first_address(context, name) for name in (who, "friend", "neighbour"))
        for frame in (experiment(context, near), datagram(context, EVERYBODY, near, here, there)):
            _put(context, who, _whole(frame))
        keep_silent(limits.BRIDGE_SETTLED)
        letter = _whole(datagram(context, near, own, there, to))
        context.event(LetterSent(where="friend", form=form, frame=letter.hex()))
        _put(context, "friend", letter)
        keep_silent(limits.BRIDGE_SETTLED)


def _send(context: Context, kind: type[ForgedSent | LegitimateSent], frames: list[Frame]) -> None:
    """From the attacker, each frame written down before it is sent."""
    for about, like, form, frame in frames:
        whole = _whole(frame)
        context.event(kind(where="attacker", about=about, like=like, form=form, frame=whole.hex()))
        _put(context, "attacker", whole)


def _whole(frame: bytes) -> bytes:
    return frame.ljust(60, b"\0")


def _put(context: Context, name: str, frame: bytes) -> None:
    endpoint = context.endpoints[name]
    with endpoint.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.sendto(frame, (endpoint.interface, 0))
