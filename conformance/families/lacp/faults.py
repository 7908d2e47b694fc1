"""Faults of link aggregation: the reference switch, misbehaving in one way each."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from conformance.adapters.reference_lacp.switch import Misconduct
from conformance.protocols.lacp.frames import State
from conformance.protocols.lacp.participant import ParticipantConduct
from conformance.protocols.mac import mac_bytes
from conformance.protocols.stp import frames as stp
from conformance.selftest.fault import Fault, link_fault

NETWORK: Final = "reference-lacp"
CARRYING: Final = State.COLLECTING | State.DISTRIBUTING


def _to_bridge_group(frame: bytes) -> bytes:
    return mac_bytes(stp.GROUP) + frame[6:]


def _without_collector(frame: bytes) -> bytes:
    return frame[:56]


def _wrong_length(frame: bytes) -> bytes:
    return frame[:37] + b"\x12" + frame[38:]


def _leaking(frame: bytes) -> bytes:
    """Reserved octets behind the actor's, the collector's and the terminator's information are what was there."""
    return frame[:33] + b"\x7f\x1a\x02" + frame[36:60] + b"heap" + frame[64:]


def _of_another_port(frame: bytes) -> bytes:
    """A Marker Response with the next port number."""
    return frame[:18] + (int.from_bytes(frame[18:20], "big") + 1 & 0xFFFF).to_bytes(2, "big") + frame[20:]


def _overlong_marker(frame: bytes) -> bytes:
    """A Marker Response whose TLV says length 20."""
    return frame[:17] + b"\x14" + frame[18:]


def _fault(name: str, title: str, *fails: str, label: str = "", other: Misconduct | None = None, **lacp: Any) -> Fault:
    conduct = other or Misconduct(lacp=partial(ParticipantConduct, **lacp))
    return link_fault(f"lacp-{name}", title, NETWORK, conduct, *(f"lacp.{fail}" for fail in fails), label=label)


FAULTS = (
    _fault(
        "to-bridge-group", "LACPDUs go to 01-80-C2-00-00-00", "pdu-format", label="F-LACP-01b",
        malform=_to_bridge_group,
    ),
    _fault("short", "LACPDUs end before the collector's TLV", "pdu-format", malform=_without_collector),
    _fault("wrong-length", "the partner's TLV has length 18", "pdu-format", malform=_wrong_length),
    _fault("leaks", "reserved octets hold what was in memory", "pdu-format", malform=_leaking),
    _fault("not-echoed", "the partner fields stay empty", "partner-echoed", "state-order", label="X-18", echoes=False),
    _fault("own-rate", "the rate follows the own timeout", "rate-follows-partner", label="X-19", own_rate=True),
    _fault("unlimited", "four LACPDUs leave at once", "rate-follows-partner", label="F-LACP-03b", limited=False),
    _fault("never-expires", "the partner's silence is not noticed", "expiry", label="F-LACP-04a", expires=False),
    _fault(
        "early-data", "data leaves by a link that is not ready", "no-early-data", "expiry", "own-system",
        label="F-LACP-05a", other=Misconduct(distribution="unready"),
    ),
    _fault("boasts", "Collecting and Distributing are always said", "state-order",
           flaunted=CARRYING),
    _fault("not-choosy", "ports of other partners join", "selection", label="F-LACP-06a", choosy=False),
    _fault("own-system", "ports that hear their own system join", "own-system", loops=True),
    _fault("in-turn", "frames leave by each link in turn", "conversation-order", label="F-LACP-05c",
           other=Misconduct(distribution="in-turn")),
    _fault("to-all", "frames leave by every link", "conversation-order", label="F-LACP-05b",
           other=Misconduct(distribution="to-all")),
    _fault("markers-ignored", "markers are not answered", "marker-answered", label="F-LACP-07b",
           answers_markers=False),
    _fault("marker-of-another", "markers are answered with another port", "marker-answered",
           malform_marker=_of_another_port),
    _fault("marker-misdrawn", "the TLV of a Marker Response has length 20", "marker-answered",
           malform_marker=_overlong_marker),
    _fault("waits", "an active group waits to be spoken to", "active-speaks", "expiry",
           other=Misconduct(activity=False)),
    _fault("butts-in", "a passive group speaks first", "passive-answers", other=Misconduct(activity=True)),
    _fault("dies", "a port ends with the first LACPDU of another length", "malformed-survived",
           other=Misconduct(dies=True)),
)  # fmt: skip
