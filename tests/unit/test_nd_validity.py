"""A receiver takes only valid messages of neighbour discovery for one (RFC 4861 §7.1.1, §7.1.2)."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from conformance.families.nd.evidence import valid
from conformance.judging.case import Case
from conformance.protocols import ndp
from conformance.testing import Frame, recording

ADDRESS = IPv6Address("2001:db8::1")
FRAME = ndp.advertisement(ADDRESS, "00:00:5e:00:53:01")


def summed(frame: bytes) -> bytes:
    """The frame with a right checksum."""
    bare = frame[:56] + b"\0\0" + frame[58:]
    total = ndp.checksum(bare[22:54] + len(bare[54:]).to_bytes(4, "big") + b"\0\0\0\x3a" + bare[54:])
    return bare[:56] + total.to_bytes(2, "big") + bare[58:]


@pytest.mark.parametrize(
    ("frame", "holds"),
    [
        pytest.param(FRAME, True, id="as drawn"),
        pytest.param(ndp.advertisement(ADDRESS, "00:00:5e:00:53:01", option=False), True, id="without option"),
        pytest.param(ndp.advertisement(ADDRESS, "00:00:5e:00:53:01", hop_limit=254), False, id="from afar"),
        pytest.param(summed(FRAME[:55] + b"\1" + FRAME[56:]), False, id="code 1"),
        pytest.param(FRAME[:56] + b"\xde\xad" + FRAME[58:], False, id="wrong checksum"),
        pytest.param(summed(FRAME[:79] + b"\0" + FRAME[80:]), False, id="option of length 0"),
        pytest.param(summed(FRAME[:79] + b"\2" + FRAME[80:]), False, id="option longer than the message"),
    ],
)
def test_a_message_is_valid(frame: bytes, holds: bool) -> None:
    made = recording(frames=[Frame("h1:eth0", frame)])
    message = ndp.parse(frame)
    assert message is not None
    assert valid(Case(made, {}), 0, message) is holds
