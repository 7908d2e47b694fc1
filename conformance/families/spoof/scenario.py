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

THEFTS: Final = 3


def run(context: Context) -> None:
    """Attach an attacker, two neighbours on its host and one on another, and send."""
    first, other = context.hosts[0], context.hosts[-1]
    places = {"attacker": first, "neighbour": first, "friend": first, "observer": other}
    context.attach_all([(host, Attachment(name)) for name, host in places.items()])
    with context.window("spoof"):
        _send(context, "legitimate", list(legitimate(context)))
        _send(context, "forged", list(forged(context)))
        _send(context, "legitimate", list(legitimate(context)))
        for _ in range(THEFTS):
            _steal(context)
    context.snapshot_hosts("after")


def _steal(context: Context) -> None:
    """The neighbour shows where it is, the attacker says that it is itself the neighbour, and a friend writes to the
    neighbour before and after that."""
    near, own = mac_of(context, "neighbour"), mac_of(context, "friend")
    for form in ("before", "after"):
        who = "neighbour" if form == "before" else "attacker"
        here, there, to = (first_address(context, name) for name in (who, "friend", "neighbour"))
        shown = [experiment(context, near), datagram(context, EVERYBODY, near, here, there)]
        _send(context, "shown", [("entry", "frame", who, frame) for frame in shown], who)
        keep_silent(limits.BRIDGE_SETTLED)
        _send(context, "letter", [("entry", "datagram", form, datagram(context, near, own, there, to))], "friend")
        keep_silent(limits.BRIDGE_SETTLED)


def _send(context: Context, kind: str, frames: list[Frame], name: str = "attacker") -> None:
    endpoint = context.endpoints[name]
    with endpoint.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for about, like, form, frame in frames:
            whole = frame.ljust(60, b"\0")
            context.event(kind, name, about=about, like=like, form=form, frame=whole.hex())
            sender.sendto(whole, (endpoint.interface, 0))
