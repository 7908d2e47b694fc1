"""The layout of a frame: which protocols it is made of, and the fields of each."""

from __future__ import annotations

import functools
from typing import Final

from conformance.protocols import ethertypes
from conformance.selftest.survey.fields import Layout, form, number
from conformance.selftest.survey.fields_ip import arp, ipv4, ipv6
from conformance.selftest.survey.fields_links import bpdu, lldp, slow

ETHERNET: Final = form("destination 48, source 48, type 16")
TAG: Final = form("priority 3, drop-eligible 1, id 12, type 16")


@functools.lru_cache(maxsize=1 << 15)
def layout(frame: bytes) -> Layout:
    """The fields of an Ethernet frame, to be read only. Never raises; what is not recognised is payload."""
    made = Layout(frame)
    at = made.take("ethernet", 0, ETHERNET)
    kind = number(frame, 12)
    while kind in ethertypes.TAGS and at + 4 <= len(frame):
        kind = number(frame, at + 2)
        at = made.take("vlan", at, TAG)
    made.end = at
    known = {
        ethertypes.ARP: arp,
        ethertypes.RARP: arp,
        ethertypes.IPV4: ipv4,
        ethertypes.IPV6: ipv6,
        ethertypes.LLDP: lldp,
        ethertypes.SLOW_PROTOCOLS: slow,
    }
    if kind <= ethertypes.LONGEST_LENGTH and frame[at : at + 3] == ethertypes.LLC_BRIDGE:
        bpdu(made, at)
    elif kind in known:
        known[kind](made, at)
    else:
        made.end = len(frame)
        made.rest("ethernet.payload", at, len(frame))
    if made.end < len(frame):
        made.rest(f"{made.kind.partition(' ')[0]}.padding", made.end, len(frame))
    return made
