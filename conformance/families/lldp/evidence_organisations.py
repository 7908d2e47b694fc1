"""The form of organizationally specific TLVs whose organisation publishes it: IEEE 802.1, IEEE 802.3, and LLDP-MED.

A TLV of another organisation, or of a subtype that is not here, is only held to having both (IEEE 802.1AB-2016 §8.6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

IEEE_802_1 = bytes.fromhex("0080c2")
IEEE_802_3 = bytes.fromhex("00120f")
TIA = bytes.fromhex("0012bb")
LONGEST_NAME = 32
"""Octets of a VLAN's name (IEEE 802.1Q-2018 D.2.3), and of a string of LLDP-MED (ANSI/TIA-1057 §10.2.6)."""
_HEAD = 4
Form = Callable[[bytes], str | None]


def organisation_problem(value: bytes) -> str | None:
    """What is wrong with the value of an organizationally specific TLV, from its OUI on; None for nothing known."""
    if len(value) < _HEAD:
        return f"{len(value)} bytes, too few for OUI and subtype"
    name, form = _FORMS.get((value[:3], value[3]), ("", None))
    problem = form(value[_HEAD:]) if form is not None else None
    return None if problem is None else f"{name}: {problem}"


def _sized(*allowed: int) -> Form:
    """A form of one of these lengths behind the subtype."""

    def problem(rest: bytes) -> str | None:
        words = " or ".join(str(_HEAD + size) for size in allowed)
        return None if len(rest) in allowed else f"{_HEAD + len(rest)} bytes, not {words}"

    return problem


def _vlan_name(rest: bytes) -> str | None:
    """A VLAN of two octets, the length of its name, and the name."""
    if len(rest) < 3:
        return f"{_HEAD + len(rest)} bytes end before the length of the name"
    told, there = rest[2], len(rest) - 3
    if told > LONGEST_NAME:
        return f"a name of {told} bytes, more than {LONGEST_NAME}"
    return None if told == there else f"a name of {told} bytes, and {there} follow"


def _identity(rest: bytes) -> str | None:
    """The length of a protocol's first octets, and those."""
    told, there = (rest[0], len(rest) - 1) if rest else (0, 0)
    if not rest:
        return "no length of the protocol's identity"
    return None if told == there else f"an identity of {told} bytes, and {there} follow"


def _applications(rest: bytes) -> str | None:
    """One reserved octet and three for each entry."""
    return None if len(rest) % 3 == 1 else f"{_HEAD + len(rest)} bytes, not 5 and 3 for each entry"


def _text(rest: bytes) -> str | None:
    return f"{len(rest)} bytes of text, more than {LONGEST_NAME}" if len(rest) > LONGEST_NAME else None


def _location(rest: bytes) -> str | None:
    """The format of the data, and the data: 16 octets of coordinates, a civic address that says its length, or 10 to 25
    digits (ANSI/TIA-1057 §10.2.4.3)."""
    if not rest:
        return "no format of the location"
    kind, data = rest[0], rest[1:]
    if kind == 1 and len(data) != 16:
        return f"coordinates of {len(data)} bytes, not 16"
    if kind == 2 and (not data or data[0] != len(data) - 1):
        return f"a civic address of {data[0] if data else 'no'} bytes, and {max(0, len(data) - 1)} follow"
    return f"{len(data)} digits, not 10 to 25" if kind == 3 and not 10 <= len(data) <= 25 else None


_FORMS: Mapping[tuple[bytes, int], tuple[str, Form]] = {
    (IEEE_802_1, 1): ("Port VLAN ID", _sized(2)),
    (IEEE_802_1, 2): ("Port and Protocol VLAN ID", _sized(3)),
    (IEEE_802_1, 3): ("VLAN Name", _vlan_name),
    (IEEE_802_1, 4): ("Protocol Identity", _identity),
    (IEEE_802_1, 5): ("VID Usage Digest", _sized(4)),
    (IEEE_802_1, 6): ("Management VID", _sized(2)),
    (IEEE_802_1, 7): ("Link Aggregation", _sized(5)),
    (IEEE_802_1, 8): ("Congestion Notification", _sized(2)),
    (IEEE_802_1, 9): ("ETS Configuration", _sized(21)),
    (IEEE_802_1, 10): ("ETS Recommendation", _sized(21)),
    (IEEE_802_1, 11): ("Priority-based Flow Control", _sized(2)),
    (IEEE_802_1, 12): ("Application Priority", _applications),
    (IEEE_802_3, 1): ("MAC/PHY Configuration", _sized(5)),
    (IEEE_802_3, 2): ("Power via MDI", _sized(3, 8, 25)),
    (IEEE_802_3, 3): ("Link Aggregation", _sized(5)),
    (IEEE_802_3, 4): ("Maximum Frame Size", _sized(2)),
    (IEEE_802_3, 5): ("Energy-Efficient Ethernet", _sized(10)),
    (TIA, 1): ("MED Capabilities", _sized(3)),
    (TIA, 2): ("MED Network Policy", _sized(4)),
    (TIA, 3): ("MED Location", _location),
    (TIA, 4): ("MED Extended Power", _sized(3)),
    **{(TIA, subtype): ("MED inventory", _text) for subtype in range(5, 12)},
}
"""IEEE 802.1Q-2018 Annex D.2, IEEE 802.3-2018 §79.3, ANSI/TIA-1057 §10.2: name and form behind the subtype."""
