"""Every decoder survives every frame: captures from the field hold anything."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from struct import pack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conformance.protocols
from conformance.protocols import ethertypes
from conformance.protocols.lldp import frames as lldp

PREFIX = "conformance.protocols."
TAKEN = {"frame", "packet", "payload", "data"}
"""The name of the one parameter of a decoder."""


def decoders() -> dict[str, Callable[[bytes], Any]]:
    """Every public function of the protocols that takes bytes as they came and nothing else."""
    found: dict[str, Callable[[bytes], Any]] = {}
    for module in pkgutil.walk_packages(conformance.protocols.__path__, PREFIX):
        place = importlib.import_module(module.name)
        for name, function in inspect.getmembers(place, inspect.isfunction):
            parameters = list(inspect.signature(function).parameters.values())
            needed = [one for one in parameters if one.default is one.empty]
            takes = len(needed) == 1 and needed[0].name in TAKEN and needed[0].annotation in {"bytes", bytes}
            if takes and not name.startswith("_") and function.__module__ == place.__name__:
                found[f"{module.name.removeprefix(PREFIX)}.{name}"] = function
    return found


DECODERS = decoders()
TYPES = (
    ethertypes.IPV4, ethertypes.IPV6, ethertypes.ARP, ethertypes.RARP, ethertypes.LLDP, ethertypes.SLOW_PROTOCOLS,
    ethertypes.EXPERIMENT, ethertypes.CUSTOMER_TAG, 0x0026,
)  # fmt: skip
SOURCE = bytes.fromhex("00005e005311")
SLOW = ethertypes.octets(ethertypes.SLOW_PROTOCOLS)
GROUPS = tuple(bytes.fromhex("0180c20000") + bytes((last,)) for last in (0x00, 0x02, 0x0E))
SOUND = (
    lldp.frame_of(SOURCE, [*lldp.mandatory(*lldp.local_ids("c", "p"), 121), lldp.tlv(8, bytes(12))]),
    GROUPS[0] + SOURCE + b"\0\x26" + ethertypes.LLC_BRIDGE + bytes(35),
    GROUPS[1] + SOURCE + SLOW + b"\x01\x01\x01\x14" + bytes(106),
    GROUPS[1] + SOURCE + SLOW + b"\x02\x01\x01\x10" + bytes(106),
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Bytes of any kind; behind Ethernet headers that decoders look for; or a sound frame, cut and damaged."""
    shape = draw(st.integers(0, 2))
    if shape == 0:
        return draw(st.binary(max_size=200))
    if shape == 1:
        head = draw(st.sampled_from(GROUPS)) + SOURCE + pack("!H", draw(st.sampled_from(TYPES)))
        return head + draw(st.binary(max_size=200))
    frame = bytearray(draw(st.sampled_from(SOUND)))
    for place in draw(st.lists(st.integers(12, len(frame) - 1), max_size=4)):
        frame[place] = draw(st.integers(0, 255))
    return bytes(frame[: draw(st.integers(0, len(frame)))])


def test_there_are_decoders() -> None:
    assert {"lldp.frames.parse", "ndp.parse", "summary.one_line"} <= set(DECODERS)


@pytest.mark.parametrize("name", sorted(DECODERS))
@given(frame=frames())
@settings(max_examples=150)
def test_a_decoder_survives_anything(name: str, frame: bytes) -> None:
    DECODERS[name](frame)
