"""MAC addresses: their forms, and one place that turns one into another."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.protocols.mac import mac_bytes, mac_from, mac_number, mac_of_number, mac_text, multicast_mac

PACKAGE = Path(__file__).parents[2] / "conformance"
TURNS = re.compile(r"""\.hex\(["']:["']\)|\.replace\(":", ""\)""")
ELSEWHERE = {"management.py"}
"""A management address of a family that is not known is shown as octets; it is no MAC address."""


@given(st.binary(min_size=6, max_size=6))
def test_the_forms_are_of_one_address(octets: bytes) -> None:
    text = mac_text(octets)
    assert mac_bytes(text) == octets
    assert mac_of_number(mac_number(text)) == text
    assert mac_from(text) == text


@pytest.mark.parametrize(
    "written", ["0000.5e00.53AB", "00-00-5E-00-53-AB", "00:00:5e:00:53:ab", "00005e-0053ab", "00005E0053AB"]
)
def test_every_notation_is_read(written: str) -> None:
    assert mac_from(written) == "00:00:5e:00:53:ab"


@pytest.mark.parametrize("written", ["", "-", "Router", "0000.5e00.53", "00:00:5e:00:53:0g", "00:00:5e:00:53:ab:cd"])
def test_other_text_is_no_address(written: str) -> None:
    assert mac_from(written) is None


def test_several_addresses_are_joined() -> None:
    assert mac_bytes("00:00:5e:00:53:01", "ff:ff:ff:ff:ff:ff") == bytes.fromhex("00005e005301ffffffffffff")


@pytest.mark.parametrize(
    ("group", "mac"),
    [
        ("224.0.0.18", "01:00:5e:00:00:12"),
        ("239.129.2.3", "01:00:5e:01:02:03"),
        ("ff02::1:ff00:1", "33:33:ff:00:00:01"),
    ],
)
def test_a_group_has_its_address_on_ethernet(group: str, mac: str) -> None:
    assert multicast_mac(ip_address(group)) == mac


def test_no_other_module_turns_one_form_into_another() -> None:
    users = {path.name for path in PACKAGE.rglob("*.py") if TURNS.search(path.read_text())}
    assert users == {"mac.py", *ELSEWHERE}
