"""Which addresses no endpoint may have."""

from __future__ import annotations

import pytest

from conformance.families.addr.checks import _reserved
from conformance.recording.model import AddressState


@pytest.mark.parametrize(
    ("address", "length", "reserved"),
    [
        ("10.1.0.0", 24, True),
        ("10.1.0.255", 24, True),
        ("10.1.0.1", 24, False),
        ("10.1.0.0", 31, False),
        ("10.1.0.255", 32, False),
        ("2001:db8::", 64, False),
    ],
)
def test_network_and_broadcast_addresses_are_reserved(address: str, length: int, reserved: bool) -> None:
    state = AddressState(address=address, prefix_length=length, scope="global")
    assert _reserved(state) is reserved
