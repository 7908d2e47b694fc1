"""EtherTypes: tags, and one module that has each value."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.protocols import ethertypes
from conformance.protocols.ethertypes import behind_tags, ethertype_of, tag, tagged

CHECKOUT = Path(__file__).parents[2]
NUMBERS = {value for name, value in vars(ethertypes).items() if isinstance(value, int) and value >= ethertypes.IPV4}
OCTETS = [f"\\x{value >> 8:02x}\\x{value & 0xFF:02x}" for value in NUMBERS]
LLC = ["\\x42\\x42\\x03", "\\xaa\\xaa\\x03"]
HEAD = bytes(12)


def written(path: Path) -> Iterator[str]:
    """Numbers of four hexadecimal digits and bytes in a module that are an EtherType or an LLC header."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        text = token.string.lower()
        if token.type == tokenize.NUMBER and text.startswith("0x") and len(text) == 6 and int(text, 16) in NUMBERS:
            yield f"{path.name}:{token.start[0]} {token.string}"
        if token.type == tokenize.STRING and text.startswith("b") and any(known in text for known in (*OCTETS, *LLC)):
            yield f"{path.name}:{token.start[0]} {token.string}"


@pytest.mark.parametrize("folder", ["conformance", "tests", "bench"])
def test_no_other_module_has_an_ethertype(folder: str) -> None:
    home = Path(ethertypes.__file__)
    found = [one for path in (CHECKOUT / folder).rglob("*.py") if path != home for one in written(path)]
    assert not found


def test_a_tag_is_looked_behind() -> None:
    frame = HEAD + ethertypes.octets(ethertypes.LLDP) + b"payload"
    assert behind_tags(frame) == (ethertypes.LLDP, 14)
    twice = tagged(tagged(frame, 5), 6, ethertypes.SERVICE_TAG)
    assert ethertype_of(twice) == ethertypes.SERVICE_TAG
    assert behind_tags(twice) == (ethertypes.LLDP, 22)
    assert twice[14:16] == b"\0\6"


@pytest.mark.parametrize("cut", [0, 12, 13, 14, 15, 16, 17])
def test_a_cut_frame_has_no_ethertype_behind_its_tag(cut: int) -> None:
    frame = (HEAD + tag(5) + ethertypes.octets(ethertypes.RARP))[:cut]
    assert behind_tags(frame)[0] == 0
    assert ethertype_of(frame) == (ethertypes.CUSTOMER_TAG if cut >= 14 else 0)
